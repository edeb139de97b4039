"""A program for the loaders' tests: as it was compiled, and guarded by hand.

The guarded one is a reading of recovery's transition table that shares no code with the passes:
each cell is WAT here, and the docstrings name the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DIALECTS", "NOTICES", "guarded", "plain"]

DIALECTS = ("exnref", "legacy", "none")
NOTICES = ("host", "wasm")


@dataclass(frozen=True)
class _Function:
    """A function that the host can call, or that is in the table; or both."""

    name: str
    parameters: tuple[str, ...]
    results: tuple[str, ...]
    body: str
    exported: bool = True

    @property
    def signature(self) -> str:
        return _signature(self.parameters, self.results)

    @property
    def arguments(self) -> str:
        return " ".join(f"(local.get {index})" for index in range(len(self.parameters)))


def _signature(parameters: tuple[str, ...], results: tuple[str, ...]) -> str:
    return f"(param {' '.join(parameters)}) (result {' '.join(results)})"


_COUNT = "(global.set $counter (i32.add (global.get $counter) (i32.const 1)))"
_CLEAN_UP = "(i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))"
_TRAP = "unreachable"


def _careful(dialect: str) -> str:
    """Calls the host, and counts at address 8 what it cleaned up."""
    call = "(call $host (local.get 0))"
    if dialect == "exnref":
        return f"""
    (block $escaped (result exnref)
      (return (try_table (result i32) (catch_all_ref $escaped) {call})))
    {_CLEAN_UP} throw_ref"""
    if dialect == "legacy":
        return f"try (result i32) {call} catch_all {_CLEAN_UP} rethrow 0 end"
    return call


def _catching(dialect: str) -> str:
    """Calls the host; a panic in there is a result."""
    call = "(call $host (local.get 0))"
    if dialect == "exnref":
        return f"""
    (block $caught (result i32)
      (return (try_table (result i32) (catch $panic $caught) {call})))
    i32.const 1000 i32.add"""
    if dialect == "legacy":
        return f"try (result i32) {call} catch $panic i32.const 1000 i32.add end"
    return call


def _functions(dialect: str) -> list[_Function]:
    i32 = ("i32",)
    throwing = _TRAP if dialect == "none" else "(throw $panic (local.get 0))"
    return [
        _Function("add", ("i32", "i32"), i32, "(i32.add (local.get 0) (local.get 1))"),
        _Function(
            "five",
            ("i32", "i64", "f32", "f64", "i32"),
            ("i32", "i64"),
            "(i32.add (local.get 0) (local.get 4)) (local.get 1)",
        ),
        _Function("big", ("i64",), ("i64",), "(i64.add (local.get 0) (i64.const 1))"),
        _Function("step", (), (), _COUNT),
        _Function("count", (), i32, "(global.get $counter)"),
        _Function("trap", (), (), f"{_COUNT} {_TRAP}"),
        _Function("overflow", (), i32, "(i32.add (call $overflow.original) (i32.const 1))"),
        _Function("panic", i32, (), throwing),
        _Function("call", i32, i32, f"{_COUNT} (call $host (local.get 0))"),
        _Function("careful", i32, i32, _careful(dialect)),
        _Function("catching", i32, i32, _catching(dialect)),
        _Function("indirect", ("i32", "i32"), i32, "(call $through (local.get 0) (local.get 1))"),
        _Function("suspend", i32, i32, "(i32.add (call $wait (local.get 0)) (i32.const 1))"),
        _Function("same_function", ("funcref",), ("funcref",), "(local.get 0)"),
        _Function("same_value", ("externref",), ("externref",), "(local.get 0)"),
        _Function("schedule", (), (), "(call $reinit)"),
        _Function("__wbg_thing_free", i32, (), _COUNT),
        _Function("_initialize", (), (), "(global.set $counter (i32.const 100)) (call $boot)"),
        _Function("hidden", i32, i32, "(i32.mul (local.get 0) (i32.const 2))", exported=False),
        _Function("hidden_trap", i32, i32, f"{_COUNT} {_TRAP}", exported=False),
    ]


_IMPORTS = {
    "host": (("i32",), ("i32",)),
    "wait": (("i32",), ("i32",)),
    "boot": ((), ()),
}
_TABLE = ("add", "hidden", "hidden_trap", "call", "step")
"""What is in the table, from its second place on."""


def plain(dialect: str) -> str:
    """The program as a compiler makes it."""
    imports = "".join(
        f'(import "env" "{name}" (func ${name} {_signature(*types)}))'
        for name, types in _IMPORTS.items()
    )
    functions = "\n".join(
        f"(func ${each.name} "
        + (f'(export "{each.name}") ' if each.exported else "")
        + f"{each.signature} {each.body.replace('.original', '')})"
        for each in _functions(dialect)
    )
    return f"""(module
  (type $unary (func (param i32) (result i32)))
  {imports}
  (import "wasmir" "schedule_reinit" (func $reinit))
  {_panic_tag(dialect, "panicked")}
  (memory (export "memory") 1)
  (data (i32.const 0) "\\2a")
  (global $counter (mut i32) (i32.const 0))
  (table $table (export "table") 8 funcref)
  (elem (i32.const 1) func {" ".join("$" + name for name in _TABLE)})
  (func $through (param i32 i32) (result i32)
    (call_indirect $table (type $unary) (local.get 1) (local.get 0)))
  {functions})"""


def _panic_tag(dialect: str, name: str) -> str:
    return "" if dialect == "none" else f'(tag $panic (export "{name}") (param i32))'


def guarded(notice: str, dialect: str, *, reset: bool = True) -> str:
    """The program guarded by hand."""
    in_wasm = notice == "wasm"
    functions = _functions(dialect)
    imports = "".join(
        f'(import "env" "{name}" (func ${name}.host {_signature(*types)}))'
        for name, types in _IMPORTS.items()
    )
    originals = "\n".join(
        f"(func ${each.name}.original {each.signature} {each.body})" for each in functions
    )
    gates = "\n".join(_gate(each, dialect) for each in functions)
    doors = "\n".join(
        _door(name, *types, f"(call ${name}.host {{}})", dialect, in_wasm=in_wasm)
        for name, types in _IMPORTS.items()
    )
    indirect = _door(
        "through",
        ("i32", "i32"),
        ("i32",),
        "(call_indirect $table (type $unary) (local.get 1) (local.get 0))",
        dialect,
        in_wasm=in_wasm,
        before=_can_not_trap(dialect) if in_wasm else "",
    )
    elements = " ".join(f"${name}" for name in _TABLE)
    has_tags = dialect != "none"
    section = (
        f'{{"version": 1, "notice": "{notice}", "dialect": "{dialect}", "tables": "guard", '
        f'"reset": {str(reset).lower()}, "panics": ["__wasmir_panic_0"], "mark": null}}'
    ).replace('"', '\\"')
    return f"""(module
  (type $nullary (func))
  (type $unary (func (param i32) (result i32)))
  {imports}
  {_panic_tag(dialect, "__wasmir_panic_0")}
  {'(tag $terminated (export "__wasmir_terminated"))' if has_tags else ""}
  (memory (export "memory") 1)
  (data (i32.const 0) "\\2a")
  (global $counter (mut i32) (i32.const 0))
  (table $table (export "table") 8 funcref)
  (elem (i32.const 1) func {elements})
  (elem declare func {elements})
  (table $hooks 1 funcref)
  (global $state (export "__wasmir_state") (mut i32) (i32.const 0))
  (global $depth (mut i32) (i32.const 0))
  (global $epoch (mut i32) (i32.const 0))
  (global $scheduled (mut i32) (i32.const 0))
  (global $hk (mut i32) (i32.const 0))
  (global $pass (mut i32) (i32.const 0))
  (func (export "__wasmir_activation") (result f64)
    (f64.add
      (f64.mul (f64.convert_i32_u (global.get $epoch)) (f64.const 4294967296))
      (f64.convert_i32_u (global.get $depth))))
  (func (export "__wasmir_set_on_abort") (param funcref) (result funcref)
    (table.get $hooks (i32.const 0))
    (table.set $hooks (i32.const 0) (local.get 0)))
  {_terminate(dialect)}
  {_reset(dialect) if reset else "(func $reset unreachable)"}
  (func $reinit {'(export "__wasmir_schedule_reinit")' if reset else ""}
    (global.set $scheduled (i32.const {int(reset)})))
  (func $refuse {"(throw $terminated)" if has_tags else _TRAP})
  {_enter(in_wasm=in_wasm)}
  (func $leave
    (global.set $depth (i32.sub (global.get $depth) (i32.const 1)))
    {"(global.set $state (i32.const 0))" if in_wasm else ""})
  {doors}
  {indirect}
  {originals}
  {gates}
  (@custom "wasmir.recovery" "{section}"))"""


def _enter(*, in_wasm: bool) -> str:
    """Row "gate entered": 1 if the original is to run uncounted, as part of the hook."""
    never_came_back = """
    (if (i32.eq (global.get $state) (i32.const 1)) (then (call $terminate) (call $refuse)))"""
    return f"""
  (func $enter (param $is_nullary i32) (result i32)
    {never_came_back if in_wasm else ""}
    (if (i32.eq (global.get $state) (i32.const 2)) (then
      (if (i32.or
            (i32.eq (global.get $pass) (i32.const 1))
            (i32.and (i32.ne (global.get $pass) (i32.const 0)) (local.get $is_nullary)))
        (then
          (global.set $pass (i32.const 0))
          (if (local.get $is_nullary) (then (global.set $hk (i32.const 1))))
          (return (i32.const 1))))
      (if (i32.eq (global.get $hk) (i32.const 2)) (then (call $refuse)))
      (if (i32.eqz (global.get $scheduled)) (then (call $refuse)))
      (call $reset))
    (else
      (if (i32.and (global.get $scheduled) (i32.eqz (global.get $depth))) (then (call $reset)))))
    {"(global.set $state (i32.const 1))" if in_wasm else ""}
    (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
    (i32.const 0))"""


def _terminate(dialect: str) -> str:
    """Row "terminate"."""
    hook = "(call_indirect $hooks (type $nullary) (i32.const 0))"
    return f"""
  (func $terminate (export "__wasmir_terminate")
    (if (i32.eq (global.get $state) (i32.const 2)) (then (return)))
    (global.set $state (i32.const 2))
    (global.set $depth (i32.const 0))
    (if (i32.eqz (ref.is_null (table.get $hooks (i32.const 0)))) (then
      (global.set $hk (i32.const 2))
      (global.set $pass (i32.const 2))
      {_swallowing(hook, dialect)}))
    (global.set $hk (i32.const 0))
    (global.set $pass (i32.const 0)))"""


def _swallowing(code: str, dialect: str) -> str:
    if dialect == "exnref":
        return f"(block $done (try_table (catch_all $done) {code}))"
    if dialect == "legacy":
        return f"try {code} catch_all end"
    return code


def _then_also(code: str, after: str, results: tuple[str, ...], dialect: str) -> str:
    """The code, and then something, whether the code returns or throws."""
    if dialect == "exnref":
        return f"""
    (block $escaped (result exnref)
      (try_table (result {" ".join(results)}) (catch_all_ref $escaped) {code})
      {after} return)
    {after} throw_ref"""
    if dialect == "legacy":
        return f"""
    try (result {" ".join(results)}) {code} catch_all {after} rethrow 0 end
    {after}"""
    return f"{code} {after}"


def _gate(function: _Function, dialect: str) -> str:
    """Rows "gate entered" and "gate left"."""
    call = f"(call ${function.name}.original {function.arguments})"
    is_nullary = not function.parameters and not function.results
    export = f'(export "{function.name}")' if function.exported else ""
    return f"""
  (func ${function.name} {export} {function.signature}
    (if (call $enter (i32.const {int(is_nullary)})) (then (return {call})))
    {_then_also(call, "(call $leave)", function.results, dialect)})"""


def _door(
    name: str,
    parameters: tuple[str, ...],
    results: tuple[str, ...],
    call: str,
    dialect: str,
    *,
    in_wasm: bool,
    before: str = "",
) -> str:
    """Rows "door out" and "door back"."""
    locals_get = " ".join(f"(local.get {index})" for index in range(len(parameters)))
    hook_out = "$pass (i32.const 1)" if "call_indirect" in call else "$hk (i32.const 2)"
    swallowed = """
      (if (i32.eq (global.get $state) (i32.const 1)) (then (call $terminate) unreachable))
      (global.set $state (local.get $saved_state))"""
    back = f"""
    (if (i32.ne (global.get $epoch) (local.get $saved_epoch)) (then unreachable))
    (if (i32.eq (global.get $state) (i32.const 2))
      (then
        (if (i32.ne (local.get $saved_state) (i32.const 2)) (then unreachable))
        (global.set $hk (local.get $saved_hk))
        (global.set $pass (i32.const 0)))
      (else {swallowed if in_wasm else ""}))"""
    return f"""
  (func ${name} {_signature(parameters, results)}
    (local $saved_epoch i32) (local $saved_state i32) (local $saved_hk i32)
    {before}
    (local.set $saved_epoch (global.get $epoch))
    (local.set $saved_state (global.get $state))
    (local.set $saved_hk (global.get $hk))
    (if (i32.eq (global.get $state) (i32.const 2))
      (then
        (if (i32.eqz (global.get $hk)) (then unreachable))
        (global.set {hook_out}))
      (else {"(global.set $state (i32.const 0))" if in_wasm else ""}))
    {_then_also(call.format(locals_get), back, results, dialect)})"""


def _can_not_trap(dialect: str) -> str:
    """Under w, an indirect call that would trap by itself does so before the door is open."""
    slot = "(table.get $table (local.get 0))"
    right = f"(ref.test (ref $unary) {slot})" if dialect == "exnref" else ""
    other = f"(i32.eqz (ref.is_null {slot}))"
    return f"(if (i32.eqz {right or other}) (then unreachable))"


def _reset(dialect: str) -> str:
    """Row "reset": all restored but the epoch; then ``_initialize``, through its gate."""
    failed = "(global.set $state (i32.const 2)) (global.set $depth (i32.const 0))"
    initialize = "(call $_initialize)"
    if dialect == "exnref":
        counted = f"""
    (block $escaped (result exnref)
      (try_table (catch_all_ref $escaped) {initialize}) return)
    {failed} throw_ref"""
    elif dialect == "legacy":
        counted = f"try {initialize} catch_all {failed} rethrow 0 end"
    else:
        counted = initialize
    slots = "".join(
        f"(table.set $table (i32.const {place}) (ref.func ${name}))"
        for place, name in enumerate(_TABLE, 1)
    )
    variables = ("counter", "depth", "state", "scheduled", "hk", "pass")
    zeros = "".join(f"(global.set ${name} (i32.const 0))" for name in variables)
    return f"""
  (func $reset (export "__wasmir_reset_state")
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536))
    (i32.store8 (i32.const 0) (i32.const 42))
    (table.fill $table (i32.const 0) (ref.null func) (i32.const 8))
    {slots}
    (table.set $hooks (i32.const 0) (ref.null func))
    {zeros}
    (global.set $epoch (i32.add (global.get $epoch) (i32.const 1)))
    {counted})"""
