"""Two modules as one, and some functions as a module of their own."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from corpus.engine import differences, run_calls
from corpus.manifest import find, modules
from tests.modules import assembled, printed
from tests.support import validate
from wasmir import (
    REF_FUNC,
    Data,
    Element,
    Function,
    InvalidError,
    Module,
    TargetFeatures,
    UnsupportedError,
    extract,
    merge,
    ops,
)
from wasmir.interp import Instance

if TYPE_CHECKING:
    from pathlib import Path

    from corpus.manifest import Module as Entry

LINKED = [entry for entry in modules() if entry.producer != "cpp-object"]


def opened(text: str) -> Module:
    return Module.from_bytes(assembled(text))


def written(module: Module) -> Module:
    data = module.to_bytes()
    assert validate(data) is None
    return Module.from_bytes(data)


def function(module: Module, name: str) -> Function:
    found = module.functions.named(name)
    assert found
    return found


# Extracting

PROGRAM = """(module
  (type $unused (func (param f64)))
  (rec (type $node (struct (field $next (ref null $node)) (field $value i32))))
  (type $twice (func (param $n i32) (result i32)))
  (import "env" "log" (func $log (param i32))) (import "env" "unused" (func $nobody))
  (memory $unused 1) (memory $m 1) (table $t 4 funcref) (tag $e (param i32)) (tag $other)
  (global $counter (mut i32) (i32.const 40)) (global $start i32 (i32.const 2))
  (global $null (ref null $node) (ref.null $node))
  (func $main (export "main") (param $x i32) (result i32) (local $n (ref null $node))
    (call $log (local.get $x))
    (local.set $n (struct.new $node (global.get $null) (i32.load $m (i32.const 8))))
    block $caught (result i32)
      try_table (catch $e $caught)
        (throw $e (call_indirect $t (type $twice)
          (struct.get $node 1 (local.get $n)) (global.get $start)))
      end
      unreachable
    end
    (global.set $counter (i32.add (global.get $counter) (i32.const 1)))
    (i32.add (global.get $counter)))
  (func $twice (type $twice) (i32.mul (local.get 0) (i32.const 2)))
  (func $unrelated (call $nobody))
  (elem (table $t) (i32.const 2) func $twice)
  (data $lost (memory $unused) (i32.const 0) "lost")
  (data (memory $m) (i32.const 8) "\\07\\00\\00\\00"))"""


def test_all_that_a_function_needs_comes_along() -> None:
    program = opened(PROGRAM)
    before = program.to_bytes()
    extracted = written(extract(program, [function(program, "main")]))
    assert program.to_bytes() == before
    assert len(extracted.memories) == len(extracted.tables) == len(extracted.tags) == 1
    assert [each.name for each in extracted.functions] == ["log", "main", "twice"]
    assert function(extracted, "main").local_names == {0: "x", 1: "n"}
    assert {each.name for each in extracted.types} == {"node", "twice", None}
    assert [export.name for export in extracted.exports] == ["main"]
    logged: list[Any] = []
    instance = Instance(extracted, {"env": {"log": logged.append}})
    assert [instance.invoke("main", 5), instance.invoke("main", 6)] == [55, 56]
    assert len(logged) == 2


def test_what_is_shared_is_imported() -> None:
    program = opened(PROGRAM)
    main = function(program, "main")
    program.globals[0].name = program.globals[1].name
    spaces = ("func", "memory", "table", "global", "tag")
    part = written(extract(program, [main], imports=spaces, module="whole"))
    # The same names twice are told apart.
    assert {(each.module, each.name) for each in part.imports} == {
        ("env", "log"),
        *(("whole", name) for name in ("m", "t", "e", "start", "start_2", "null")),
    }
    assert len(part.elements) == len(part.data) == 0
    assert [each.name for each in part.functions] == ["log", "main"]
    with pytest.raises(ValueError, match="no index space 'data' of what is imported"):
        extract(program, [main], imports=["data"])
    with pytest.raises(InvalidError, match="isn't part of the module"):
        extract(part, [main])


@pytest.mark.parametrize("entry", LINKED, ids=lambda entry: entry.name)
def test_any_function_can_be_had(entry: Entry) -> None:
    module = Module.from_file(entry.path)
    defined = [each for each in module.functions if each.imported is None]
    for each in Random(entry.name).sample(defined, min(3, len(defined))):
        part = extract(module, [each])
        data = part.to_bytes()
        assert validate(data) is None
        [export] = Module.from_bytes(data).exports
        # The same code but for indices.
        twin = export.entity
        assert isinstance(twin, Function)
        names = [row.name for row, _ in each.distinct_instructions()]
        assert sorted(names) == sorted(row.name for row, _ in twin.distinct_instructions())
    everything = extract(module, defined)
    assert validate(everything.to_bytes()) is None
    names = [export.name for export in everything.exports]
    assert len(names) == len({*names}) == len(defined)


def test_programs_work_when_all_is_extracted() -> None:
    entry = find("cpp-legacy-O2")
    module = Module.from_file(entry.path)
    exported = [each.entity for each in module.exports if isinstance(each.entity, Function)]
    part = extract(module, exported)
    made = Instance(written(part), _imports(part))
    whole = Instance(module, _imports(module))
    tried = 0
    for each in exported:
        name = module.exports.of(each)[0].name
        if all(str(type_) == "i32" for type_ in each.func_type.params):
            for value in (0, 1, 5):
                arguments = [value] * len(each.func_type.params)
                tried += 1
                assert _outcome(made, name, arguments) == _outcome(whole, name, arguments)
    assert tried > 40


def _imports(module: Module) -> dict[str, dict[str, Any]]:
    """Functions that do nothing and give zero."""
    found: dict[str, dict[str, Any]] = {}
    for each in module.imports:
        assert isinstance(each.entity, Function)
        results = len(each.entity.func_type.results)
        found.setdefault(each.module, {})[each.name] = lambda *_, results=results: (
            0 if results else None
        )
    return found


def _outcome(instance: Instance, name: str, arguments: list[int]) -> object:
    try:
        return instance.invoke(name, *arguments)
    except Exception as error:  # noqa: BLE001 - whatever comes out must be the same
        return type(error)


# Merging

LIBRARY = """(module $library
  (type $pair (struct (field i32) (field i32)))
  (import "main" "callback" (func $callback (param i32) (result i32)))
  (import "env" "log" (func $log (param i32)))
  (memory $m (export "memory") 1 2) (data (i32.const 4) "\\05")
  (global $calls (export "calls") (mut i32) (i32.const 0))
  (table (export "table") 2 funcref) (elem (i32.const 1) func $square)
  (tag $failed (export "failed") (param i32))
  (func $square (export "square") (param i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.mul (local.get 0) (call $callback (local.get 0))))
  (func $make (export "make") (result (ref $pair)) (struct.new $pair (i32.const 3) (i32.const 4)))
  (func (export "fail") try (throw $failed (i32.const 9)) catch_all rethrow 0 end)
  (func $init (call $log (i32.const 1))) (start $init))"""

MAIN = """(module $main
  (type $pair (struct (field i32) (field i32)))
  (import "env" "log" (func $log (param i32)))
  (import "lib" "make" (func $make (result (ref $pair))))
  (import "lib" "square" (func $square (param i32) (result i32)))
  (import "lib" "memory" (memory $shared 1)) (import "lib" "calls" (global $calls (mut i32)))
  (import "lib" "table" (table $t 1 funcref)) (import "lib" "failed" (tag $failed (param i32)))
  (import "lib" "fail" (func $fail))
  (memory $own 1) (data (memory $own) (i32.const 4) "\\07")
  (type $unary (func (param i32) (result i32)))
  (func (export "callback") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "run") (result i32 i32 i32 i32 i32 i32)
    (call $square (i32.const 3))
    (call_indirect $t (type $unary) (i32.const 4) (i32.const 1))
    (global.get $calls)
    (i32.load8_u $shared (i32.const 4)) (i32.load8_u $own (i32.const 4))
    (struct.get $pair 1 (call $make)))
  (func (export "catch") (result i32) try (result i32) (call $fail) (i32.const 0) catch $failed end)
  (func $begin (call $log (i32.const 2))) (start $begin))"""


def test_imports_are_what_the_other_exports() -> None:
    main, library = opened(MAIN), opened(LIBRARY)
    before = library.to_bytes()
    twins = merge(main, library, "lib", own="main")
    assert library.to_bytes() == before
    assert [(each.module, each.name) for each in main.imports] == [("env", "log")]
    again = written(main)
    assert len([each for each in again.types if each.func is None]) == 1
    logged: list[Any] = []
    instance = Instance(again, {"env": {"log": logged.append}})
    # The library comes first.
    assert logged == [1, 2]
    assert instance.invoke("run") == (12, 20, 2, 5, 7, 4)
    assert instance.invoke("catch") == 9
    square = twins[function(library, "square")]
    assert square in main.functions
    assert square.name == "square"
    assert [each.name for each in again.exports] == [
        "callback",
        "run",
        "catch",
        *(each.name for each in library.exports),
    ]


def test_what_finds_nothing_stays_an_import() -> None:
    main, library = opened(MAIN), opened(LIBRARY)
    fail = library.exports.find("fail")
    assert fail
    library.exports.remove(fail)
    merge(main, library, "lib")
    assert {(each.module, each.name) for each in written(main).imports} == {
        ("env", "log"),
        ("lib", "fail"),
        ("main", "callback"),
    }


def test_imports_that_both_have_are_one_where_they_are_alike() -> None:
    one = opened(
        '(module (import "e" "f" (func)) (import "e" "g" (func)) (import "e" "m" (memory 1)))'
    )
    merge(
        one,
        opened(
            """(module (import "e" "f" (func $f)) (import "e" "g" (func $g (param i32)))
              (import "e" "m" (memory 2)) (func (export "x") (call $f) (call $g (i32.const 1))))"""
        ),
        "other",
    )
    assert [each.name for each in one.imports] == ["f", "g", "m", "g", "m"]
    assert validate(one.to_bytes()) is None


@pytest.mark.parametrize(("conflicts", "value"), [("skip", 1), ("rename", 1)])
def test_exports_of_one_name(conflicts: str, value: int) -> None:
    one = opened('(module (func (export "f") (result i32) i32.const 1) (func (export "o.f")))')
    other = opened('(module (func (export "f") (result i32) i32.const 2))')
    merge(one, other, "o", conflicts=conflicts)
    names = ["f", "o.f"] + ["o.o.f"] * (conflicts == "rename")
    assert [each.name for each in one.exports] == names
    instance = Instance(written(one), {})
    assert instance.invoke("f") == value
    assert len(names) == 2 or instance.invoke("o.o.f") == 2


@pytest.mark.parametrize(
    ("main", "library", "message"),
    [
        ('(func (export "f"))', '(func (export "f"))', "^duplicate export name 'f'$"),
        (
            '(import "lib" "f" (func (param i32)))',
            '(func (export "f") (param i64))',
            r'^incompatible import type: import "lib" "f" is a function .i32. .* .i64. -> \[\]$',
        ),
        (
            '(import "lib" "f" (func))',
            '(memory (export "f") 1)',
            "is a function .* is a memory of 1$",
        ),
        (
            '(import "lib" "f" (memory 2))',
            '(memory (export "f") 1)',
            "memory of 2, .* memory of 1$",
        ),
        (
            '(import "lib" "f" (memory 1 3))',
            '(memory (export "f") 1 4)',
            "of 1 to 3, .* of 1 to 4$",
        ),
        (
            '(import "lib" "f" (memory i64 1))',
            '(memory (export "f") 1)',
            "incompatible import type",
        ),
        (
            '(import "lib" "f" (global i32))',
            '(global (export "f") (mut i32) (i32.const 1))',
            "is a global i32, .* is a mutable global i32$",
        ),
        (
            '(import "lib" "f" (table 1 externref))',
            '(table (export "f") 1 funcref)',
            "incompatible import type",
        ),
        ('(import "lib" "f" (tag))', '(tag (export "f") (param i32))', "incompatible import type"),
        (
            '(import "lib" "f" (func $f)) (export "g" (func $f))',
            '(import "main" "g" (func $g)) (export "f" (func $g))',
            '^import "lib" "f" leads to itself: nobody defines it$',
        ),
    ],
)
def test_what_does_not_fit_is_refused(main: str, library: str, message: str) -> None:
    data = assembled(f"(module {main})")
    module = Module.from_bytes(data)
    with pytest.raises(InvalidError, match=message):
        merge(module, opened(f"(module {library})"), "lib", own="main")
    assert module.to_bytes() == data


@pytest.mark.parametrize("other_way", [False, True])
def test_an_import_may_be_of_a_supertype(other_way: bool) -> None:
    types = (
        """(type $a (sub (func (result anyref)))) (type $b (sub $a (func (result (ref i31)))))"""
    )
    user = opened(
        f"""(module {types}
          (import "lib" "f" (func $f (type $a))) (import "lib" "g" (global $g anyref))
          (func (export "run") (result i32)
            (i31.get_s (ref.cast (ref i31) (call $f)))
            (i31.get_s (ref.cast (ref i31) (global.get $g))) (i32.mul)))"""
    )
    library = opened(
        f"""(module (type (func)) {types} (func (export "f") (type $b) (ref.i31 (i32.const 6)))
          (global (export "g") (ref i31) (ref.i31 (i32.const 7))))"""
    )
    if other_way:
        merge(library, user, "user", own="lib")
    else:
        merge(user, library, "lib")
    merged = library if other_way else user
    assert len(merged.imports) == 0
    assert Instance(written(merged), {}).invoke("run") == 42


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("(func (type $b))", '(func (export "x") (type $a) (ref.null any))'),
        ("(func (type $c))", '(func (export "x") (type $b) (ref.i31 (i32.const 1)))'),
        ("(global (mut anyref))", '(global (export "x") (mut i31ref) (ref.null i31))'),
        ("(global i31ref)", '(global (export "x") anyref (ref.null any))'),
        ("(table 1 anyref)", '(table (export "x") 1 i31ref)'),
        ("(func (exact (type $a)))", '(func (export "x") (type $b) (ref.i31 (i32.const 1)))'),
    ],
)
def test_an_import_of_a_type_that_does_not_match_is_refused(wanted: str, given: str) -> None:
    types = """(type $a (sub (func (result anyref)))) (type $b (sub $a (func (result (ref i31)))))
      (type $c (sub (func (result (ref i31)))))"""
    module = opened(f'(module {types} (import "lib" "x" {wanted}))')
    with pytest.raises(InvalidError, match="incompatible import type"):
        merge(module, opened(f"(module {types} {given})"), "lib")


TABLE = """(module (type $s (struct))
  (import "lib" "g" (global $g anyref)) (import "lib" "f" (global $f funcref))
  (import "env" "h" (global $h anyref))
  (table (export "t") 2 anyref (global.get $g)) (table $fs 1 funcref (global.get $f))
  (table 1 anyref (global.get $h))
  (func (export "run") (result i32) (call_indirect $fs (result i32) (i32.const 0))))"""


def test_tables_are_initialised_with_what_was_imported() -> None:
    module = opened(TABLE)
    merge(
        module,
        opened(
            """(module (func $f (result i32) (i32.const 5)) (global $six i32 (i32.const 6))
              (global $i anyref (ref.i31 (i32.add (global.get $six) (i32.const 1))))
              (global (export "g") anyref (global.get $i))
              (global (export "f") funcref (ref.func $f)))"""
        ),
        "lib",
    )
    assert [each.name for each in module.imports] == ["h"]
    text = printed(written(module).source)
    assert "(table (;0;) 2 anyref i32.const 6 i32.const 1 i32.add ref.i31)" in text
    assert Instance(written(module), {"env": {"h": None}}).invoke("run") == 5


def test_values_that_grow_without_end_are_refused() -> None:
    """Each global is twice the one before it."""
    chain = "".join(
        f"(global $g{n} i32 (i32.add (global.get $g{n - 1}) (global.get $g{n - 1})))"
        for n in range(1, 60)
    )
    module = opened(TABLE)
    with pytest.raises(UnsupportedError, match="too long"):
        merge(
            module,
            opened(
                f"""(module (global $g0 i32 (i32.const 1)) {chain}
                  (global (export "g") anyref (ref.i31 (global.get $g59))))"""
            ),
            "lib",
        )


@pytest.mark.parametrize(
    ("library", "message"),
    [
        (
            '(type $s (struct)) (global (export "g") anyref (struct.new $s))',
            r"table 0 mentions global \d.*is an object of its own \(struct.new\)",
        ),
        (
            """(import "main" "back" (global $b anyref))
              (global (export "g") anyref (global.get $b))""",
            "itself",
        ),
    ],
)
def test_a_table_that_needs_the_global_itself_is_refused(library: str, message: str) -> None:
    main = '(global $back (export "back") anyref (global.get $g)))'
    module = opened(TABLE.rstrip()[:-1] + main)
    before = module.to_bytes()
    with pytest.raises(UnsupportedError, match=message):
        merge(module, opened(f"(module {library})"), "lib", own="main")
    assert module.to_bytes() == before


def test_what_makes_no_sense() -> None:
    module = opened("(module)")
    with pytest.raises(ValueError, match="conflicts is one of refuse, skip, rename, not 'both'"):
        merge(module, opened("(module)"), "x", conflicts="both")
    with pytest.raises(ValueError, match="merged with itself"):
        merge(module, module, "x")


def test_an_import_through_the_other_and_back() -> None:
    """Each exports what it imports from the other; in the end one defines it."""
    main = opened(
        """(module (import "lib" "f" (func $f (result i32)))
          (func $g (export "g") (result i32) i32.const 5)
          (func (export "run") (result i32) (call $f)))"""
    )
    merge(
        main,
        opened('(module (import "main" "g" (func $g (result i32))) (export "f" (func $g)))'),
        "lib",
        own="main",
    )
    assert len(main.imports) == 0
    assert Instance(written(main), {}).invoke("run") == 5


def test_types_that_mean_the_same_are_one() -> None:
    types = """(rec (type $a (struct (field (ref null $b)))) (type $b (struct (field (ref $a)))))
      (type $c (sub (array (ref $a)))) (type $d (sub $c (array (ref $a)))) (type $e (cont $f))
      (type $f (func (param (ref $d))))"""
    types = types.replace("(type $e (cont $f))", "") + " (type $e (cont $f))"
    main = opened(f'(module {types} (import "lib" "f" (func (type $f))))')
    library = opened(
        f'(module (type (func)) (type (struct)) {types} (func (export "f") (type $f))'
        "(func (param (ref $e))))"
    )
    count = len(main.types)
    merge(main, library, "lib")
    assert len(main.types) == count + 1
    assert len(main.imports) == 0
    assert validate(main.to_bytes()) is None


def test_code_that_somebody_opened_comes_as_it_is() -> None:
    main, library = (
        opened("(module)"),
        opened('(module (func $f (export "f") (result i32) unreachable))'),
    )
    function(library, "f").body.items[:] = [ops.i32.const(3)]
    merge(main, library, "lib")
    assert Instance(written(main), {}).invoke("f") == 3


def test_references_and_segments_are_provided_for() -> None:
    main = opened('(module (data "first"))')
    library = opened(
        """(module (memory 1) (data $d "data") (func $f) (elem declare func $f)
          (func (export "g") (drop (ref.func $f))
            (memory.init $d (i32.const 0) (i32.const 0) (i32.const 4)) (data.drop $d)))"""
    )
    merge(main, library, "lib")
    assert [each.init for each in written(main).data] == [b"first", b"data"]


def test_segments_that_name_no_place_go_where_their_module_has_them() -> None:
    main = opened("(module (memory 1) (table 1 funcref))")
    library = opened("(module (memory $m 1) (table $t 1 funcref) (func $f))")
    [f] = library.functions
    library.add_data(Data(b"x", offset=library.const(ops.i32.const(3))))
    zero = library.const(ops.i32.const(0))
    library.add_element(Element(REF_FUNC, [f], offset=zero))
    merge(main, library, "lib")
    after = written(main)
    assert after.data[0].memory is after.memories.named("m")
    assert after.elements[0].table is after.tables.named("t")


@pytest.mark.parametrize("names", [("cpp-legacy-O2", "cpp-handling-legacy-O2")])
@pytest.mark.usefixtures("engine")
def test_a_program_with_another_beside_it_does_the_same(
    names: tuple[str, str], tmp_path: Path
) -> None:
    one, other = map(find, names)
    module, guest = Module.from_file(one.path), Module.from_file(other.path)
    merge(module, guest, "other", conflicts="skip")
    features = TargetFeatures.of(module)
    assert features
    path = tmp_path / "both.wasm"
    module.save(path, keep_stale=True)
    assert validate(path.read_bytes()) is None
    before, after = run_calls([one.path, path])
    wanted = {call.export for call in before.calls}
    calls = tuple(call for call in after.calls if call.export in wanted)
    assert differences(before, replace(after, calls=calls)) == []


@pytest.mark.parametrize("entry", LINKED, ids=lambda entry: entry.name)
def test_any_two_can_be_one(entry: Entry) -> None:
    other = Random(entry.name).choice(LINKED)
    module = Module.from_file(entry.path)
    guest = Module.from_file(other.path)
    merge(module, guest, "other", conflicts="rename")
    data = module.to_bytes(keep_stale=True)
    assert validate(data) is None, printed(data)[:2000]
    assert len(Module.from_bytes(data).exports) == len(module.exports)


GLOBALS = """(module
  (global $first i32 (i32.const 3))
  (global $second i32 (i32.add (global.get $first) (i32.const 1)))
  (global $between i32 (i32.add (global.get $second) (i32.const 1)))
  (global $third (export "third") i32
    (i32.add
      (i32.mul (i32.sub (global.get $between) (i32.const 1)) (global.get $first))
      (i32.sub (global.get $second) (i32.const 4))))
  (func (export "f") (result i32) (i32.sub (global.get $third) (global.get $second))))"""


@pytest.mark.parametrize("name", ["f", "third"])
def test_globals_stand_behind_those_that_they_are_made_of(name: str) -> None:
    source = Module.from_bytes(assembled(GLOBALS))
    alone = extract(source, [source.exports.find(name).entity])  # type: ignore[union-attr]
    assert validate(alone.to_bytes()) is None
    instance = Instance(alone, {})
    found = instance.invoke("f") if name == "f" else instance.exports["third"].value
    assert found == {"f": 8, "third": 12}[name]
    assert [each.name for each in alone.globals] == ["first", "second", "between", "third"]


def test_globals_stand_behind_those_that_were_imported() -> None:
    target = Module.from_bytes(
        assembled(
            """(module
              (import "other" "third" (global $third i32))
              (global $before i32 (i32.const 5))
              (global $more i32 (i32.add (global.get $third) (global.get $before)))
              (func (export "more") (result i32) (global.get $more)))"""
        )
    )
    merge(target, Module.from_bytes(assembled(GLOBALS)), "other")
    assert validate(target.to_bytes()) is None
    assert Instance(target, {}).invoke("more") == 17
