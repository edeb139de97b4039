"""The rules of instructions that know about labels or locals.

Each gives an action that is not remembered in the stack (see :mod:`wasmir.validate.stack`): it
looks at the labels that are open, which differ from place to place.

Source: specification 3.0, Validation, "Instructions"; legacy exception handling: the proposal's
legacy specification, Validation; the proposals stack-switching and custom-descriptors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.errors import InvalidError, MalformedError
from wasmir.types import AbstractHeap, FuncType, NumType, RefType
from wasmir.validate.rules import called_indirectly, descriptor, rule, without_null
from wasmir.validate.stack import Ruled
from wasmir.validate.subtyping import named, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from wasmir.isa.kinds import CatchKind, Clause, Handler
    from wasmir.types import ValType
    from wasmir.validate.code import Code
    from wasmir.validate.stack import Action, Label, Operands, Shape, Stack

__all__ = ["FUNCTION"]

FUNCTION, BLOCK, LOOP, IF, ELSE, TRY, CATCH, CATCH_ALL, TRY_TABLE = (
    "function",
    "block",
    "loop",
    "if",
    "else",
    "try",
    "catch",
    "catch_all",
    "try_table",
)
_HANDLERS = (CATCH, CATCH_ALL)


# Blocks


def _opening(code: Code, shape: Shape, label: Label, what: str) -> Action:
    push, start, enter, order = code.frames.append, shape.start, shape.enter, code.order
    if enter is None:

        def opened(stack: Stack) -> Stack:
            push((stack, shape, label, what, len(order)))
            return start

        return opened

    def entered(stack: Stack) -> Stack:
        push((stack[enter], shape, label, what, len(order)))
        return start

    return entered


def _shape(code: Code, type_: Any) -> Shape:
    return code.stacks.shape(*code.block_type(type_))


@rule
def block(code: Code, type_: Any) -> Action:
    shape = _shape(code, type_)
    return _opening(code, shape, shape.label, BLOCK)


@rule
def loop(code: Code, type_: Any) -> Action:
    shape = _shape(code, type_)
    return _opening(code, shape, shape.loop_label, LOOP)


@rule
def try_(code: Code, type_: Any) -> Action:
    shape = _shape(code, type_)
    return _opening(code, shape, shape.label, TRY)


@rule
def if_(code: Code, type_: Any) -> Action:
    shape = _shape(code, type_)
    push, start, enter, label = code.frames.append, shape.start, shape.enter_if, shape.label

    def entered(stack: Stack) -> Stack:
        push((stack[enter], shape, label, IF, len(code.order)))
        return start

    return entered


@rule
def end(code: Code) -> Action:
    frames, done, order = code.frames, code.done, code.order
    pop = frames.pop

    def ended(stack: Stack) -> Stack:
        outer, shape, _, what, set_before = pop()
        if stack is not shape.end:
            _ = stack[shape.finish]
        if what is IF and not shape.else_less:
            raise InvalidError(
                f"type mismatch: an if without else can't be {shown(shape.params)} -> "
                f"{shown(shape.results)}"
            )
        if len(order) > set_before:
            code.forget(set_before)
        if not frames:
            return done
        leave = shape.leave
        return outer if leave is None else outer[leave]

    return ended


@rule
def else_(code: Code) -> Action:
    frames, order = code.frames, code.order

    def switched(stack: Stack) -> Stack:
        outer, shape, label, what, set_before = frames[-1]
        if what is not IF:
            raise MalformedError("unexpected else: no if is open here", 0)
        if stack is not shape.end:
            _ = stack[shape.finish]
        if len(order) > set_before:
            code.forget(set_before)
        frames[-1] = outer, shape, label, ELSE, set_before
        return shape.start

    return switched


# Legacy exception handling


def _handling(code: Code, start: Stack, what: str) -> Action:
    frames, order = code.frames, code.order

    def handled(stack: Stack) -> Stack:
        outer, shape, label, before, set_before = frames[-1]
        if before is not TRY and before is not CATCH:
            raise MalformedError(f"unexpected {what}: no try is open here that takes it", 0)
        if stack is not shape.end:
            _ = stack[shape.finish]
        if len(order) > set_before:
            code.forget(set_before)
        frames[-1] = outer, shape, label, what, set_before
        return start

    return handled


@rule
def catch(code: Code, tag: int) -> Action:
    start = code.stacks.empty
    for type_ in code.tag(tag, exception=True).params:
        start = start.pushed(type_)
    return _handling(code, start, CATCH)


@rule
def catch_all(code: Code) -> Action:
    return _handling(code, code.stacks.empty, CATCH_ALL)


@rule
def delegate(code: Code, depth: int) -> Action:
    frames, order, at = code.frames, code.order, ~depth

    def delegated(stack: Stack) -> Stack:
        outer, shape, _, what, set_before = frames[-1]
        if what is not TRY:
            raise MalformedError("unexpected delegate: no try without handlers is open here", 0)
        if stack is not shape.end:
            _ = stack[shape.finish]
        frames.pop()
        _ = frames[at]
        if len(order) > set_before:
            code.forget(set_before)
        leave = shape.leave
        return outer if leave is None else outer[leave]

    return delegated


@rule
def rethrow(code: Code, depth: int) -> Action:
    frames, at = code.frames, ~depth
    leaving = code.takes().leaves()

    def rethrown(stack: Stack) -> Stack:
        if frames[at][3] not in _HANDLERS:
            raise InvalidError("invalid rethrow label: it is no try in whose handler this stands")
        return stack[leaving]

    return rethrown


# Branches


@rule
def br(code: Code, depth: int) -> Action:
    frames, at = code.frames, ~depth

    def branched(stack: Stack) -> Stack:
        return stack[frames[at][2].br]

    return branched


@rule
def br_if(code: Code, depth: int) -> Action:
    frames, at = code.frames, ~depth

    def branched(stack: Stack) -> Stack:
        return stack[frames[at][2].br_if]

    return branched


@rule
def br_table(code: Code, depths: tuple[int, ...]) -> Action:
    frames, default = code.frames, ~depths[-1]
    # Each label counts once, and one that isn't there is told of.
    others = [~depth for depth in sorted(set(depths[:-1]))]
    index = code.takes(NumType.I32).gives()
    leaving = code.takes().leaves()

    def branched(stack: Stack) -> Stack:
        rest = stack[index]
        wanted: Label = frames[default][2]
        _ = rest[wanted.probe]
        arity = len(wanted.types)
        for at in others:
            label: Label = frames[at][2]
            if label is not wanted:
                if len(label.types) != arity:
                    raise InvalidError(
                        "type mismatch: labels of br_table take "
                        f"{shown(wanted.types)} and {shown(label.types)}"
                    )
                _ = rest[label.probe]
        return rest[leaving]

    return branched


@rule
def return_(code: Code) -> Action:
    frames = code.frames

    def returned(stack: Stack) -> Stack:
        return stack[frames[0][2].br]

    return returned


def _tail_call(code: Code, called: FuncType, *more: ValType) -> Action:
    """The callee's results are the caller's."""
    leaving = code.takes(*called.params, *more).leaves()
    frames, key = code.frames, ("results", called.results)

    def left(stack: Stack) -> Stack:
        label: Label = frames[0][2]
        if key not in label.accepted:
            if not code.types.all_match(called.results, label.types):
                raise InvalidError(
                    f"type mismatch: current function requires result type {shown(label.types)} "
                    f"but callee returns {shown(called.results)}"
                )
            label.accepted.add(key)
        return stack[leaving]

    return left


@rule
def return_call(code: Code, function: int) -> Action:
    return _tail_call(code, code.types.func(code.at("func", function).func_type))


@rule
def return_call_indirect(code: Code, type_: int, table: int) -> Action:
    func, address = called_indirectly(code, type_, table)
    return _tail_call(code, func, address)


@rule
def return_call_ref(code: Code, type_: int) -> Action:
    return _tail_call(code, code.func(type_), code.null_ref(type_))


def _on_reference(
    code: Code, depth: int, work: Callable[[Label, Operands], None], key: object
) -> Action:
    """A branch that depends on a reference: what it does is remembered by label and stack."""
    frames, at = code.frames, ~depth

    def branched(stack: Stack) -> Stack:
        label: Label = frames[at][2]
        action = label.rules.get(key)
        if action is None:
            action = label.rules[key] = Ruled(lambda operands: work(label, operands))
        return stack[action]

    return branched


def _target(label: Label) -> RefType:
    """The reference that a branch takes along."""
    last = label.types[-1] if label.types else None
    if not isinstance(last, RefType):
        raise InvalidError(
            f"type mismatch: the label takes {shown(label.types)}, and no reference at the end"
        )
    return last


def _stay(operands: Operands, types: tuple[ValType, ...]) -> None:
    operands.pop(*types)
    operands.push(*types)


@rule
def br_on_null(code: Code, depth: int) -> Action:
    def work(label: Label, operands: Operands) -> None:
        type_ = operands.ref()
        _stay(operands, label.types)
        operands.push(without_null(code, type_))

    return _on_reference(code, depth, work, "br_on_null")


@rule
def br_on_non_null(code: Code, depth: int) -> Action:
    def work(label: Label, operands: Operands) -> None:
        target = _target(label)
        taken = without_null(code, operands.ref())
        if not code.types.matches(taken, target):
            raise InvalidError(
                f"type mismatch: the label takes {named(target)}, found {named(taken)}"
            )
        _stay(operands, label.types[:-1])

    return _on_reference(code, depth, work, "br_on_non_null")


def _cast(
    code: Code, flags: int, depth: int, heaps: tuple[Any, Any], *, fails: bool, described: bool
) -> Action:
    """The four branches on casts: on success or on failure, by type or by descriptor."""
    source = code.ref(bool(flags & 1), heaps[0])
    target = code.ref(bool(flags & 2), heaps[1])
    code.check_cast(source, target)
    by: ValType | None = None
    if described:
        entry, exact = descriptor(code, heaps[1])
        by = code.types.ref(True, entry, exact=exact)
    # What a value is that is none of the target's: null is of it where the target can be null.
    rest: Any = without_null(code, source) if target.nullable else source
    sent, kept = (rest, target) if fails else (target, rest)

    def work(label: Label, operands: Operands) -> None:
        if by is not None:
            operands.pop(by)
        wanted = _target(label)
        if not code.types.matches(sent, wanted):
            raise InvalidError(
                f"type mismatch: the label takes {named(wanted)}, found {named(sent)}"
            )
        operands.pop(source)
        _stay(operands, label.types[:-1])
        operands.push(kept)

    return _on_reference(code, depth, work, (source, target, fails, by))


@rule
def br_on_cast(code: Code, flags: int, depth: int, source: Any, target: Any) -> Action:
    return _cast(code, flags, depth, (source, target), fails=False, described=False)


@rule
def br_on_cast_fail(code: Code, flags: int, depth: int, source: Any, target: Any) -> Action:
    return _cast(code, flags, depth, (source, target), fails=True, described=False)


@rule
def br_on_cast_desc_eq(code: Code, flags: int, depth: int, source: Any, target: Any) -> Action:
    return _cast(code, flags, depth, (source, target), fails=False, described=True)


@rule
def br_on_cast_desc_eq_fail(code: Code, flags: int, depth: int, source: Any, target: Any) -> Action:
    return _cast(code, flags, depth, (source, target), fails=True, described=True)


@rule
def try_table(code: Code, type_: Any, clauses: tuple[Clause, ...]) -> Action:
    shape = _shape(code, type_)
    frames = code.frames
    opening = _opening(code, shape, shape.label, TRY_TABLE)
    exception = code.types.ref(False, AbstractHeap.EXN)
    caught: list[tuple[int, CatchKind, tuple[ValType, ...]]] = []
    for clause in clauses:
        given = () if clause.tag is None else code.tag(clause.tag, exception=True).params
        if clause.kind.has_ref:
            given = (*given, exception)
        caught.append((~clause.label, clause.kind, given))

    def opened(stack: Stack) -> Stack:
        for at, kind, given in caught:
            label: Label = frames[at][2]
            if given not in label.accepted:
                if not code.types.all_match(given, label.types):
                    raise InvalidError(
                        f"type mismatch: {kind} gives {shown(given)}, the label takes "
                        f"{shown(label.types)}"
                    )
                label.accepted.add(given)
        return stack[opening]

    return opened


# Continuations (proposal stack-switching)


def _resumption(code: Code, number: int, handlers: tuple[Handler, ...], *taken: ValType) -> Action:
    func = code.cont(number)
    signature = code.takes(*taken, code.null_ref(number)).gives(*func.results)
    frames = code.frames
    for handler in handlers:
        if handler.label is None and code.tag(handler.tag).params:
            raise InvalidError("type mismatch: non-empty tag parameter type")
    labelled = [(~on.label, code.tag(on.tag)) for on in handlers if on.label is not None]

    def resumed(stack: Stack) -> Stack:
        for at, tag in labelled:
            _check_handler(code, frames[at][2], tag, func)
        return stack[signature]

    return resumed


def _check_handler(code: Code, label: Label, tag: FuncType, resumed: FuncType) -> None:
    """The label gets the tag's parameters and the continuation of what was suspended."""
    key = tag, resumed
    if key in label.accepted:
        return
    rest = code.cont_of(label.types[-1] if label.types else None)
    if not code.types.all_match(tag.params, label.types[:-1]):
        raise InvalidError(
            f"type mismatch: the tag gives {shown(tag.params)}, the label takes "
            f"{shown(label.types[:-1])} and a continuation"
        )
    if not code.types.func_matches(FuncType(tag.results, resumed.results), rest):
        raise InvalidError(f"type mismatch in continuation type: the label takes one of {rest}")
    label.accepted.add(key)


@rule
def resume(code: Code, number: int, handlers: tuple[Handler, ...]) -> Action:
    return _resumption(code, number, handlers, *code.cont(number).params)


@rule
def resume_throw(code: Code, number: int, tag: int, handlers: tuple[Handler, ...]) -> Action:
    return _resumption(code, number, handlers, *code.tag(tag, exception=True).params)


@rule
def resume_throw_ref(code: Code, number: int, handlers: tuple[Handler, ...]) -> Action:
    return _resumption(code, number, handlers, code.types.ref(True, AbstractHeap.EXN))


# Locals. Those with a default are found without a rule, see Locals.


@rule
def local_get(code: Code, number: int) -> Action:
    type_ = code.local(number)
    pushed = code.takes().gives(type_)
    if not code.is_tracked(number):
        return pushed

    def got(stack: Stack) -> Stack:
        if number not in code.initialized:
            raise InvalidError(f"uninitialized local {number}")
        return stack[pushed]

    return got


def _setting(code: Code, number: int, results: tuple[ValType, ...]) -> Action:
    taken = code.takes(code.local(number)).gives(*results)
    if not code.is_tracked(number):
        return taken

    def set_(stack: Stack) -> Stack:
        if number not in code.initialized:
            code.initialized.add(number)
            code.order.append(number)
        return stack[taken]

    return set_


@rule
def local_set(code: Code, number: int) -> Action:
    return _setting(code, number, ())


@rule
def local_tee(code: Code, number: int) -> Action:
    return _setting(code, number, (code.local(number),))
