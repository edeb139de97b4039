"""Which shapes of exception handling a module's code has, by name.

The shapes are those that a conversion has to get right one by one; whether random modules reach
all of them is a test of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wasmir import (
    AbstractHeap,
    Block,
    Body,
    Br,
    Branch,
    BrIf,
    BrOn,
    BrTable,
    Catch,
    If,
    Instr,
    Item,
    Label,
    Loop,
    Module,
    NumType,
    RefType,
    Rethrow,
    Structured,
    Tag,
    Try,
    TryTable,
    arity,
    falls_through,
    terminates,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wasmir import Function, ValType

__all__ = ["EXNREF_SHAPES", "LEGACY_SHAPES", "shapes"]

_PLACES = ("a block", "a loop", "an if", "a try", "the function")
_HANDLED = ("br", "br_if", "br_table", "br_on")

LEGACY_SHAPES = frozenset(
    {
        "try with parameters",
        "try with a result",
        "try with several results",
        "try without handlers",
        *(f"{name} to its own try, from the body" for name in _HANDLED),
        *(f"{name} to its own try, from a handler" for name in _HANDLED),
        *(f"br out of a handler, to {place}" for place in _PLACES),
        "br to a try with a value",
        "rethrow in the body of a try inside",
        "rethrow in the body of a try inside that catches",
        *(f"rethrow in {place}" for place in ("a block", "a loop", "an if")),
        "rethrow of an outer exception in a handler inside",
        "two rethrows in a clause",
        "rethrow with operands left over",
        "three handlers in one another that rethrow",
        "one try after another, both rethrow",
        "a try that rethrows in the body of one that does",
        *(f"delegate to {place}" for place in _PLACES),
        "delegate to a handler",
        "delegate from a handler to its own try",
        "delegate to a try that may not match, with nothing in between",
        "delegate to a try that may not match, past a catch_all",
        "delegate to a try that may not match, past its own tags only",
        "delegate to the function, past a handler",
        "delegate to a delegate",
        "delegate to a delegate to a delegate",
        "delegate with results",
        "br to a try that delegates",
        "the same tag twice",
        "two names for a tag",
        "catch_all only rethrows",
        "catch only rethrows, before a catch_all",
        "empty handler without payload",
        "empty handler whose payload is the result",
        "handler is a br that takes the payload",
        "handler is a br that leaves some of the payload",
        "handler is a return that takes the payload",
        "handler is a return that leaves some of the payload",
        "handler ends and falls through, and so does another",
        "dead code",
        "try in dead code",
        "body of a try never ends",
        "body of a try can't throw",
        "tail call in a try",
        "tail call by reference in a try",
        "trap in a try",
        "host throws in a try that rethrows",
        "host throws in a try that delegates",
        "JavaScript value as payload",
        "call in a handler that rethrows later",
        "label deeper than 128",
        "local without default, set before a try and read in it",
        "local without default, set in a try",
        "local without default, set in a handler",
        "function with several results",
        "payload of v128",
        "payload of a structure",
        "payload of an array",
        "payload of an i31",
        "payload of a reference that may be null",
        "payload of two values",
        "v128 in a handler",
        "64-bit address in a try",
    }
)

EXNREF_SHAPES = frozenset(
    {
        *(f"clause {kind}" for kind in ("catch", "catch_ref", "catch_all", "catch_all_ref")),
        *(f"clause goes to {place}" for place in (*_PLACES[:3], "a try_table", "the function")),
        "clause goes past another try_table",
        "several clauses land together",
        "two try_tables land together",
        "the same tag twice",
        "clause behind a catch_all",
        "try_table without clauses",
        "try_table in a try_table",
        "try_table behind a landing",
        "try_table with parameters",
        "try_table with results",
        "br to a try_table",
        "throw_ref from the stack",
        "throw_ref of a local",
        "throw_ref right behind the landing",
        "throw_ref in a try_table",
        "exception in a local",
        "exception by local.tee",
        "exception as a result of a block",
        "exception as a parameter of a block",
        "reference to an exception that is not null",
        "null exception",
        "exception tested for null",
        "exception in select",
        "exception dropped",
        "loop around a landing",
        "dead code",
        "tail call in a try_table",
        "payload of v128",
        "payload of a structure",
    }
)


@dataclass(frozen=True)
class _Frame:
    """A list of items: whose it is, and which clause's, if one's."""

    node: Label
    catch: Catch | None
    parent: _Frame | None

    def outwards(self) -> Iterator[_Frame]:
        frame: _Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.parent

    @property
    def handles(self) -> bool:
        """Whether what is thrown here may meet a handler of the node's."""
        node = self.node
        return isinstance(node, Try) and self.catch is None and bool(node.catches)


def shapes(data: bytes) -> Counter[str]:
    """How often each shape is in the module."""
    module = Module.from_bytes(data)
    found: Counter[str] = Counter()
    for function in module.functions:
        # The first few are in every module and have no handlers.
        if function.imported is None:
            function.body.expand()
            _Function(module, function, found).look()
    return found


def _place(label: Label) -> str:
    if isinstance(label, Body):
        return "the function"
    if isinstance(label, If):
        return "an if"
    return {Block: "a block", Loop: "a loop", Try: "a try", TryTable: "a try_table"}[type(label)]


def _branch_name(item: Branch) -> str:
    return {Br: "br", BrIf: "br_if", BrTable: "br_table", BrOn: "br_on"}.get(type(item), "")


class _Function:
    def __init__(self, module: Module, function: Function, found: Counter[str]) -> None:
        self.module = module
        self.function = function
        self.found = found
        self.rethrows: Counter[Catch] = Counter()
        self.frame_of: dict[Label, _Frame] = {}
        self.landings: dict[Label, list[TryTable]] = {}

    def note(self, shape: str, present: bool = True) -> None:
        if present:
            self.found[shape] += 1

    def look(self) -> None:
        self.note("function with several results", len(self.function.func_type.results) > 1)
        frame = _Frame(self.function.body, None, None)
        self.sequence(self.function.body.items, frame, 0, dead=False)
        self.nested(self.function.body.items, 0)
        for tables in self.landings.values():
            self.note("several clauses land together", len(tables) > len(set(tables)))
            self.note("two try_tables land together", len(set(tables)) > 1)

    def sequence(self, items: list[Item], frame: _Frame, height: int, *, dead: bool) -> None:
        """Look at a list; ``height`` operands are there at its start."""
        for item in items:
            if dead:
                self.note("dead code")
                self.note("try in dead code", isinstance(item, Try))
                continue
            if isinstance(item, Instr):
                self.instruction(item, frame)
                if not terminates(item):
                    taken, given = arity(item)
                    height += given - taken
            elif isinstance(item, Structured):
                self.structured(item, frame)
                height += len(item.type.results) - len(item.type.params) - isinstance(item, If)
            elif isinstance(item, Rethrow):
                self.note("rethrow with operands left over", height > 0)
                self.rethrow(item, frame)
            elif isinstance(item, Branch):
                self.branch(item, frame)
                if isinstance(item, BrOn):
                    taken, given = arity(item)
                    height += given - taken
                elif isinstance(item, BrIf):
                    height -= 1
            dead = terminates(item)

    # Legacy

    def structured(self, node: Structured, frame: _Frame) -> None:
        self.frame_of[node] = frame
        depth = sum(1 for _ in frame.outwards())
        self.note("label deeper than 128", depth > 128 and isinstance(node, (Try, TryTable)))
        inner = _Frame(node, None, frame)
        if isinstance(node, Try):
            self.try_(node)
        elif isinstance(node, TryTable):
            self.table(node, frame)
        elif self.is_exception(node.type.params):
            self.note("exception as a parameter of a block")
        for index, items in enumerate(node.sequences()):
            if isinstance(node, Try) and index:
                catch = node.catches[index - 1]
                height = 0 if catch.tag is None else len(catch.tag.params)
                self.sequence(items, _Frame(node, catch, frame), height, dead=False)
            else:
                self.sequence(items, inner, len(node.type.params), dead=False)
        if isinstance(node, Try):
            for catch in node.catches:
                self.note("two rethrows in a clause", self.rethrows[catch] > 1)
            if node.delegate is not None:
                self.delegate(node, frame)

    def try_(self, node: Try) -> None:
        params, results = node.type.params, node.type.results
        self.note("try with parameters", bool(params))
        self.note("try with a result", len(results) == 1)
        self.note("try with several results", len(results) > 1)
        self.note("try without handlers", not node.catches and node.delegate is None)
        self.note("body of a try never ends", not falls_through(node.items))
        self.note("body of a try can't throw", bool(node.catches) and not _throws(node.items))
        if node.delegate is not None:
            self.note("delegate with results", bool(results))
        tags = [catch.tag for catch in node.catches]
        self.note("the same tag twice", len(tags) > len(set(tags)))
        names = {_name(tag) for tag in tags}
        self.note("two names for a tag", {"tag", "tag_again"} <= names)
        ends = [falls_through(catch.items) for catch in node.catches]
        self.note("handler ends and falls through, and so does another", ends.count(True) > 1)
        for catch in node.catches:
            self.clause(node, catch)
        if "throw" in _hosts(node.items):
            rethrows = any(
                isinstance(each, Rethrow) for c in node.catches for each in _all(c.items)
            )
            self.note("host throws in a try that rethrows", rethrows)
            self.note("host throws in a try that delegates", node.delegate is not None)

    def clause(self, node: Try, catch: Catch) -> None:
        payload = () if catch.tag is None else catch.tag.params
        self.payload(payload)
        self.note("JavaScript value as payload", _name(catch.tag) == "js_tag")
        kinds = [item for item in catch.items if not _is_drop(item)]
        if len(kinds) == 1 and isinstance(kinds[0], Rethrow) and kinds[0].label is node:
            last = node.catches[-1]
            self.note("catch_all only rethrows", catch.tag is None)
            before = catch.tag is not None and last.tag is None
            self.note("catch only rethrows, before a catch_all", before)
        if not catch.items:
            self.note("empty handler without payload", not payload)
            self.note("empty handler whose payload is the result", bool(payload))
        elif len(catch.items) == 1:
            (item,) = catch.items
            if isinstance(item, Br):
                taken = self.operands(item.label)
                self.way_out("br", len(payload) - taken)
            elif isinstance(item, Instr) and item.row.name == "return":
                self.way_out("return", len(payload) - len(self.function.func_type.results))
        for item in catch.items:
            if isinstance(item, Instr) and item.row.name.startswith(("i32x4", "v128")):
                self.note("v128 in a handler")

    def way_out(self, name: str, left: int) -> None:
        if left >= 0:
            how = "leaves some of" if left else "takes"
            self.note(f"handler is a {name} that {how} the payload")

    def payload(self, payload: tuple[ValType, ...]) -> None:
        self.note("payload of two values", len(payload) > 1)
        self.note("payload of v128", NumType.V128 in payload)
        for type_ in payload:
            if not isinstance(type_, RefType) or type_.heap is AbstractHeap.EXTERN:
                continue
            self.note("payload of a reference that may be null", type_.nullable)
            text = str(type_.heap)
            kind = {"0": "structure", "2": "array", "i31": "i31"}.get(text)
            if kind is None:
                kind = "array" if _is_array(type_) else "structure"
            self.note(f"payload of {'an' if kind[0] in 'ai' else 'a'} {kind}")

    def operands(self, label: Label) -> int:
        if isinstance(label, Structured):
            return len(label.type.params if isinstance(label, Loop) else label.type.results)
        return len(self.function.func_type.results)

    def branch(self, item: Branch, frame: _Frame) -> None:
        name = _branch_name(item)
        for label in set(item.labels):
            inside = {each.node: each for each in frame.outwards()}
            own = inside[label]
            if isinstance(label, Try):
                where = "the body" if own.catch is None else "a handler"
                self.note(f"{name} to its own try, from {where}")
                self.note("br to a try with a value", bool(label.type.results))
                self.note("br to a try that delegates", label.delegate is not None)
            self.note("br to a try_table", isinstance(label, TryTable))
            if own.catch is None and name == "br":
                for each in frame.outwards():
                    if each.node is label:
                        break
                    if each.catch is not None:
                        self.note(f"br out of a handler, to {_place(label)}")
                        break

    def rethrow(self, item: Rethrow, frame: _Frame) -> None:
        handlers = 0
        for each in frame.outwards():
            if each.node is item.label and each.catch is not None:
                self.rethrows[each.catch] += 1
                break
            node = each.node
            if isinstance(node, Try):
                if each.catch is None:
                    self.note("rethrow in the body of a try inside")
                    caught = bool(node.catches)
                    self.note("rethrow in the body of a try inside that catches", caught)
                else:
                    handlers += 1
                    self.note("rethrow of an outer exception in a handler inside")
            elif isinstance(node, (Block, Loop, If)):
                self.note(f"rethrow in {_place(node)}")
            if each.catch is not None and any(
                isinstance(other, Instr) and other.row.name.startswith("call")
                for other in each.catch.items
            ):
                self.note("call in a handler that rethrows later")

    def delegate(self, node: Try, frame: _Frame) -> None:
        target = node.delegate
        between: list[_Frame] = []
        for each in frame.outwards():
            if each.node is target:
                break
            if each.handles:
                between.append(each)
        else:
            raise AssertionError("delegate to what is not around")
        if each.catch is not None:
            self.note("delegate to a handler")
            self.note("delegate from a handler to its own try")
            return
        assert target is not None
        self.note(f"delegate to {_place(target)}")
        if isinstance(target, Body):
            self.note("delegate to the function, past a handler", bool(between))
        if isinstance(target, Try) and target.delegate is not None:
            self.note("delegate to a delegate")
            further = target.delegate
            again = isinstance(further, Try) and further.delegate is not None
            self.note("delegate to a delegate to a delegate", again)
        if isinstance(target, Try) and target.catches and target.catches[-1].tag is not None:
            own = {catch.tag for catch in target.catches}
            passed = {
                catch.tag
                for each in between
                if isinstance(each.node, Try)
                for catch in each.node.catches
            }
            what = "delegate to a try that may not match, "
            if not passed:
                self.note(what + "with nothing in between")
            elif None in passed:
                self.note(what + "past a catch_all")
            elif passed <= own:
                self.note(what + "past its own tags only")

    def nested(self, items: list[Item], deep: int) -> None:
        """Trys that rethrow, in, after and inside one another; ``deep`` of them around."""
        before = False
        for item in items:
            if not isinstance(item, Structured):
                continue
            keeps = isinstance(item, Try) and any(self.rethrows[c] for c in item.catches)
            self.note("one try after another, both rethrow", before and keeps)
            before = before or keeps
            if isinstance(item, Try):
                inside = [each for each in _all(item.items) if isinstance(each, Try)]
                both = keeps and any(self.rethrows[c] for each in inside for c in each.catches)
                self.note("a try that rethrows in the body of one that does", both)
                self.nested(item.items, deep)
                for catch in item.catches:
                    now = deep + bool(self.rethrows[catch])
                    self.note("three handlers in one another that rethrow", now > 2)
                    self.nested(catch.items, now)
            else:
                for inner in item.sequences():
                    self.nested(inner, deep)

    # Instructions

    def instruction(self, item: Instr, frame: _Frame) -> None:
        name = item.row.name
        tries = [each for each in frame.outwards() if isinstance(each.node, (Try, TryTable))]
        bodies = [each for each in tries if each.catch is None]
        kind = "try_table" if any(isinstance(each.node, TryTable) for each in bodies) else "try"
        if bodies:
            self.note(f"tail call in a {kind}", name.startswith("return_call"))
            self.note(f"tail call by reference in a {kind}", name == "return_call_ref")
            self.note(f"trap in a {kind}", name == "unreachable")
            if name in {"i32.load", "i32.store"}:
                wide = self.module.memories[0].type.limits.address is NumType.I64
                self.note(f"64-bit address in a {kind}", wide)
        if name in {"local.get", "local.set", "local.tee"}:
            type_ = self.local_type(item.immediates[0])
            if isinstance(type_, RefType) and not type_.nullable and tries:
                if name == "local.get":
                    # Set outside, or it could not be read at all where it was not set here.
                    self.note("local without default, set before a try and read in it")
                else:
                    where = "a try" if tries[0].catch is None else "a handler"
                    self.note(f"local without default, set in {where}")
            if self.is_exception((type_,)):
                self.note("exception in a local")
                self.note("exception by local.tee", name == "local.tee")
        if name == "ref.null":
            self.note("null exception", item.immediates[0] is AbstractHeap.EXN)
        if name == "throw_ref":
            self.note("throw_ref in a try_table", kind == "try_table")

    def local_type(self, index: int) -> ValType:
        params = self.function.func_type.params
        if index < len(params):
            return params[index]
        index -= len(params)
        for count, type_ in self.function.body.local_groups:
            if index < count:
                return type_
            index -= count
        raise AssertionError(index)

    # exnref

    def is_exception(self, types: tuple[ValType, ...]) -> bool:
        return any(isinstance(t, RefType) and t.heap is AbstractHeap.EXN for t in types)

    def table(self, node: TryTable, frame: _Frame) -> None:
        self.note("try_table without clauses", not node.clauses)
        self.note("try_table with parameters", bool(node.type.params))
        self.note("try_table with results", bool(node.type.results))
        around = [each.node for each in frame.outwards()]
        self.note("try_table in a try_table", any(isinstance(each, TryTable) for each in around))
        tags = [clause.tag for clause in node.clauses]
        self.note("the same tag twice", len(tags) > len(set(tags)))
        self.note("clause behind a catch_all", None in tags[:-1])
        for clause in node.clauses:
            kind = "catch_all" if clause.tag is None else "catch"
            self.note(f"clause {kind}{'_ref' if clause.ref else ''}")
            self.note(f"clause goes to {_place(clause.label)}")
            passed = around[: around.index(clause.label)]
            self.note(
                "clause goes past another try_table",
                any(isinstance(each, TryTable) for each in passed),
            )
            if clause.tag is not None:
                self.payload(clause.tag.params)
            self.landings.setdefault(clause.label, []).append(node)
            if clause.ref and isinstance(clause.label, Block):
                self.landing(clause.label)

    def landing(self, block: Block) -> None:
        results = block.type.results
        last = results[-1] if results else None
        nonnull = isinstance(last, RefType) and not last.nullable
        self.note("reference to an exception that is not null", nonnull)
        self.note("exception as a result of a block")
        frame = self.frame_of[block]
        around = [each.node for each in frame.outwards()]
        self.note("loop around a landing", any(isinstance(each, Loop) for each in around))
        node = frame.node
        lists: tuple[list[Item], ...] = ()
        if isinstance(node, Body):
            lists = (node.items,)
        elif isinstance(node, Structured):
            lists = node.sequences()
        for items in lists:
            if block not in items:
                continue
            behind = items[items.index(block) + 1 :]
            names = [item.row.name if isinstance(item, Instr) else "" for item in behind]
            self.note("try_table behind a landing", any(isinstance(i, TryTable) for i in behind))
            if names[:1] == ["drop"]:
                self.note("exception dropped")
            if names[:1] == ["throw_ref"]:
                self.note("throw_ref right behind the landing")
            if "throw_ref" in names:
                before = names[names.index("throw_ref") - 1]
                self.note("throw_ref of a local", before == "local.get")
                self.note("throw_ref from the stack", before != "local.get")
            self.note("exception tested for null", "ref.is_null" in names)
            for each in behind:
                if isinstance(each, Instr) and each.row.name.startswith("select"):
                    self.note("exception in select", self.is_exception(_flat(each.immediates)))


def _flat(immediates: tuple[object, ...]) -> tuple[ValType, ...]:
    found: list[ValType] = []
    for each in immediates:
        found += [t for t in each if isinstance(t, RefType)] if isinstance(each, tuple) else []
    return tuple(found)


def _is_array(type_: RefType) -> bool:
    heap = getattr(type_.heap, "type", None)
    definition = getattr(heap, "definition", None)
    return hasattr(getattr(definition, "composite", None), "field")


def _is_drop(item: Item) -> bool:
    return isinstance(item, Instr) and item.row.name == "drop"


def _name(tag: Tag | None) -> str | None:
    return None if tag is None or tag.imported is None else tag.imported.name


def _all(items: list[Item]) -> Iterator[Item]:
    pending = [items]
    while pending:
        for item in pending.pop():
            yield item
            if isinstance(item, Structured):
                pending += item.sequences()


_THROWING = ("call", "throw", "return_call", "resume", "suspend")


def _throws(items: list[Item]) -> bool:
    return any(
        isinstance(item, Rethrow)
        or (isinstance(item, Instr) and item.row.name.startswith(_THROWING))
        for item in _all(items)
    )


def _hosts(items: list[Item]) -> set[str]:
    """What of the host's functions is called, by the first word of its name."""
    found = set()
    for item in _all(items):
        if isinstance(item, Instr) and item.row.name == "call":
            imported = item.immediates[0].imported
            if imported is not None:
                found.add(imported.name.split("_")[0])
    return found
