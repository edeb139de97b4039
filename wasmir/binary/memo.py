"""What is known of the distinct tokens of one module, in both directions.

A large module has millions of instructions and few distinct ones. What a token means is worked out
once, strictly, and looked up by its bytes from then on; encoding is remembered by object.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

from wasmir.binary.plain import NATURALS, maybe_padded, plain_naturals
from wasmir.errors import InvalidError, MalformedError, WasmError
from wasmir.ir.code import BlockType, Instr
from wasmir.ir.effects import fixed_effect, row_effect
from wasmir.ir.space import Entity, check_member
from wasmir.ir.tag import Tag
from wasmir.isa import kinds, tokens
from wasmir.isa.mentions import mentioned_spaces, renamed
from wasmir.isa.strict import decode_one, encode_one
from wasmir.isa.table import BY_NAME, ROWS, Row, Trait
from wasmir.types import ValType, encode_value_type
from wasmir.wire import Reader, Writer, encode_signed, encode_unsigned, short_integer

if TYPE_CHECKING:
    from wasmir.ir.module import Module
    from wasmir.ir.type import Type

__all__ = ["TYPE_INDEX", "Memo", "encode_row", "label_place", "memo_of", "run_effects"]

# What a control token does to the decoder, the frequent ones first. Plain integers, because the
# loop over them is the hottest of the library.
(
    END,
    BR_IF,
    OPENED,
    BR_END,
    INSTR_END,
    # The last of those that outlines look for first.
    BR_IF_END,
    IF,
    BLOCK,
    BR,
    TRY,
    INSTR,
    RETHROW,
    CATCH,
    LOOP,
    DELEGATE,
    ELSE,
    TRY_TABLE,
    OTHER,
    RUN,
    GAVE_UP,
    RETHROW_END,
    OTHER_END,
    CLEANUP,
    LEAF,
    WHOLE,
    OPENED_AT_ONCE,
    PADDED_DELEGATE,
) = range(27)

# The same with the `end` behind it.
_WITH_END = {
    BR: BR_END,
    BR_IF: BR_IF_END,
    INSTR: INSTR_END,
    RETHROW: RETHROW_END,
    OTHER: OTHER_END,
}

_OPENING = frozenset({BLOCK, IF, LOOP})
_SIMPLE = {"end": END, "else": ELSE}
_OPENERS = {"block": BLOCK, "loop": LOOP, "if": IF, "try": TRY}
ONE_LABEL = {"br": BR, "br_if": BR_IF, "rethrow": RETHROW, "delegate": DELEGATE}


class Memo(dict[bytes, tuple[int, Any]]):
    """What each distinct control token means in one module: its action, and what that needs.

    Missing tokens are decoded strictly, once. The other direction's memos live here as well.
    """

    def __init__(self, module: Module) -> None:
        super().__init__({b"": (GAVE_UP, None)})
        self.module = module
        self.outline = OutlineMemo(self)
        self.block_types: dict[bytes, BlockType] = {}
        self.instrs = Instrs(self)
        self.runs = Runs(self)
        self.effects = Effects(self)
        self.run_effects = RunEffects(self.effects)
        self.rows: dict[bytes, Row] = {}
        # Encoding.
        # Of `block`, `loop`, `if`, `try`, `try_table`.
        self.openers = tuple([Openers(self, bytes([opcode])) for opcode in (2, 3, 4, 6, 0x1F)])
        self.clause_heads = ClauseHeads(self)
        # The same behind the count of one.
        self.only_clause = ClauseHeads(self, b"\x01")
        # Whether any instruction was read that isn't spelled the shortest way.
        self.any_spelled = False
        # What instructions remember this memo by; it keeps nothing alive.
        self.key = object()

    def __missing__(self, token: bytes) -> tuple[int, Any]:
        if token[0] == _BR_TABLE.number and len(token) == token[1] + 3 and token.isascii():
            # No label takes more than a byte. There are many, and long ones.
            action = self[token] = OTHER, (_BR_TABLE, (tuple(token[2:]),), None)
            return action
        return self.learn(token, *decode_one(Reader(token)))

    def learn(self, token: bytes, row: Row, values: tuple[Any, ...]) -> tuple[int, Any]:
        """Note, and give, what a token means that spells a row and its immediates."""
        action = self[token] = self._action(token, row, values)
        return action

    def _action(self, token: bytes, row: Row, values: tuple[Any, ...]) -> tuple[int, Any]:
        name = row.name
        if name in _SIMPLE:
            return _SIMPLE[name], None
        if name in _OPENERS:
            return _OPENERS[name], self.block_type(token[1:], values[0])
        if name == "catch_all":
            return CATCH, (None, None)
        shortest = encode_row(row, values) == token
        wire = None if shortest else token
        if name == "catch":
            return CATCH, (self.tag(values[0]), wire)
        if name == "try_table":
            writer = Writer()
            kinds.CATCHES.write(writer, values[1])
            type_ = self.block_type(token[1:], values[0])
            # The block type remembers its own spelling.
            spelled = token[1 + block_type_size(token[1:]) :]
            return TRY_TABLE, (type_, values[1], None if spelled == writer.getvalue() else spelled)
        if name in ONE_LABEL and shortest:
            # Counted from the end of the list of open labels.
            return ONE_LABEL[name], ~values[0]
        if Trait.BRANCHES in row.traits:
            return OTHER, (row, values, wire)
        if Trait.TERMINATES in row.traits:
            return INSTR, self.instr(token)
        return RUN, None

    def instr(self, token: bytes) -> Instr:
        """The interned instruction that the token spells."""
        return self.instrs[token]

    def new_instr(self, token: bytes) -> Instr:
        quick = self.plain_immediates(token)
        if quick is not None:
            return self._interned(*quick, token)
        row, immediates = decode_one(Reader(token))
        canonical = (row in _PLAIN and maybe_padded(token, row.prefix != 0) is None) or encode_row(
            row, immediates
        ) == token
        if row in _MENTIONING:
            if not self.module._data_counted and row in _MENTIONING_DATA:
                raise MalformedError("data count section required", 0)
            immediates = self.resolved(row, immediates)
        if not canonical:
            self.any_spelled = True
            return Instr(row, immediates, token)
        return self._interned(row, immediates, token)

    def plain_immediates(self, token: bytes) -> tuple[Row, tuple[Any, ...]] | None:
        """What most distinct tokens spell, an opcode and a constant or indices, without padding;
        ``None`` for the others.
        """
        first = token[0]
        constant = _CONSTANTS.get(first)
        if constant is not None:
            row, limit = constant
            value = short_integer(token[1:], signed=True)
            fits = -limit <= value < limit and _PADDED_CONSTANT(token) is None
            return (row, (value,)) if fits else None
        plain = plain_naturals(token)
        if plain is None:
            return None
        row, _, spaces, naturals = plain
        values = [
            natural if space is None else self.at(space, natural)
            for space, natural in zip(spaces, naturals, strict=True)
        ]
        return row, tuple(values)

    def _interned(self, row: Row, immediates: tuple[Any, ...], token: bytes) -> Instr:
        """The instruction that the token spells the shortest way."""
        known = self.module._instrs.setdefault(row.name, {})
        found = known.get(immediates)
        if found is None:
            # There are many: the slots are filled without a call of ``__init__``.
            found = known[immediates] = _new(Instr)
            _set_row(found, row)
            _set_immediates(found, immediates)
            _set_wire(found, None)
            if row in _NOTED:
                _set_code(found, b"")
                _set_memo(found, None)
            else:
                _set_code(found, token)
                _set_memo(found, self.key)
        return found

    def resolved(self, row: Row, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Immediates with the things that they mention in place of code numbers."""
        return tuple(
            [
                renamed(immediate.kind, value, self.at) if immediate.kind.spaces else value
                for immediate, value in zip(row.immediates, values, strict=True)
            ]
        )

    def at(self, space: str, number: int) -> Any:
        """What code means by a number. Raises InvalidError where it means nothing."""
        try:
            entities = self.module.space(space)
        except WasmError as error:
            error._elsewhere = True
            raise
        found = entities.numbered(number)
        if found is None:
            raise InvalidError(f"unknown {entities.what} {number}")
        return found

    def tag(self, number: int) -> Any:
        return self.at("tag", number)

    def block_type(self, wire: bytes, value: Any) -> BlockType:
        """``wire`` begins with the block type; what follows it is ignored."""
        wire = wire[: block_type_size(wire)]
        found = self.block_types.get(wire)
        if found is None:
            found = self.block_types[wire] = self._new_block_type(wire, value)
        return found

    def _new_block_type(self, wire: bytes, value: Any) -> BlockType:
        if isinstance(value, int):
            type_ = self.at("type", value)
            func = type_.func
            if func is None:
                raise InvalidError(f"type mismatch: block type {value} is no function type")
            params, results = func.params, func.results
            if encode_signed(value) != wire:
                return BlockType(params, results, type_, wire)
            key = (params, results)
            short = not params and len(results) <= 1
            known = None if short else self.module._block_types.get(key)
            if known is not None and known.type is type_:
                return known
            made = BlockType(params, results, type_)
            if not short and self.module._by_func_type.get(func) is type_:
                self.module._block_types[key] = made
            return made
        results = () if value is None else (self.value_type(value),)
        if wire != (b"\x40" if value is None else encode_value_type(value)):
            return BlockType((), results, None, wire)
        return self.module.block_type((), results)

    def value_type(self, type_: ValType) -> ValType:
        """The type with its type index replaced by the entity."""
        return cast("ValType", renamed(kinds.VALUE_TYPES, type_, self.at))

    # Encoding

    def encode_instr(self, instr: Instr) -> bytes:
        """The bytes of one instruction; remembered by identity."""
        if instr._memo is self.key:
            return instr._code
        row = instr.row
        if instr._wire is not None:
            data = instr._wire
        elif row in _CONSTANT_ROWS:
            data = row.opcode + encode_signed(instr.immediates[0])
        else:
            data = encode_row(row, self.numbers(row, instr.immediates))
        if row in _MENTIONING_DATA:
            # The section comes with what is written.
            self.module._data_counted = True
        if row is _REF_FUNC:
            self.module._takes_references = True
        # What mentions nothing is shared by modules: then the last of them knows it.
        _set_code(instr, data)
        _set_memo(instr, self.key)
        return data

    def numbers(self, row: Row, immediates: tuple[Any, ...]) -> tuple[Any, ...]:
        """Immediates with code numbers in place of the things that they mention."""
        return tuple(
            [
                renamed(immediate.kind, value, self.number) if immediate.kind.spaces else value
                for immediate, value in zip(row.immediates, immediates, strict=True)
            ]
        )

    def number(self, space: str, entity: Any) -> int:
        """What code names a thing by. Raises InvalidError for one of another module, TypeError for
        what is none of that space.
        """
        if entity == 0 and space in ("memory", "table"):
            # Not given: the first, as in WAT.
            return 0
        if not isinstance(entity, Entity) or entity.space != space:
            what = self.module.space(space).what
            raise TypeError(f"{entity!r} stands where a {what} is expected")
        check_member(entity, self.module)
        return entity._number

    def encode_block_type(self, type_: BlockType) -> bytes:
        if type_._wire is not None:
            return type_._wire
        if type_.type is not None:
            return encode_signed(self.number("type", type_.type))
        if not type_.results:
            return b"\x40"
        return encode_value_type(type_.results[0], TYPE_INDEX)


class Instrs(dict[bytes, Instr]):
    """The interned instruction that each token spells."""

    def __init__(self, memo: Memo) -> None:
        self.memo = memo

    def __missing__(self, token: bytes) -> Instr:
        found = self[token] = self.memo.new_instr(token)
        return found


# Longer runs hardly ever come again.
_REPEATING = 80


class Runs(dict[bytes, tuple[Instr, ...]]):
    """The instructions of each run. Short ones, which repeat, are remembered."""

    def __init__(self, memo: Memo) -> None:
        self.instr = memo.instrs.__getitem__

    def __missing__(self, run: bytes) -> tuple[Instr, ...]:
        # Run by run: so many tokens at once wouldn't stay in the processor's cache.
        found = tokens.split()(run)
        if found and not found[-1]:
            found = list(chain.from_iterable(tokens.split_whole(run, 0, len(run))))
        instrs = tuple(map(self.instr, found))
        if len(run) <= _REPEATING:
            self[run] = instrs
        return instrs


class OutlineMemo(dict[bytes, tuple[int, Any]]):
    """The same for the tokens of outlines, which may be more than one instruction."""

    def __init__(self, memo: Memo) -> None:
        super().__init__({b"": (GAVE_UP, None)})
        self.memo = memo

    def __missing__(self, token: bytes) -> tuple[int, Any]:
        known: tuple[int, Any]
        first = token[0]
        if first == _CATCH_ALL and len(token) > 1:
            # With a run and `rethrow 0 end`. Such tokens are many, and there is nothing to decode.
            known = self[token] = CLEANUP, token[1:-3]
            return known
        if first == _TRY and token[-2] == _DELEGATE:
            # With a run: what ends in a block type has no such byte there.
            known = self[token] = LEAF, (self.memo[token[:2]][1], token[2:-2], token[-1])
            return known
        if first == _TRY and token.endswith(_RETHROWN):
            # Of what might be the `catch_all` between the runs, one is.
            end = token.find(_CATCH_ALL, 2)
            if end != token.rfind(_CATCH_ALL):
                end = 2 + len(tokens.outline()(token, 2, len(token))[0][0])
            known = WHOLE, (self.memo[token[:2]][1], token[2:end], token[end + 1 : -3])
            self[token] = known
            return known
        if token.startswith(_PLAIN_BLOCK) and len(token) > len(_PLAIN_BLOCK):
            # More of the same.
            openings = [_PLAIN_BLOCK] * (len(token) // len(_PLAIN_BLOCK))
            known = self[token] = OPENED_AT_ONCE, openings
            return known
        reader = Reader(token)
        row, values = decode_one(reader)
        spelled = token[: reader.pos]
        known = self.memo.get(spelled) or self.memo.learn(spelled, row, values)
        if known[0] in _OPENING:
            # Its type doesn't matter there.
            known = OPENED, None
        elif known[0] == OTHER and known[1][0].name == "delegate":
            # It ends something, which other branches don't.
            known = PADDED_DELEGATE, known[1]
        elif reader.pos < len(token):
            known = _WITH_END[known[0]], known[1]
        self[token] = known
        return known


_BR_TABLE = BY_NAME["br_table"]
# Without a type.
_PLAIN_BLOCK = BY_NAME["block"].opcode + b"\x40"
_TRY = BY_NAME["try"].opcode[0]
_CATCH_ALL = BY_NAME["catch_all"].opcode[0]
_DELEGATE = BY_NAME["delegate"].opcode[0]
# `rethrow 0 end`: no block type ends like this.
_RETHROWN = BY_NAME["rethrow"].opcode + b"\0" + BY_NAME["end"].opcode


# Rows whose immediates name something of the module.
_MENTIONING = frozenset(row for row in ROWS if mentioned_spaces(row))

# What is spelled in one way, but for padding.
_ONE_SPELLING = {*NATURALS, kinds.I32, kinds.I64, kinds.F32, kinds.F64, kinds.REF, kinds.REF_NULL}
_PLAIN = frozenset(
    row for row in ROWS if all(immediate.kind in _ONE_SPELLING for immediate in row.immediates)
)

# For a signed one alone: the bit in front says whether its last byte goes on with it.
_PADDED_CONSTANT = re.compile(rb"[\x80-\xbf]\x00|[\xc0-\xff]\x7f").search

# By opcode: the row, and what the constant is less than.
_CONSTANTS = {
    BY_NAME["i32.const"].number: (BY_NAME["i32.const"], 1 << 31),
    BY_NAME["i64.const"].number: (BY_NAME["i64.const"], 1 << 63),
}
_CONSTANT_ROWS = frozenset(row for row, _ in _CONSTANTS.values())
_REF_FUNC = BY_NAME["ref.func"]


_MENTIONING_DATA = frozenset(row for row in ROWS if "data" in mentioned_spaces(row))

# Rows that encoding takes note of.
_NOTED = _MENTIONING_DATA | {_REF_FUNC}

# Instructions are frozen for everybody but what makes them, and the encoder.
_new = object.__new__
_set_row = vars(Instr)["row"].__set__
_set_immediates = vars(Instr)["immediates"].__set__
_set_wire = vars(Instr)["_wire"].__set__
_set_code = vars(Instr)["_code"].__set__
_set_memo = vars(Instr)["_memo"].__set__


def encode_row(row: Row, values: tuple[Any, ...]) -> bytes:
    writer = Writer()
    encode_one(writer, row, values)
    return writer.getvalue()


def block_type_size(wire: bytes) -> int:
    reader = Reader(wire)
    kinds.BLOCK_TYPE.read(reader)
    return reader.pos


class _TypeIndex(dict[Any, int]):
    def __missing__(self, type_: Type) -> int:
        return type_._number


TYPE_INDEX = _TypeIndex()


class _HasBlockError(Exception):
    """There is a block among what is summed up."""


class _Opening:
    """Stands for the effect of a block: nothing is to be summed up inside of it."""

    def __init__(self, effect: int) -> None:
        self.effect = effect

    def __radd__(self, total: int) -> int:
        raise _HasBlockError


class Effects(dict[tuple[bytes, bytes], Any]):
    """The effect on the stack of each distinct statement or instruction, as
    :func:`tokens.statements` gives them; what opens a block has an :class:`_Opening`.
    """

    def __init__(self, memo: Memo) -> None:
        self.memo = memo

    def __missing__(self, found: tuple[bytes, bytes]) -> int | _Opening:
        last, token = found
        effect: int | _Opening | None
        if last:
            # What puts the operand there adds one.
            effect = 1 + self[b"", last]
        else:
            row, values = decode_one(Reader(token))
            if Trait.OPENS in row.traits:
                type_ = self.memo.block_type(token[1:], values[0])
                effect = _Opening(len(type_.results) - len(type_.params) - (row.name == "if"))
            else:
                effect = fixed_effect(row)
                if effect is None:
                    effect = row_effect(row, self.memo.resolved(row, values))
        self[found] = effect
        return effect


_SHORT_RUN = 80
_END = BY_NAME["end"].opcode
_OPENS_BLOCK = tuple(row.opcode for row in ROWS if Trait.OPENS in row.traits)


class RunEffects(dict[bytes, int]):
    """The effect on the stack of runs, of an outline too."""

    def __init__(self, effects: Effects) -> None:
        self.effects = effects

    def __missing__(self, run: bytes) -> int:
        found = tokens.statements()(run, 0, len(run))
        if found and not any(found[-1]):
            # There is something that the regex doesn't count.
            whole = tokens.split_whole(run, 0, len(run))
            found = [(b"", token) for portion in whole for token in portion]
        try:
            total: int = sum(map(self.effects.__getitem__, found))
        except _HasBlockError:
            total = self._around_blocks(found)
        # Cleanup code repeats; short runs of it are worth remembering.
        if len(run) <= _SHORT_RUN:
            self[run] = total
        return total

    def _around_blocks(self, found: list[tuple[bytes, bytes]]) -> int:
        """The sum of what is in no block, and of the blocks."""
        effects = self.effects
        total = depth = 0
        for each in found:
            if depth == 0:
                effect = effects[each]
                if isinstance(effect, _Opening):
                    effect = effect.effect
                    depth = 1
                total += effect
            elif each[1] == _END:
                depth -= 1
            elif each[1].startswith(_OPENS_BLOCK):
                depth += 1
        return total


def run_effects(module: Module) -> RunEffects:
    """How far each run raises the operand stack: a mapping that works out what it hasn't."""
    return memo_of(module).run_effects


class Openers(dict[BlockType, bytes]):
    """Opcode and block type, by block type."""

    def __init__(self, memo: Memo, opcode: bytes) -> None:
        self.memo = memo
        self.opcode = opcode

    def __missing__(self, type_: BlockType) -> bytes:
        data = self[type_] = self.opcode + self.memo.encode_block_type(type_)
        return data


CATCH_KINDS = {
    (False, False): kinds.CatchKind.CATCH,
    (False, True): kinds.CatchKind.CATCH_REF,
    (True, False): kinds.CatchKind.CATCH_ALL,
    (True, True): kinds.CatchKind.CATCH_ALL_REF,
}


class ClauseHeads(dict[tuple[Tag | None, bool], bytes]):
    """A catch clause up to its label, by tag and whether it wants the exception itself."""

    def __init__(self, memo: Memo, before: bytes = b"") -> None:
        self.memo = memo
        self.before = before

    def __missing__(self, key: tuple[Tag | None, bool]) -> bytes:
        tag, ref = key
        kind = bytes((CATCH_KINDS[tag is None, ref].value,))
        head = self.before + (
            kind if tag is None else kind + encode_unsigned(self.memo.number("tag", tag))
        )
        self[key] = head
        return head


def label_place(row: Row) -> int:
    """Which of the immediates holds the labels."""
    return next(i for i, immediate in enumerate(row.immediates) if immediate.kind.space == "label")


def memo_of(module: Module) -> Memo:
    memo: Memo | None = module._memo
    if memo is None:
        memo = module._memo = Memo(module)
    return memo
