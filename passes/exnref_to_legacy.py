"""exnref exception handling to the legacy dialect: ``try_table`` becomes ``try``.

Sources: those of legacy-to-exnref. No engine or tool is known that goes this way.

How it works. :class:`wasmir.passes.exnref_flow.Flow` finds out which exception each ``throw_ref``
throws, and which code may still throw it: the region behind the landing. A region becomes the
handler of the ``try`` that its exceptions come from; there, ``rethrow`` names that ``try``. What a
clause without ``_ref`` did, a handler with a branch does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wasmir import (
    Block,
    Body,
    Br,
    Branch,
    Catch,
    Clause,
    Function,
    FuncType,
    Instr,
    Item,
    Label,
    Loop,
    Module,
    NumType,
    Pass,
    PassReport,
    Rethrow,
    Structured,
    SubType,
    Try,
    TryTable,
    UnsupportedError,
    ValType,
    copy_items,
    falls_through,
    instructions,
)
from wasmir.passes.exnref_flow import (
    Arrival,
    Flow,
    RefusedError,
    Region,
    exception_types,
    mentions_exceptions,
)
from wasmir.passes.tree import all_or_nothing, refuse_object

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ExnrefToLegacy"]

# Regions that several `try_table`s land in are copied for all but one of them; together the copies
# of a function have at most so many items.
_MOST_COPIED = 20_000


@dataclass(frozen=True)
class ExnrefToLegacy(Pass):
    """Rewrite exnref exception handling in the legacy dialect, for engines that know no other.

    Needs a valid module that is linked. Guarantees a valid module without ``try_table``,
    ``throw_ref`` and ``exnref``, with the same results, side effects and exceptions, their identity
    included; or refuses, with the function, the offset and the reason, and leaves the module as it
    was. Accepted is what throws an exception again only where it landed, which is what compilers
    write. Refused is what treats exceptions as values: in signatures, globals, tables and fields,
    as operands of a branch, tested for null, kept beyond the code behind the landing.

    Before::

        block $landing (result exnref)
          try_table (catch_all_ref $landing)
            call $f
          end
          return
        end
        call $cleanup
        throw_ref

    After::

        try
          call $f
        catch_all
          call $cleanup
          rethrow 0
        end
    """

    name: ClassVar[str] = "exnref-to-legacy"

    def run(self, module: Module) -> PassReport:
        """Convert every function, or raise and leave the module as it was.

        Raises UnsupportedError for what has no legacy form and for an object file, MalformedError
        and InvalidError for a body that can't be read.
        """
        report = PassReport(self.name)
        with all_or_nothing(module):
            self._convert(module, report)
        return report

    def _convert(self, module: Module, report: PassReport) -> None:
        _refuse_values(module)
        linked = not any(custom.relocatable for custom in module.customs)

        def convert(function: Function) -> int | None:
            if not _has_exceptions(function):
                return None
            if not linked:
                refuse_object(module)
            return _converted(function)

        found = [tables for tables in self.edit(module, convert) if tables is not None]
        report.functions = len(found)
        report.counts["try_table"] = sum(found)
        _blank_types(module)


def _has_exceptions(function: Function) -> bool:
    """Whether there is anything of exnref in the code."""
    if any(
        row.name in ("try_table", "throw_ref") or any(map(mentions_exceptions, immediates))
        for row, immediates in function.distinct_instructions()
    ):
        return True
    return any(mentions_exceptions(type_) for _, type_ in function.local_groups)


def _refuse_values(module: Module) -> None:
    """Raise UnsupportedError where exceptions are values outside of functions."""
    marks = any(exception_types(tag.params) for tag in module.tags)
    if marks and module.custom("wasmir.recovery") is not None:
        raise UnsupportedError(
            "the marks of this recovered module carry an exnref, which has no legacy form: "
            "convert it first, then recover it (exnref-to-legacy,recover)"
        )
    for function in module.functions:
        func = function.func_type
        if exception_types(func.params, func.results):
            raise UnsupportedError(
                f"exnref in a function's signature has no legacy form: {func}", str(function)
            )
    for tag in module.tags:
        if exception_types(tag.params):
            raise UnsupportedError(f"exnref as payload has no legacy form: tag {tag}")
    for global_ in module.globals:
        if mentions_exceptions(global_.type.type):
            raise UnsupportedError(f"an exnref global has no legacy form: global {global_}")
    for table in module.tables:
        if mentions_exceptions(table.type.element):
            raise UnsupportedError(f"a table of exnref has no legacy form: table {table}")
    for element in module.elements:
        if mentions_exceptions(element.type):
            raise UnsupportedError(f"an element segment of exnref has no legacy form: {element}")
    for type_ in module.types:
        composite = type_.definition.composite
        if isinstance(composite, FuncType):
            if exception_types(composite.params, composite.results) and (
                not type_.stands_for_its_function_type
            ):
                raise UnsupportedError(
                    f"exnref in a type that stands in a hierarchy has no legacy form: type {type_}"
                )
        elif mentions_exceptions(_storage(composite)):
            raise UnsupportedError(f"an exnref field has no legacy form: type {type_}")


def _storage(composite: object) -> tuple[object, ...]:
    fields = getattr(composite, "fields", None)
    if fields is None:
        fields = (getattr(composite, "field", None),)
    return tuple(getattr(each, "storage", None) for each in fields)


def _blank_types(module: Module) -> None:
    """Types of blocks that are gone: engines without exnref can't read them. Indices stay."""
    for type_ in module.types:
        func = type_.func
        if func is not None and exception_types(func.params, func.results):
            type_.definition = SubType(FuncType())


def _converted(function: Function) -> int:
    """Convert a function; how many `try_table`s there were."""
    body = function.body
    body.expand()
    try:
        flow = Flow(function.module, body)
        flow.run()
        return _Rewriting(flow).run()
    except RefusedError as error:
        raise UnsupportedError(error.reason, str(function), _offset(function, error)) from None


def _offset(function: Function, error: RefusedError) -> int | None:
    """Where in the input the instruction stands that there is no legacy form of."""
    function.close()
    if error.ordinal < 0 or not function.is_raw:
        return None
    for number, each in enumerate(instructions(function)):
        if number == error.ordinal:
            return each.offset
    return None


class _Rewriting:
    """One function whose exceptions are known."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.body: Body = flow.body
        self.function = flow.body.function
        self.module = flow.module
        #: What stands for each `try_table`, and for each block that went with it.
        self.try_of: dict[TryTable, Try] = {}
        self.replaced: dict[Label, Label] = {}
        #: What blocks stood in that a try stands for now.
        self.around: dict[Label, Label] = {}
        self.handler_of: dict[Clause, Catch] = {}
        #: Those of them with nothing below them in the list that they stand in, and those whose end
        #: nobody got to before handlers came into them.
        self.flat: set[Try] = set()
        self.endless: set[Try] = set()
        #: Handlers that end with a branch, if any, with no operands but those that it takes.
        self.exact: set[Catch] = set()
        #: What stands around all of a handler, to keep other handlers from it.
        self.shields: dict[Catch, Try] = {}
        #: Where each try's clauses with `_ref` land, for those that nobody delegates for.
        self.arrivals_of: dict[Try, list[tuple[Region, Arrival]]] = {}
        #: Of lists whose ends changed, by their ids: how many operands the branch there leaves.
        self.ends: dict[int, int | None] = {}
        self.copied = 0

    def run(self) -> int:
        for node in self.flow.endless:
            if exception_types(node.type.results):
                node.type = self.module.block_type(node.type.params)
        for node in self.flow.takers:
            params = [each for each in node.type.params if not mentions_exceptions(each)]
            node.type = self.module.block_type(params, node.type.results)
        found = self.replace_tables()
        # Inner ones first, and in one list from the back: regions are complete when they move.
        for region in reversed(self.in_order()):
            self.move(region)
        self.retarget(self.body)
        self.shorten()
        self.retarget(self.body)
        self.body.local_groups = _plain(self.body.local_groups)
        return found

    def in_order(self) -> list[Region]:
        regions = self.flow.regions
        return [regions[item] for item in self.body if isinstance(item, Block) and item in regions]

    def replace_tables(self) -> int:
        """Put a try in place of each `try_table`: with a branch as the handler for each clause
        that keeps no exception, and with nothing yet for each that does.
        """
        found = 0
        for items in _lists(self.body):
            for index, item in enumerate(items):
                if isinstance(item, TryTable):
                    found += 1
                    items[index] = self.replacement(item)
        for region in self.flow.regions.values():
            for arrival in region.arrivals:
                if arrival.table not in self.flow.same:
                    self.land(region, arrival)
        for table, other in self.flow.same.items():
            try_ = self.try_of[table]
            try_.catches = []
            try_.delegate = self.try_of[other]
        return found

    def replacement(self, table: TryTable) -> Structured:
        if not table.clauses:
            block = Block(table.type, table.items)
            self.replaced[table] = block
            return block
        try_ = self.try_of[table] = Try(table.type, table.items)
        if table in self.flow.flat:
            self.flat.add(try_)
        if table in self.flow.endless:
            self.endless.add(try_)
        self.replaced[table] = try_
        for clause in table.clauses:
            handler: list[Item] = [] if clause.ref else [self.jump(clause.label)]
            self.handler_of[clause] = catch = Catch(clause.tag, handler)
            self.exact.add(catch)
            try_.catches.append(catch)
        return try_

    def jump(self, label: Label) -> Item:
        return self.module.instr("return") if label is self.body else Br(label)

    # Regions

    def move(self, region: Region) -> None:
        """Make the region the handler of every clause that lands there; what is in the landing
        takes its place, which nothing but the clauses named.
        """
        landing = region.landing
        items = region.items
        index = next(at for at, item in enumerate(items) if item is landing)
        code = items[index + 1 :]
        arrivals = [each for each in region.arrivals if each.table not in self.flow.same]
        if len(arrivals) > 1:
            # Labels in copies are those of the copies, if they are what they will be.
            self.retarget(_items(code))
        if id(items) in self.ends:
            # A region further on is gone, and what was in its landing is the end.
            region.falls = False
            region.exact = self.ends[id(items)] == region.base
        self.ends[id(items)] = self.ends.get(id(landing.items), self.flow.ends.get(landing))
        items[index:] = landing.items
        # Nothing falls off its end; whoever delegated to it meant what it stood in.
        self.replaced[landing] = region.owner
        if region.height:
            self.flat.difference_update(item for item in landing.items if isinstance(item, Try))
        if len(arrivals) == 1:
            self.settle(arrivals[0], region, code)
            return
        for arrival in arrivals[1:]:
            copied, labels = copy_items(code)
            self.copied += len(labels) + len(code)
            if self.copied > _MOST_COPIED:
                raise RefusedError(
                    "too many clauses land in the same code, which would have to be copied", -1
                )
            self.copy_arrivals(labels)
            self.settle(arrival, region, copied)
        if arrivals:
            self.settle(arrivals[0], region, code)

    def copy_arrivals(self, labels: dict[Label, Label]) -> None:
        """What lands in regions that haven't moved yet does so from copies, too."""
        for old, twin in labels.items():
            if not isinstance(old, Try) or not isinstance(twin, Try):
                continue
            for region, arrival in self.arrivals_of.get(old, ()):
                if region.landing in self.replaced:
                    continue
                clause = Clause(arrival.clause.tag, region.landing, ref=True)
                table = TryTable(twin.type, [clause])
                self.try_of[table] = twin
                place = old.catches.index(self.handler_of[arrival.clause])
                self.handler_of[clause] = twin.catches[place]
                another = Arrival(table, clause, arrival.exposed)
                region.arrivals.append(another)
                self.land(region, another)

    def land(self, region: Region, arrival: Arrival) -> None:
        self.arrivals_of.setdefault(self.try_of[arrival.table], []).append((region, arrival))

    def settle(self, arrival: Arrival, region: Region, code: list[Item]) -> None:
        """Make code the handler of one clause."""
        try_ = self.try_of[arrival.table]
        catch = self.handler_of[arrival.clause]
        owner = self.label(region.owner)
        for rethrow in _rethrows(code):
            if rethrow.label is region.landing:
                rethrow.label = try_
        if (
            len(code) == 1
            and isinstance(code[0], Rethrow)
            and code[0].label is try_
            and len(try_.catches) == 1
            and (arrival.clause.tag is None or not arrival.exposed)
        ):
            # Caught to be thrown again further out.
            try_.catches = []
            try_.delegate = owner
            return
        if region.falls:
            code.append(self.exit(region))
        elif falls_through(code):
            # Nobody gets to its end, but its last instruction doesn't say so.
            code.append(self.flow.unreachable)
        if arrival.exposed:
            # Handlers that it was not in stand around it now.
            tag = arrival.clause.tag
            payload = () if tag is None else tag.params
            inner = Try(self.module.block_type(payload, try_.type.results), code)
            inner.delegate = owner
            code = [inner]
            self.shields[catch] = inner
        catch.items = code
        if arrival.exposed or not region.exact:
            self.exact.discard(catch)

    def label(self, owner: Label) -> Label:
        """The label of what has a list, now."""
        return self.replaced.get(owner, owner)

    def exit(self, region: Region) -> Item:
        """The way from a region's end to the end of what it was the end of."""
        owner = region.owner
        if isinstance(owner, Loop):
            # A branch to a loop goes to its start.
            block = Block(owner.type, owner.items)
            owner.items = [block]
            for other in self.flow.regions.values():
                if other.owner is owner:
                    other.owner = block
            return Br(block)
        return self.jump(owner)

    # Labels

    def retarget(self, items: Iterable[Item]) -> None:
        """Point whatever names what is gone at what stands for it."""
        for item in items:
            if isinstance(item, Branch):
                for label in set(item.labels):
                    if label in self.replaced:
                        item.retarget(label, self.now(label))
            elif isinstance(item, Try) and item.delegate in self.replaced:
                item.delegate = self.outside(item.delegate)

    def now(self, label: Label) -> Label:
        while label in self.replaced:
            label = self.replaced[label]
        return label

    def outside(self, label: Label) -> Label:
        """The same for those who delegate: not to the try that is there now, but past it."""
        while label in self.replaced:
            label = self.around.get(label) or self.replaced[label]
        return label

    # Where a try is the last thing in its list

    def shorten(self) -> None:
        """There, falling off its end does what a branch to the end of the list does; and where the
        list is all of a block, the block is one too many.
        """
        lists: list[tuple[Label, list[Item]]] = [(self.body, self.body.items)]
        for owner, items in lists:
            if items and not isinstance(owner, Loop):
                self.shorten_list(owner, items)
            for item in items:
                if isinstance(item, Structured):
                    lists += [(item, inside) for inside in item.sequences()]
        for owner, items in reversed(lists):
            for index, item in enumerate(items):
                items[index] = self.inner_try(item, owner) or item

    def shorten_list(self, owner: Label, items: list[Item]) -> None:
        results = self.function.func_type.results
        if isinstance(owner, Structured):
            results = owner.type.results
        last = items[-1]
        try_ = last if isinstance(last, Try) else items[-2] if len(items) > 1 else None
        if not isinstance(try_, Try) or try_ not in self.flat:
            return
        if (
            try_ in self.endless
            and not falls_through(try_.items)
            and (last is try_ or (isinstance(last, Instr) and last.row.name == "unreachable"))
        ):
            # Nobody gets to its end, so its type may be any.
            try_.type = self.module.block_type(try_.type.params, results)
            for catch in try_.catches:
                if catch in self.shields:
                    shield = self.shields[catch]
                    shield.type = self.module.block_type(shield.type.params, results)
        elif try_.type.results != results or not (last is try_ or self.goes_to(last, owner)):
            return
        if last is not try_:
            items.pop()
        for catch in try_.catches:
            if catch in self.exact and catch.items and self.goes_to(catch.items[-1], owner):
                catch.items.pop()

    def goes_to(self, item: Item, label: Label) -> bool:
        if label is self.body and isinstance(item, Instr):
            return item.row.name == "return"
        return isinstance(item, Br) and item.label is label

    def inner_try(self, item: Item, owner: Label) -> Try | None:
        """The try that is all of a block, which its label can stand for."""
        if not isinstance(item, Block) or len(item.items) != 1:
            return None
        (inner,) = item.items
        if not isinstance(inner, Try) or inner not in self.flat:
            return None
        if (inner.type.params, inner.type.results) != (item.type.params, item.type.results):
            return None
        self.replaced[item] = inner
        self.around[item] = owner
        return inner


def _lists(body: Body) -> list[list[Item]]:
    """Every list of a tree, outer before inner."""
    found = [body.items]
    for items in found:
        for item in items:
            if isinstance(item, Structured):
                found.extend(item.sequences())
    return found


def _items(code: list[Item]) -> list[Item]:
    """All that is in some code, at any depth."""
    found: list[Item] = []
    pending = [code]
    for items in pending:
        found += items
        for item in items:
            if isinstance(item, Structured):
                pending.extend(item.sequences())
    return found


def _rethrows(code: list[Item]) -> list[Rethrow]:
    return [item for item in _items(code) if isinstance(item, Rethrow)]


def _plain(groups: list[tuple[int, ValType]]) -> list[tuple[int, ValType]]:
    """Locals without exceptions: the others keep their indices, so where more come behind, some
    other type takes their place.
    """
    while groups and mentions_exceptions(groups[-1][1]):
        groups = groups[:-1]
    return [
        (count, NumType.I32 if mentions_exceptions(type_) else type_) for count, type_ in groups
    ]
