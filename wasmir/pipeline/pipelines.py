"""Running passes in order."""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from wasmir.errors import PassError
from wasmir.ir.checks import check_is, check_module, each_is
from wasmir.pipeline.passes import Pass, PassReport, find_pass, is_built_in, track, use_cores
from wasmir.suggest import suggestion

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from wasmir.ir.encoded import Encoded
    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = ["Mapped", "Pipeline", "Verify"]


@dataclass
class Mapped:
    """What became of one file of many."""

    file: str
    output: str
    reports: list[PassReport] = field(default_factory=list)
    #: What was wrong with it; nothing was written then.
    error: str | None = None
    #: Whether an earlier run had made the output, from the same bytes by the same passes.
    skipped: bool = False


class Verify(Enum):
    """After which passes a pipeline checks what they did."""

    NEVER = "after none"
    THIRD_PARTY = "after those that aren't built in"
    END = "after those, and after the last"
    EACH = "after each"

    def wants(self, pass_: Pass, *, last: bool) -> bool:
        """Whether to check after a pass."""
        if self is Verify.NEVER or self is Verify.EACH:
            return self is Verify.EACH
        return not is_built_in(pass_) or (last and self is Verify.END)


class _Verified:
    """What has been found valid, so that it isn't checked again until it changes."""

    def __init__(self) -> None:
        self._code: dict[Function, bytes] = {}

    def check(self, module: Module, pass_: Pass, jobs: int) -> None:
        """Check what was edited since. Raises InvalidError, which names the pass."""
        edited = {function: function.code for function in module.edited_functions}
        new = [each for each, code in edited.items() if self._code.get(each) != code]
        shown = partial(track, what="verifying")
        for error in module.find_errors(only=new, jobs=jobs, track=shown):
            error.reason = f"invalid after pass {pass_.name!r}: {error.reason}"
            raise error
        self._code = edited


def _finder(passes: Iterable[type[Pass]]) -> Callable[[str], type[Pass]]:
    return partial(find_pass, more={each.name: each for each in passes})


@dataclass(frozen=True)
class Pipeline:
    """Passes in order."""

    passes: tuple[Pass, ...] = ()

    def __post_init__(self) -> None:
        each_is(self.passes, Pass, "a pass")

    @classmethod
    def parse(cls, text: str, *, passes: Iterable[type[Pass]] = ()) -> Pipeline:
        """A pipeline from its text. ``passes`` are known beside those that are built in and those
        of installed packages. Raises PassError, which says what would have been right.
        """
        from wasmir.pipeline.text import parse

        check_is(text, str, "the text of a pipeline")
        return cls(tuple(parse(text, _finder(passes))))

    @classmethod
    def from_toml(
        cls, text: str, *, passes: Iterable[type[Pass]] = (), source: str = "pipeline"
    ) -> Pipeline:
        """A pipeline from TOML: a table ``[[pass]]`` for each pass, with its ``name`` and its
        options. Messages call it by its ``source``. Raises like :meth:`parse`.
        """
        from wasmir.pipeline.toml import parse

        check_is(text, str, "the text of a pipeline")
        return cls(tuple(parse(text, _finder(passes), source)))

    @classmethod
    def from_file(
        cls, path: str | os.PathLike[str], *, passes: Iterable[type[Pass]] = ()
    ) -> Pipeline:
        """Like :meth:`from_toml`, from a file. Raises OSError, too."""
        try:
            text = Path(path).read_bytes().decode()
        except UnicodeDecodeError as error:
            raise PassError(f"{path} is no TOML: it isn't UTF-8 at byte {error.start}") from None
        return cls.from_toml(text, passes=passes, source=str(path))

    def until(self, last: str) -> Pipeline:
        """The passes up to the first of that name, or up to that place, counted from 1. Raises
        PassError where there is none.
        """
        names = [each.name for each in self.passes]
        if last in names:
            return Pipeline(self.passes[: names.index(last) + 1])
        if last.isdecimal() and 0 < int(last) <= len(names):
            return Pipeline(self.passes[: int(last)])
        hint = suggestion(last, names, listed=True)
        raise PassError(f"there is no pass {last!r} to stop after{hint}")

    def run(
        self,
        module: Module,
        *,
        on_pass: Callable[[PassReport], None] | None = None,
        verify: Verify = Verify.THIRD_PARTY,
        jobs: int = 1,
    ) -> list[PassReport]:
        """Run the passes. At the first failure the module is as it was before the first pass.

        ``on_pass`` hears of each pass when it is done. ``verify`` says after which passes the
        functions that were edited must be valid, and all that is outside of functions; it is a
        failure where they aren't (InvalidError). ``jobs`` is how many processes may share the
        work, where processes can fork: what comes out is the same.
        """
        return self.run_and_encode(module, on_pass=on_pass, verify=verify, jobs=jobs)[0]

    def run_and_encode(
        self,
        module: Module,
        *,
        on_pass: Callable[[PassReport], None] | None = None,
        verify: Verify = Verify.THIRD_PARTY,
        jobs: int = 1,
    ) -> tuple[list[PassReport], Encoded]:
        """Like :meth:`run`, with the module as it is written then: the reports are about that, so
        it is there anyway.
        """
        check_module(module)
        check_is(verify, Verify, "one of Verify")
        encoded = module.encode()
        if not self.passes:
            return [], encoded
        checkpoint = module.checkpoint()
        reports = []
        verified = _Verified()
        try:
            for pass_ in self.passes:
                start = time.perf_counter()
                with use_cores(jobs):
                    report = pass_.run(module)
                report.seconds = time.perf_counter() - start
                report.bytes_in = encoded.size
                encoded = module.encode()
                report.bytes_out = encoded.size
                report.stale = encoded.stale
                reports.append(report)
                if verify.wants(pass_, last=pass_ is self.passes[-1]):
                    verified.check(module, pass_, jobs)
                if on_pass is not None:
                    on_pass(report)
        except BaseException:
            module.rollback(checkpoint)
            raise
        return reports, encoded

    def map(
        self,
        files: Iterable[str | os.PathLike[str]],
        folder: str | os.PathLike[str],
        executor: Executor | None = None,
        *,
        verify: Verify = Verify.THIRD_PARTY,
    ) -> Iterator[Mapped]:
        """Run the passes on many files, and write what comes out to a folder under the files'
        names; what became of each, in the files' order.

        The work is given to the executor (by default processes, one for each core): any of
        ``concurrent.futures``, or one that looks like them, as ``distributed.Client.get_executor``
        gives. Files are read and written where it works, so it needs the same file system. A module
        that can't be processed fails alone, and nothing of it is written. What is done is noted in
        ``wasmir-run.jsonl`` in the folder: another run with the same passes, by the same version of
        wasmir, leaves out what was made from the same bytes and is still there.

        Raises ValueError, before anything is done, where two files have one name, or where an
        output would replace its input; OSError where the folder can't be written to.
        """
        # It stands above: it runs pipelines.
        fleet = importlib.import_module("wasmir.fleet")
        return cast("Iterator[Mapped]", fleet.map_files(self, files, folder, executor, verify))

    def __str__(self) -> str:
        return ",".join(map(str, self.passes))
