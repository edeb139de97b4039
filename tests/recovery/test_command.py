"""The command `recover`, and README's example for Node as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from corpus.engine import arguments
from corpus.manifest import find
from tests.modules import assembled
from tests.support import validate
from tests.test_cli import wasmir
from wasmir import Module, Pipeline, UnsupportedError

pytestmark = pytest.mark.usefixtures("engine")

README = Path(__file__).parents[2] / "README.md"


def test_the_example_for_node(tmp_path: Path) -> None:
    [example] = re.findall(
        r"^```js\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    program = find("cpp-requests-exnref-O2").path
    done = wasmir("recover", program, "-o", tmp_path / "app.recovered.wasm", "--js")
    assert done.exit_code == 0, done.stderr
    assert "nobody notices an abort until" in done.stdout
    # A transfer, one of more than there is, one that runs into `unreachable`, and one after it.
    requests = [[0, 1, 10, 0, 0], [0, 1, 1000, 0, 0], [0, 1, 10, 2, 0], [2, 3, 10, 0, 0]]
    more = f"console.log(JSON.stringify({json.dumps(requests)}.map(handle)));"
    (tmp_path / "example.mjs").write_text(example + more, encoding="utf-8")
    ran = subprocess.run(
        [*arguments(), "example.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stderr == "the module aborted: unreachable\n"
    [first, refused, failed, after] = json.loads(ran.stdout)
    assert (refused, failed) == ("refused", "failed")
    assert first == after
    assert isinstance(first, int)


def test_explaining_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = find("cpp-requests-exnref-O2").path
    done = wasmir("recover", program, "--explain")
    assert done.exit_code == 0
    assert "gates" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_recovered_module_is_not_recovered_again(tmp_path: Path) -> None:
    program = find("cpp-requests-exnref-O2").path
    once, again = tmp_path / "once.wasm", tmp_path / "again.wasm"
    assert wasmir("recover", program, "-o", once).exit_code == 0
    done = wasmir("recover", once, "-o", again)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "is recovered already; nothing is written" in done.stderr
    assert not again.exists()


@pytest.mark.parametrize("arguments", [["IN"], ["IN", "-o", "-", "--js"]])
def test_where_to_write(arguments: list[str]) -> None:
    program = str(find("cpp-requests-exnref-O2").path)
    done = wasmir("recover", *[program if each == "IN" else each for each in arguments])
    assert done.exit_code == 2
    assert "-o OUT is missing" in done.stderr or "beside OUT" in done.stderr


@pytest.mark.parametrize(
    ("name", "target", "passes", "dialect"),
    [
        ("cpp-requests-legacy-O2", "wasmtime", ["legacy-to-exnref", "recover"], "exnref"),
        ("cpp-requests-legacy-O2", "node@20", ["recover"], "legacy"),
        ("cpp-requests-exnref-O2", "node@20", ["exnref-to-legacy", "recover"], "legacy"),
        ("cpp-requests-exnref-O2", "wasmtime", ["recover"], "exnref"),
        ("plain", "node@20", ["recover"], "legacy"),
        ("plain", "chrome@90", ["recover"], "none"),
    ],
)
def test_the_dialect_of_a_target(
    name: str, target: str, passes: list[str], dialect: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.wasm"
    done = wasmir("recover", find(name).path, "-o", out, "--target", target, "--json")
    assert done.exit_code == 0, done.stderr
    assert [each["name"] for each in json.loads(done.stdout)] == passes
    custom = Module.from_file(out).custom("wasmir.recovery")
    assert custom is not None
    assert json.loads(custom.data)["dialect"] == dialect


def test_a_target_that_cannot_be(tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    program = find("cpp-requests-exnref-O2").path
    done = wasmir("recover", program, "-o", out, "--target", "chrome@90")
    assert done.exit_code == 1
    assert "runs no exception handling, and the module's code catches (exnref)" in done.stderr
    done = wasmir("recover", program, "-o", out, "--target", "netscape")
    assert done.exit_code in (1, 2)
    assert "node" in done.stderr
    assert not out.exists()


def test_conversion_comes_before_recovery() -> None:
    data = assembled("""(module (import "e" "f" (func $f)) (export "g" (func $g))
      (func $g (block $b (try_table (catch_all $b) (call $f)))))""")
    with pytest.raises(UnsupportedError, match="convert it first, then recover it"):
        Pipeline.parse("recover,exnref-to-legacy").run(Module.from_bytes(data))
    module = Module.from_bytes(data)
    Pipeline.parse("exnref-to-legacy,recover").run(module)
    assert validate(module.to_bytes()) is None


@pytest.mark.parametrize("reset", ["auto", "true"])
def test_what_is_called_after_a_reset_must_be_there(reset: str, tmp_path: Path) -> None:
    out = tmp_path / "out.wasm"
    program = find("cpp-requests-exnref-O2").path
    done = wasmir("recover", program, "-o", out, "--reset", reset, "--set", "init=nowhere")
    assert done.exit_code == 1
    assert "init=nowhere: it exports no function of that name" in done.stderr
    assert not out.exists()
