"""Makes the choices of a failing case few and small, as long as it fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.differential.choices import Case

__all__ = ["minimised"]


def minimised(case: Case, fails: Callable[[Case], bool], tries: int = 3000) -> Case:
    """A case that fails, too, from which nothing can be taken, or what so many tries find."""
    search = _Search(case, fails, tries)
    before = None
    while before != search.case and search.tries > 0:
        before = search.case
        search.round()
    return search.case


class _Search:
    def __init__(self, case: Case, fails: Callable[[Case], bool], tries: int) -> None:
        self.case = case
        self.fails = fails
        self.tries = tries

    def better(self, case: Case) -> bool:
        """Take the case, if it fails."""
        if case == self.case or self.tries <= 0:
            return False
        self.tries -= 1
        if self.fails(case):
            self.case = case
            return True
        return False

    def round(self) -> None:
        """Big steps first."""
        self.better(replace(self.case, module=b""))
        number = 0
        while number < len(self.case.functions) > 1:
            functions = self.case.functions
            if not self.better(
                replace(self.case, functions=functions[:number] + functions[number + 1 :])
            ):
                number += 1
        for number in range(len(self.case.functions)):
            self.parts(number, b"")
            self.parts(number, None)
            for at in range(len(self.case.functions[number])):
                self.lower(number, at)

    def function(self, number: int, data: bytes) -> bool:
        functions = self.case.functions
        return self.better(
            replace(self.case, functions=(*functions[:number], data, *functions[number + 1 :]))
        )

    def parts(self, number: int, instead: bytes | None) -> None:
        """Leave parts of a function's choices out, or make them zero."""
        size = len(self.case.functions[number])
        while size:
            at = 0
            while at < len(data := self.case.functions[number]):
                part = data[at : at + size]
                other = bytes(len(part)) if instead is None else instead
                shorter = self.function(number, data[:at] + other + data[at + size :])
                if not shorter or other:
                    at += size
            size //= 2

    def lower(self, number: int, at: int) -> None:
        """Make one choice smaller."""
        step = 128
        while step:
            data = self.case.functions[number]
            if at >= len(data):
                return
            if data[at] < step or not self.function(
                number, data[:at] + bytes([data[at] - step]) + data[at + 1 :]
            ):
                step //= 2
