"""Gates of every build: with a body of their own or a shared one, with helpers or without."""

from __future__ import annotations

import re

import pytest

from tests.javascript import javascript
from tests.modules import assembled, printed
from tests.recovery.engine import VARIANTS
from wasmir import Module, Pipeline

_RUN = """
    const error = new Error("the host's own");
    let depth;
    const instance = new WebAssembly.Instance(module, { env: { host(x) {
      depth = exports.__wasmir_activation();
      if (x === 7) throw error;
      return x;
    } } });
    const { exports } = instance;
    const found = [exports.f0(1), depth, exports.__wasmir_activation()];
    try { exports.f1(7); } catch (caught) { found.push(caught === error); }
    found.push(depth, exports.__wasmir_activation(), exports.__wasmir_state.value);
    exports.__wasmir_terminate();
    depth = -1;
    try { exports.f2(1); } catch (caught) { found.push(caught instanceof WebAssembly.Exception); }
    found.push(depth, exports.__wasmir_state.value);
    exports.__wasmir_reset_state();
    found.push(exports.f2(5), exports.__wasmir_activation() % 2 ** 32);
    return found;
"""


def _module(count: int) -> str:
    """So many exported functions that do the same."""
    functions = " ".join(
        f'(func $f{number} (export "f{number}") (param i32) (result i32)'
        " (call $host (local.get 0)))"
        for number in range(count)
    )
    return f"""(module
      (import "env" "host" (func $host (param i32) (result i32)))
      {functions}
      (func $catches try nop catch_all end))"""


@pytest.mark.parametrize(
    ("count", "share", "enters", "leaves"),
    [
        pytest.param(255, "auto", 0, 255, id="own"),
        pytest.param(256, "auto", 256, 512, id="own-helped"),
        pytest.param(32, "true", 0, 1, id="shared"),
        pytest.param(31, "true", 1, 2, id="shared-helped"),
    ],
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_gates_count_in_and_out(
    variant: str, count: int, share: str, enters: int, leaves: int
) -> None:
    dialect, notice = VARIANTS[variant]
    module = Module.from_bytes(assembled(_module(count)))
    first = "legacy-to-exnref," if dialect == "exnref" else ""
    Pipeline.parse(f"{first}recover{{notice={notice},share={share}}}").run(module)
    data = module.to_bytes()
    calls = re.findall(r"call \$__wasmir_(enter|leave)\b", printed(data))
    # Where an exception leaves, the helper does it in every build.
    assert (calls.count("enter"), calls.count("leave")) == (enters, leaves)
    assert javascript(_RUN, module=data) == [1, 1, 0, True, 1, 0, 0, True, -1, 2, 5, 0]
