"""Jobs that people have, on modules that others published."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from corpus.manifest import External, find
from tests.modules import printed, sections_of
from tests.support import fetched, validate
from wasmir import (
    DyLink,
    Export,
    Function,
    Module,
    Pipeline,
    extract,
    instructions,
    merge,
)
from wasmir.interp import Instance

pytestmark = pytest.mark.slow

# Import, function, export, start, element and code section: what mentions functions.
MENTIONING = {2, 3, 7, 8, 9, 10}


def external(name: str) -> bytes:
    entry = find(name)
    assert isinstance(entry, External)
    return fetched(entry)


def test_what_a_python_extension_does_not_use_goes_and_nothing_else_changes() -> None:
    """Its exports are for other extensions; Python asks for one of them."""
    before = external("contourpy")
    module = Module.from_bytes(before)
    module.read_all()
    numbers = {function: function.index for function in module.functions}
    [report] = Pipeline.parse('gc{roots="PyInit_* __wasm_*",only=functions}').run(module)
    assert report.counts["functions"] > 20
    after = module.to_bytes()
    assert validate(after) is None
    old, new = sections_of(before), sections_of(after)
    assert [kind for kind, _ in old] == [kind for kind, _ in new]
    changed = {one[0] for one, other in zip(old, new, strict=True) if one != other}
    assert changed <= MENTIONING
    # What is left is the same, but for the numbers of functions.
    places = {numbers[function]: place for place, function in enumerate(module.functions)}
    first, second = Module.from_bytes(before), Module.from_bytes(after)
    for number, place in places.items():
        one, other = first.functions[number], second.functions[place]
        assert one.type.index == other.type.index
        if one.imported is not None:
            continue
        assert one.local_groups == other.local_groups
        for a, b in zip(instructions(one), instructions(other), strict=True):
            assert a.row is b.row
            mentions = [each.kind.space == "func" for each in a.row.immediates]
            moved = [
                places[value] if is_function else value
                for value, is_function in zip(a.immediates, mentions, strict=True)
            ]
            assert moved == list(b.immediates)
    assert Pipeline.parse("gc").run(second)[0].counts.get("functions", 0) == 0


def test_libraries_are_noted_where_an_extension_needs_them() -> None:
    """As auditwheel-emscripten does it, which copies libraries into a wheel and says so."""
    before = external("contourpy")
    module = Module.from_bytes(before)
    dylink = DyLink.of(module)
    assert dylink
    memory = dylink.memory
    dylink.needed = [*dylink.needed, "libc++-5b3d1c1e.so"]
    dylink.runtime_path = ["$ORIGIN/../contourpy.libs"]
    after = module.to_bytes()
    text = printed(after)
    assert '(needed "libc++-5b3d1c1e.so")' in text
    assert '(runtime-path "$ORIGIN/../contourpy.libs")' in text
    old, new = sections_of(before), sections_of(after)
    assert [one == other for one, other in zip(old, new, strict=True)] == [False] + [True] * (
        len(old) - 1
    )
    # And back.
    again = Module.from_bytes(after)
    dylink = DyLink.of(again)
    assert dylink
    assert (dylink.memory, dylink.needed) == (memory, ["libc++-5b3d1c1e.so"])
    dylink.needed = dylink.runtime_path = []
    assert again.to_bytes() == before


MESSAGE = b"the quick brown fox jumps over the lazy dog; " * 9


def sha256(module: Module, memory_name: str = "memory") -> bytes:
    """What the package's JavaScript does to get a digest, in the interpreter."""
    imports: dict[str, dict[str, Any]] = {}
    for each in module.imports:
        imports.setdefault(each.module, {})[each.name] = lambda *_: None
    instance = Instance(module, imports)
    memory, source, target = (instance.exports[name] for name in (memory_name, "input", "output"))
    memory.data[source.value : source.value + len(MESSAGE)] = MESSAGE
    instance.invoke("init")
    instance.invoke("update", source.value, len(MESSAGE))
    instance.invoke("final", target.value)
    return bytes(memory.data[target.value : target.value + 32])


DIGEST = hashlib.sha256(MESSAGE).digest()


def test_two_packages_in_one_module() -> None:
    module, other = Module.from_bytes(external("anan-as")), Module.from_bytes(external("as-sha256"))
    assert sha256(other) == DIGEST
    many = len(module.functions)
    merge(module, other, "sha", conflicts="rename")
    assert len(module.functions) > many
    data = module.to_bytes(keep_stale=True)
    assert validate(data) is None
    after = Module.from_bytes(data)
    # Each has a memory of its own.
    assert len(after.memories) == 2
    assert sha256(after, "sha.memory") == DIGEST


def function_of(export: Export) -> Function:
    assert isinstance(export.entity, Function)
    return export.entity


def test_a_function_by_itself_does_the_same() -> None:
    """With what it needs, and what prepares it."""
    module = Module.from_bytes(external("as-sha256"))
    names = ["init", "update", "final", "memory", "input", "output"]
    wanted = [export.entity for export in module.exports if export.name in names]
    assert module.start
    part = extract(module, [*wanted, module.start])
    assert validate(part.to_bytes()) is None
    assert len(wanted) + 1 == len(part.exports) <= len(part.functions) < len(module.functions)
    part.start = function_of(part.exports[-1])
    assert sha256(part) == DIGEST
