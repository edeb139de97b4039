"""What instantiation puts into a memory or a table, to be read and edited by address or slot.

Active segments are copied in order, so a later one wins. Their offsets are constants; or, in what
is linked at run time, an imported global or a constant behind one: then addresses count from the
global's value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wasmir.errors import UnsupportedError
from wasmir.ir.checks import check_is
from wasmir.ir.const import Const
from wasmir.ir.function import Function
from wasmir.ir.segment import Data, Element
from wasmir.types import NumType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wasmir.ir.global_ import Global


__all__ = ["MemoryImage", "TableImage"]

S = TypeVar("S", Data, Element)


class _Image(Generic[S]):
    """Where the active segments of a memory or table are. ``base`` is the global that addresses
    count from, ``None`` where they count from zero.
    """

    def __init__(self, place: Any, base: Global | None) -> None:
        self.module = place.module
        self.base = base
        self._place = place
        # Raises where it was removed.
        _ = place.index

    def _all(self) -> Sequence[S]:
        raise NotImplementedError

    def segments(self) -> Iterator[tuple[int, S]]:
        """The address and the segment, in the order in which they are copied.

        Raises UnsupportedError for one whose address isn't known, or counts from something else.
        """
        bits = 64 if self._place.type.limits.address is NumType.I64 else 32
        for segment in self._all():
            if segment.offset is not None and segment.place is self._place:
                base, offset = _address(segment.offset)
                if base is not self.base or offset is None:
                    raise UnsupportedError(
                        f"{segment!r} is at ({segment.offset}), which isn't "
                        + ("a constant" if self.base is None else f"{self.base!r} and a constant")
                    )
                yield offset % (1 << bits), segment

    def _offset(self, address: int) -> Const:
        """The constant expression for an address."""
        module = self.module
        name = "i64" if self._place.type.limits.address is NumType.I64 else "i32"
        bits = int(name[1:])
        signed = address - (address >> (bits - 1) << bits)
        constant = module.instr(f"{name}.const", signed)
        if self.base is None:
            return Const(module, [constant])
        get = module.instr("global.get", self.base)
        return Const(module, [get, constant, module.instr(f"{name}.add")] if address else [get])


def _address(offset: Const) -> tuple[Global | None, int | None]:
    """The global that an offset counts from, if any, and the constant; ``None`` where it is neither
    a constant, nor a global, nor the sum of both.
    """
    base: Global | None = None
    constant = 0
    parts = [instr for instr in offset.instrs if instr.row.name not in ("i32.add", "i64.add")]
    gets = [instr for instr in parts if instr.row.name == "global.get"]
    consts = [instr for instr in parts if instr.row.name in ("i32.const", "i64.const")]
    sums = len(offset.instrs) - len(parts)
    if len(gets) > 1 or len(consts) > 1 or len(gets) + len(consts) != len(parts):
        return None, None
    if sums != len(parts) - 1:
        return None, None
    for instr in gets:
        base = instr.immediates[0]
    for instr in consts:
        constant = instr.immediates[0]
    return base, constant


class MemoryImage(_Image[Data]):
    """A memory's content after instantiation, by address; see :meth:`Memory.image`."""

    def _all(self) -> Sequence[Data]:
        return list(self.module.data)

    def __getitem__(self, addresses: slice) -> bytes:
        """The bytes at ``image[start:stop]``; zero where no segment puts any. Raises IndexError for
        addresses that aren't in the memory at its smallest, and like :meth:`segments`.
        """
        start, stop = self._range(addresses)
        found = bytearray(stop - start)
        for address, segment in self.segments():
            low, high = max(start, address), min(stop, address + segment.size)
            if low < high:
                found[low - start : high - start] = segment.init[low - address : high - address]
        return bytes(found)

    def __setitem__(self, addresses: slice, data: bytes) -> None:
        """Put bytes to ``image[start:stop]``, as many: into the segments that are there, and what
        no segment covers into new ones. Raises ValueError for another number of bytes, and like
        reading does.
        """
        start, stop = self._range(addresses)
        check_is(data, (bytes, bytearray, memoryview), "bytes")
        if len(data) != stop - start:
            raise ValueError(f"{stop - start} bytes are expected, not {len(data)}")
        uncovered = [(start, stop)]
        # The last segment that covers a byte is the one that counts.
        for address, segment in reversed(list(self.segments())):
            rest = []
            for low, high in uncovered:
                inner = max(low, address), min(high, address + segment.size)
                if inner[0] >= inner[1]:
                    rest.append((low, high))
                    continue
                new = bytearray(segment.init)
                new[inner[0] - address : inner[1] - address] = data[
                    inner[0] - start : inner[1] - start
                ]
                if new != segment.init:
                    segment.init = bytes(new)
                rest += [(low, inner[0]), (inner[1], high)]
            uncovered = [(low, high) for low, high in rest if low < high]
        for low, high in sorted(uncovered):
            new_bytes = data[low - start : high - start]
            if any(new_bytes) or self._place.imported is not None:
                memory = None if self._place.index == 0 else self._place
                added = Data(new_bytes, memory=memory, offset=self._offset(low))
                self.module.add_data(added)

    def _range(self, addresses: slice) -> tuple[int, int]:
        check_is(addresses, slice, "addresses, as in image[16:32],")
        start, stop = addresses.start or 0, addresses.stop
        for bound in (start, stop):
            check_is(bound, (int, type(None)), "an address (int)")
        limits = self._place.type.limits
        page = 16 if limits.page_size_log2 is None else limits.page_size_log2
        size = limits.minimum << page
        if stop is None:
            stop = size
        if addresses.step not in (None, 1):
            raise IndexError("only neighbouring bytes")
        # What counts from a global ends nobody knows where.
        if not 0 <= start <= stop or (self.base is None and stop > size):
            raise IndexError(f"addresses {start:#x} to {stop:#x} of a memory of {size:#x} bytes")
        return start, stop


class TableImage(_Image[Element]):
    """A table's content after instantiation, by slot; see :meth:`Table.image`."""

    def _all(self) -> Sequence[Element]:
        return list(self.module.elements)

    def _found(self, slot: int) -> tuple[Element, int] | None:
        """The last segment that fills a slot, and which of its items does."""
        check_is(slot, int, "a slot (int)")
        size = self._place.type.limits.minimum
        if slot < 0 or (self.base is None and slot >= size):
            raise IndexError(f"slot {slot} of a table of {size}")
        found = None
        for address, segment in self.segments():
            if address <= slot < address + len(segment.items):
                found = segment, slot - address
        return found

    def __getitem__(self, slot: int) -> Function | Const | None:
        """What is put there: a function, or a constant expression; where nothing is, what the table
        is made of, or ``None`` for null. Raises IndexError for a slot that isn't in the table at
        its smallest, and like :meth:`segments`.
        """
        found = self._found(slot)
        if found is not None:
            return found[0].items[found[1]]
        init: Const | None = self._place.init
        return init

    def __setitem__(self, slot: int, item: Function | Const | None) -> None:
        """Put something there: into the segment that fills the slot, or else into a new one.
        ``None`` is null. Raises like reading does.
        """
        found = self._found(slot)
        type_ = self._place.type.element
        if item is None:
            if found is None and self._place.init is None:
                return
            item = Const(self.module, [self.module.instr("ref.null", type_.heap)])
        if found is None:
            table = None if self._place.index == 0 else self._place
            items = [self._expression(item)]
            added = Element(type_, items, table=table, offset=self._offset(slot))
            self.module.add_element(added)
            return
        segment, place = found
        if isinstance(item, Function) != isinstance(segment.items[place], Function):
            # A segment has items of one sort, and expressions say all.
            segment.items = [self._expression(each) for each in segment.items]
            segment.type = type_
            item = self._expression(item)
        segment.items[place] = item

    def _expression(self, item: Function | Const) -> Const:
        if isinstance(item, Const):
            return item
        return Const(self.module, [self.module.instr("ref.func", item)])
