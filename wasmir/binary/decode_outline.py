"""Function bodies: bytes to outline, and a survey of it. See :mod:`wasmir.ir.outline`.

Like :mod:`wasmir.binary.decode_code`, of which it is the other half, but over the tokens of
outlines. Of most tokens nothing is kept but how many labels are open: they are part of a run, which
is cut out of the code in one piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from wasmir.binary.decode_code import (
    Tree,
    add_catch,
    add_else,
    code_of,
    end_by_delegate,
    grow,
    new_branch,
    new_try_table,
)
from wasmir.binary.memo import (
    BR,
    BR_END,
    BR_IF,
    BR_IF_END,
    CATCH,
    CLEANUP,
    DELEGATE,
    ELSE,
    END,
    GAVE_UP,
    IF,
    INSTR,
    INSTR_END,
    LEAF,
    OPENED,
    OPENED_AT_ONCE,
    OTHER,
    OTHER_END,
    PADDED_DELEGATE,
    RETHROW,
    RETHROW_END,
    RUN,
    TRY,
    WHOLE,
    Memo,
    label_place,
    memo_of,
)
from wasmir.errors import InvalidError
from wasmir.ir.code import Body, Br, BrIf, Catch, Label, Rethrow, Try, TryTable
from wasmir.ir.effects import row_effect, stack_effect
from wasmir.ir.outline import Opened, Placed, Region, Survey
from wasmir.isa import tokens
from wasmir.isa.table import BY_NAME, Trait

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wasmir.ir.code import Item
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module
    from wasmir.isa.table import Row

__all__ = ["having", "may_throw", "opened_arity", "outline_effect", "survey"]

_IF = BY_NAME["if"].opcode
_LOOP = BY_NAME["loop"].opcode
_BLOCK = BY_NAME["block"].opcode

# The block type without parameters and results.
_NO_TYPE = b"\x40"

# How long common instructions are; of a longer one it is only not ruled out that it is another.
_LONGEST = 32

# What ends a list of instructions, dead or not.
_FUSED = frozenset({BR_END, BR_IF_END, INSTR_END, RETHROW_END, OTHER_END})
_ENDS = frozenset({END, ELSE, CATCH, CLEANUP, DELEGATE, PADDED_DELEGATE})
_CLOSERS = _FUSED | _ENDS


def having(functions: Iterable[Function], name: str) -> list[Function]:
    """See :meth:`wasmir.ir.module.Module.functions_with`."""
    opcode = BY_NAME[name].opcode
    # Hardly anything else looks like this: in DuckDB's module, nothing. Who takes it for one only
    # looks at a function in vain.
    plain = opcode + _NO_TYPE if Trait.OPENS in BY_NAME[name].traits else None
    first_of = tokens.first_of(name)
    found = []
    for function in functions:
        if function.imported is not None:
            continue
        if function._body is not None:
            function.settle()
        data, start, end = code_of(function)
        # The byte may be part of something else, so this rules out, and not in.
        last = data.rfind(opcode, start, end)
        if last < 0:
            continue
        if plain is not None and data.find(plain, start, end) >= 0:
            found.append(function)
            continue
        # Nobody looks behind the last such byte, but for what it may be part of.
        start = tokens.skip_locals(data, start, end)
        if first_of(data, start, min(end, last + _LONGEST)) <= last:
            found.append(function)
    return found


def survey(function: Function) -> Survey:
    """See :meth:`wasmir.ir.function.Function.survey`."""
    data, start, end = code_of(function)
    after_locals = tokens.skip_locals(data, start, end)
    module = function.module
    tracking = module._tracking
    placed = tracking is not None and tracking.covers(function)
    body = Body(function, data[start:after_locals], outline=True)
    tree = _Outline(memo_of(module), body, data, after_locals, placed=placed)
    grow(function, tree, data, after_locals, end, tokens.outline())
    if placed:
        body._origin = tree.survey
    return tree.survey


def opened_arity(module: Module, opening: bytes) -> int:
    """How many operands a branch takes to what an instruction opens."""
    _, type_ = memo_of(module)[opening]
    return len(type_.params if opening.startswith(_LOOP) else type_.results)


def outline_effect(module: Module, items: Iterable[Item]) -> int:
    """How far items of a region raise the operand stack, of which control falls out at the end."""
    memo = memo_of(module)
    runs = memo.run_effects
    # That of outlines, which is there already. No try is in a run, so nothing of one is in a token.
    scan = tokens.outline()
    # How many blocks are open: inside of them nothing counts.
    depth = total = 0
    for item in items:
        if not isinstance(item, bytes):
            if depth == 0 and not isinstance(item, (Region, Opened)):
                total += stack_effect(module, (item,))
            continue
        for found in tokens.scanned(scan, item, 0, len(item)):
            for run, token, _ in found:
                if depth == 0 and run:
                    total += runs[run]
                if not token:
                    continue
                action, arg = memo.outline[token]
                if action == OPENED:
                    if depth == 0:
                        opener, type_ = memo[token]
                        total += len(type_.results) - len(type_.params) - (opener == IF)
                    depth += 1
                elif action == OPENED_AT_ONCE:
                    depth += len(arg)
                elif action == END or action in _FUSED:
                    depth -= 1
                elif depth == 0:
                    if action == BR_IF:
                        total -= 1
                    elif action == RUN:
                        total += runs[token]
                    elif action == OTHER:
                        row, values, _ = arg
                        padded = row.name == "br_if"
                        total += -1 if padded else row_effect(row, memo.resolved(row, values))
    return total


def may_throw(run: bytes) -> bool:
    """Whether anything in a run, of an outline too, may throw or make a call of this frame's."""
    return tokens.quiet()(run, 0, len(run)) < len(run)


class _Outline(Tree):
    """An outline that is growing, and the survey of it.

    ``labels`` has, for each label that is open, the node that it is the label of, or the region in
    whose runs it was opened.
    """

    __slots__ = (
        "begin",
        "data",
        "is_dead",
        "last",
        "marks",
        "openings",
        "placed",
        "regions",
        "state",
        "survey",
    )

    def __init__(self, memo: Memo, body: Body, data: bytes, start: int, *, placed: bool) -> None:
        # What else a tree has is for those that are no outlines.
        self.memo = memo
        self.body = body
        self.labels = [body]
        region = Region(0, None, None)
        body.items = region.items
        self.survey = Survey(body, region)
        body._regions = self.regions = [region]
        #: For each label that is open, the instruction that opened it.
        self.openings: list[bytes] = [b""]
        self.data = data
        #: The region that is being filled; where the scan is, and where the run begins that is not
        #: in the list yet; how many labels were open when dead code began, 0 outside of that;
        #: where the last node ended.
        self.state: tuple[Region, int, int, int, int] = region, start, start, 0, -1
        #: The node that ended last.
        self.last: Try | TryTable
        #: Where live code ended; whether dead code follows. Of that, at which index it began, after
        #: which height, and how much the survey had noted.
        self.begin = 0
        self.is_dead = False
        self.marks = 0, 0, (0, 0, 0, 0)
        #: Where the code began, if its runs are to remember where they stood.
        self.placed = start - len(body.locals_wire) if placed else None

    def label(self, place: int) -> Label:
        """The label at a place of the list, counted from its end. Raises IndexError."""
        to = self.labels[place]
        if to.__class__ is Region:
            height = len(self.labels) + place - to.base
            return Opened(to, height, self.openings[place])
        return to

    def region_of(self, here: Region, label: Label) -> Region:
        """The region that the label's block is filling, or is in."""
        if isinstance(label, Opened):
            return label.region
        while here.outer is not None and self.labels[here.base] is not label:
            here = here.outer
        return here

    def cut_out(self, start: int, end: int) -> bytes:
        """A run; or nothing, for the place in front of a node."""
        if self.placed is None:
            return self.data[start:end]
        run = Placed(self.data[start:end])
        run.offset = start - self.placed
        return run

    def stand(self, here: Region, start: int, at: int, *, kept: bool = False) -> None:
        """Make place for a node: the run in front of it, and which label is the innermost there;
        where it stood, if it is one that passes keep.
        """
        items = here.items
        if start < at:
            items.append(self.cut_out(start, at))
        if kept and self.placed is not None:
            items.append(self.cut_out(at, at))
        height = len(self.labels) - 1 - here.base
        if height != here.level:
            here.level = height
            items.append(Opened(here, height))

    def mark(self, here: Region, start: int) -> int:
        """Dead code begins; where the next run does."""
        at = self.begin
        if start < at:
            here.items.append(self.cut_out(start, at))
        noted = self.survey
        counts = len(noted.sites), len(noted.delegates), len(noted.rethrows), len(noted.users)
        self.marks = len(here.items), here.level, counts
        self.is_dead = True
        return at

    def dead(self, here: Region, start: int, at: int) -> int:
        """The list ends here in which live code ended; where the next run begins."""
        if self.labels[-1] is not here:
            here.stops = True
        if not self.is_dead:
            return start
        self.is_dead = False
        first, level, (sites, delegates, rethrows, users) = self.marks
        if start < at:
            here.items.append(self.cut_out(start, at))
        if here.level != level:
            # Whoever cuts it out cuts that out, too.
            here.level = -1
        noted = self.survey
        noted.dead.append((here.items, first, len(here.items), len(noted.sites) > sites))
        del noted.sites[sites:], noted.delegates[delegates:]
        del noted.rethrows[rethrows:], noted.users[users:]
        return at

    def branch(self, here: Region, start: int, at: int, branch: Br | BrIf, place: int) -> None:
        """A branch that leaves its region."""
        self.stand(here, start, at, kept=True)
        branch.label = label = self.label(place)
        here.items.append(branch)
        if label.__class__ is Try:
            self.survey.users.append(branch)

    def rethrow(self, here: Region, start: int, at: int, place: int) -> None:
        label = self.label(place)
        self.stand(here, start, at)
        caught = self.region_of(here, label).context if isinstance(label, Try) else None
        clause = caught if isinstance(caught, Catch) else None
        node = Rethrow(label)
        self.survey.rethrows.append((node, here.items, here, clause))
        # Something may have to come in front of what takes its place.
        here.items += (b"", node)

    def delegate(self, here: Region, try_: Try, place: int) -> None:
        try_.delegate = label = self.label(place)
        if label is not self.body:
            self.survey.delegates.append((try_, self.region_of(here, label)))

    def other(
        self, here: Region, start: int, at: int, pos: int, arg: tuple[Row, Any, bytes | None]
    ) -> int:
        """A rarer branch, or one with a padded label; where the next run begins."""
        row, values, wire = arg
        view = cast("list[Label]", _View(self))
        depths = _depths(row, values)
        if row.name == "rethrow":
            self.rethrow(here, start, at, ~depths[0])
            if wire is not None:
                self.body._wires[here.items[-1]] = values, wire
            return pos
        # Looked at one by one, so that a bad one is found.
        if not [depth for depth in depths if self.labels[~depth] is not here]:
            return start
        self.stand(here, start, at, kept=True)
        node = new_branch(self.memo, self.body, view, row, values, wire)
        if node is not None:
            if any(label.__class__ is Try for label in node.labels):
                self.survey.users.append(node)
            here.items.append(node)
        return pos

    def grow(self, found: Iterator[tuple[bytes, bytes, bytes]]) -> None:  # noqa: PLR0912, PLR0915
        """Take tokens in, until the body ends or the regex gave up; see the skeleton's loop."""
        new = object.__new__
        memo = self.memo.outline
        labels, openings = self.labels, self.openings
        body = self.body
        plain = self.placed is None
        cut_out = self.cut_out
        survey = self.survey
        sites, users, last = survey.sites, survey.users, survey.last
        regions = self.regions
        here, pos, start, cut, ended = self.state
        items = here.items
        for run, token, _ in found:
            at = pos + len(run)
            pos = at + len(token)
            action, arg = memo[token]
            if cut:
                if not self.is_dead and (at != self.begin or action not in _ENDS):
                    start = self.mark(here, start)
                if cut == len(labels) and action in _CLOSERS:
                    if action in _FUSED and self.is_dead:
                        # What stands before the `end` is dead, too.
                        at = pos - 1
                        action = END
                    start = self.dead(here, start, at)
                    cut = 0
            if action <= BR_IF_END:
                if action == OPENED:
                    labels.append(here)
                    openings.append(token)
                    continue
                if action == BR_IF:
                    if labels[arg] is not here:
                        self.branch(here, start, at, new(BrIf), arg)
                        start = pos
                    continue
                if action == END:
                    end = at
                elif action == BR_END:
                    end = pos - 1
                    if labels[arg] is not here:
                        self.branch(here, start, at, new(Br), arg)
                        start = end
                elif action == INSTR_END:
                    end = pos - 1
                else:
                    end = pos - 1
                    if labels[arg] is not here:
                        self.branch(here, start, at, new(BrIf), arg)
                        start = end
                    # Control may come out of this one.
                    action = END
            elif action == TRY:
                if plain:
                    if start < at:
                        items.append(run if start + len(run) == at else cut_out(start, at))
                    height = len(labels) - 1 - here.base
                    if height != here.level:
                        here.level = height
                        items.append(Opened(here, height))
                else:
                    self.stand(here, start, at)
                try_ = new(Try)
                try_.type = arg
                try_.catches = []
                try_.delegate = None
                sites.append((try_, here, len(items)))
                items.append(try_)
                region = new(Region)
                region.base = len(labels)
                region.outer = here
                region.context = try_
                region.level = 0
                region.stops = False
                region.items = try_.items = items = [region]
                regions.append(region)
                here = try_.region = region
                labels.append(try_)
                openings.append(token)
                start = pos
                continue
            elif action == CLEANUP:
                label: Any = labels[-1]
                if label.__class__ is Try and not label.catches:
                    clause = new(Catch)
                    clause.tag = None
                    label.catches.append(clause)
                else:
                    add_catch(body, label, None, None)
                    clause = label.catches[-1]
                labels.pop()
                openings.pop()
                if ended == at:
                    last[self.last] = label
                if start < at:
                    items.append(run if plain and start + len(run) == at else cut_out(start, at))
                if len(items) < 3 and items[-1].__class__ is bytes:
                    del items[0]
                rethrow = new(Rethrow)
                rethrow.label = label
                outer: Any = here.outer
                here = outer
                items = here.items
                if arg and not plain:
                    arg = cut_out(at + 1, at + 1 + len(arg))
                clause.items = [arg, rethrow] if arg else [rethrow]
                clause.region = None
                ended = start = pos
                self.last = label
                continue
            elif action == LEAF:
                type_, inside, depth = arg
                if depth >= len(labels):
                    raise InvalidError("unknown label", None, len(token) - 2)
                if plain:
                    if start < at:
                        items.append(run if start + len(run) == at else cut_out(start, at))
                    height = len(labels) - 1 - here.base
                    if height != here.level:
                        here.level = height
                        items.append(Opened(here, height))
                else:
                    self.stand(here, start, at)
                    inside = cut_out(at + 2, at + 2 + len(inside))
                try_ = new(Try)
                try_.type = type_
                try_.catches = []
                try_.items = [inside] if inside else []
                try_.region = None
                if depth == len(labels) - 1:
                    try_.delegate = body
                else:
                    self.delegate(here, try_, ~depth)
                sites.append((try_, here, len(items)))
                items.append(try_)
                ended = start = pos
                self.last = try_
                continue
            elif action == WHOLE:
                type_, inside, handler = arg
                if plain:
                    if start < at:
                        items.append(run if start + len(run) == at else cut_out(start, at))
                    height = len(labels) - 1 - here.base
                    if height != here.level:
                        here.level = height
                        items.append(Opened(here, height))
                else:
                    self.stand(here, start, at)
                    if handler:
                        handler = cut_out(pos - 3 - len(handler), pos - 3)
                    inside = cut_out(at + 2, at + 2 + len(inside))
                try_ = new(Try)
                try_.type = type_
                try_.delegate = None
                try_.items = [inside] if inside else []
                try_.region = None
                rethrow = new(Rethrow)
                rethrow.label = try_
                clause = new(Catch)
                clause.tag = None
                clause.items = [handler, rethrow] if handler else [rethrow]
                clause.region = None
                try_.catches = [clause]
                sites.append((try_, here, len(items)))
                items.append(try_)
                ended = start = pos
                self.last = try_
                continue
            elif action == OPENED_AT_ONCE:
                labels.extend([here] * len(arg))
                openings += arg
                continue
            elif action == CATCH:
                label = labels[-1]
                add_catch(body, label, *arg)
                clause = label.catches[-1]
                if ended == at:
                    last[self.last] = label
                if start < at:
                    items.append(run if plain and start + len(run) == at else cut_out(start, at))
                start = pos
                if len(items) < 3 and items[-1].__class__ is bytes:
                    del items[0]
                here = clause.region = Region(here.base, here.outer, clause)
                regions.append(here)
                clause.items = items = here.items
                continue
            elif action == RETHROW_END:
                end = pos - 1
                self.rethrow(here, start, at, arg)
                start = end
            elif action == BR:
                if labels[arg] is not here:
                    self.branch(here, start, at, new(Br), arg)
                    start = pos
                if not cut:
                    self.begin = pos
                    cut = len(labels)
                continue
            elif action == INSTR:
                if not cut:
                    self.begin = pos
                    cut = len(labels)
                continue
            elif action == RETHROW:
                self.rethrow(here, start, at, arg)
                start = pos
                if not cut:
                    self.begin = pos
                    cut = len(labels)
                continue
            elif action == ELSE:
                if labels[-1] is not here or not openings[-1].startswith(_IF):
                    add_else(body)
                if ended == at:
                    last[self.last] = self.label(-1)
                # What is left of it takes no other `else`.
                openings[-1] = _BLOCK + openings[-1][1:]
                continue
            elif action in (DELEGATE, PADDED_DELEGATE):
                label = labels.pop()
                openings.pop()
                place = arg if action == DELEGATE else ~arg[1][0]
                if label.__class__ is not Try or label.catches:
                    end_by_delegate(label, labels, ~place)
                if ended == at:
                    last[self.last] = label
                if start < at:
                    items.append(run if plain and start + len(run) == at else cut_out(start, at))
                if len(items) < 3 and items[-1].__class__ is bytes:
                    del items[0]
                outer = here.outer
                here = outer
                items = here.items
                self.delegate(here, label, place)
                if action == PADDED_DELEGATE:
                    body._wires[label] = arg[1], arg[2]
                ended = start = pos
                self.last = label
                continue
            elif action == GAVE_UP:
                break
            elif action == RUN:
                continue
            elif action == OTHER:
                start = self.other(here, start, at, pos, arg)
                if Trait.TERMINATES in arg[0].traits and not cut:
                    self.begin = pos
                    cut = len(labels)
                continue
            elif action == OTHER_END:
                end = pos - 1
                start = self.other(here, start, at, end, arg)
            else:
                self.stand(here, start, at, kept=True)
                view = cast("list[Label]", _View(self))
                table = new_try_table(self.memo, body, view, *arg)
                sites.append((table, here, len(items)))
                users.extend(c for c in table.clauses if c.label.__class__ is Try)
                items.append(table)
                here = table.region = Region(len(labels), here, table)
                regions.append(here)
                table.items = items = here.items
                labels.append(table)
                openings.append(token)
                start = pos
                continue
            # What is innermost ends.
            label = labels.pop()
            opening = openings.pop()
            if label is here:
                if ended == end and not opening.startswith(_LOOP):
                    last[self.last] = Opened(here, len(labels) - here.base, opening)
                continue
            if ended == end:
                last[self.last] = label
            if action != END:
                here.stops = True
            if start < end:
                items.append(cut_out(start, end))
            ended = start = pos
            if here.outer is None:
                break
            if len(items) < 3 and items[-1].__class__ is bytes:
                # Nothing counts from there.
                del items[0]
            here = here.outer
            items = here.items
            self.last = label
        self.state = here, pos, start, cut, ended


class _View:
    """Open labels as objects, for those who look them up in a list."""

    def __init__(self, outline: _Outline) -> None:
        self.outline = outline

    def __getitem__(self, place: int) -> Label:
        return self.outline.label(place)


def _depths(row: Row, values: tuple[Any, ...]) -> Sequence[int]:
    """The label indices of a branch."""
    if row.name == "br_table":
        labels: tuple[int, ...] = values[0]
        return labels
    found = values[label_place(row)]
    if isinstance(found, int):
        return (found,)
    return [
        each if isinstance(each, int) else each.label
        for each in found
        if isinstance(each, int) or each.label is not None
    ]
