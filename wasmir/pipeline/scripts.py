"""Passes out of Python files that nobody installed.

A file has subclasses of :class:`~wasmir.pipeline.passes.Pass`, or a function ``run(module)``, which
is a pass by the name of the file, or both::

    def run(module):
        for function in module.functions:
            function.name = None
"""

from __future__ import annotations

import copyreg
import dataclasses
import hashlib
import inspect
import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from wasmir.errors import PassError, WasmError
from wasmir.pipeline.options import made
from wasmir.pipeline.passes import Pass, PassReport
from wasmir.pipeline.pipelines import Pipeline

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from wasmir.ir.function import Function
    from wasmir.ir.module import Module

__all__ = ["Script", "explain_failure", "load_script", "script_of"]


@dataclass(frozen=True)
class Script:
    """A Python file with passes."""

    path: str
    #: SHA-256 of the file, in hexadecimal.
    digest: str
    #: In the order in which the file defines them; what ``run`` makes comes last.
    passes: tuple[type[Pass], ...]
    #: Whether there is a function ``run(module)``.
    has_run: bool

    @property
    def pipeline(self) -> Pipeline:
        """What the script means where nobody says which of its passes to run: ``run``, or the only
        one that there is. Raises PassError where it has several.
        """
        if not self.has_run and len(self.passes) > 1:
            names = ", ".join(each.name for each in self.passes)
            raise PassError(f"{self.path} has several passes ({names}): say which to run")
        return Pipeline((made(self.passes[-1], {}),))


# By what they are called as modules.
_loaded: dict[str, Script] = {}


def load_script(path: str | os.PathLike[str]) -> Script:
    """Run a Python file, and see what passes it has. Raises OSError, and PassError where the file
    can't be run or has none.
    """
    source = Path(path).read_bytes()
    digest = hashlib.sha256(source).hexdigest()
    place = str(Path(path).resolve())
    # Dataclasses and pickles look modules up by their names.
    name = f"wasmir_script_{hashlib.sha256(f'{place}{digest}'.encode()).hexdigest()[:16]}"
    known = _loaded.get(name)
    if known is not None:
        return known
    module = sys.modules[name] = ModuleType(name)
    module.__file__ = place
    try:
        # It is the user's own, and loading it in any other way would leave a folder beside it.
        exec(compile(source, place, "exec", dont_inherit=True), vars(module))  # noqa: S102
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PassError(f"{path} can't be loaded: {_told(error)}{_frame(error, place)}") from error
    passes = [_checked(each, path) for each in _classes(module)]
    run = getattr(module, "run", None)
    if callable(run):
        passes.append(_pass_of(run, Path(path).stem, name))
    if not passes:
        raise PassError(f"{path} has neither a subclass of wasmir.Pass nor run(module)")
    names = [each.name for each in passes]
    for each in names:
        if names.count(each) > 1:
            raise PassError(f"{path} has two passes that are called {each!r}")
    for class_ in passes:
        # Other processes, which didn't load the file, get passes with where they come from.
        copyreg.pickle(class_, _reduced)
    found = _loaded[name] = Script(str(path), digest, tuple(passes), has_run=callable(run))
    return found


def script_of(pass_: Pass) -> Script | None:
    """The script that a pass came from."""
    return _loaded.get(type(pass_).__module__)


def _classes(module: ModuleType) -> list[type[Pass]]:
    """The passes that a module defines: not those that it imports, nor those that are there for
    others to build upon.
    """
    found = [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type)
        and issubclass(thing, Pass)
        and thing.__module__ == module.__name__
        and not inspect.isabstract(thing)
    ]
    return list(dict.fromkeys(found))


def _checked(class_: type[Pass], path: str | os.PathLike[str]) -> type[Pass]:
    if not hasattr(class_, "__dataclass_fields__"):
        raise PassError(f"{path}: {class_.__name__} lacks @dataclass(frozen=True)")
    if not hasattr(class_, "name"):
        raise PassError(f"{path}: {class_.__name__} lacks a name: ClassVar[str]")
    return class_


def _pass_of(run: Callable[[Module], object], stem: str, home: str) -> type[Pass]:
    """The pass that a function is."""

    def do(self: Pass, module: Module) -> PassReport:
        before = {each: each.code for each in module.functions if not each.is_raw}
        report = run(module)
        if report is None:
            return PassReport(self.name, functions=_changed(module, before))
        if not isinstance(report, PassReport):
            raise PassError(f"run(module) gives a PassReport or nothing, not {report!r}")
        return report

    # As pipelines can spell it.
    name = re.sub(r"[^A-Za-z0-9.]+", "-", stem)
    class_ = type(
        "run", (Pass,), {"name": name, "run": do, "__module__": home, "__doc__": run.__doc__}
    )
    return dataclass(frozen=True)(class_)


def _changed(module: Module, before: dict[Function, bytes]) -> int:
    """How many functions have other code than before."""
    source = module.source
    count = 0
    for each in module.functions:
        if each.imported is None and not each.is_raw:
            code = before.get(each)
            count += each.code != (source[each._start : each._end] if code is None else code)
    return count


def _reduced(pass_: Pass) -> tuple[Callable[..., Pass], tuple[Any, ...]]:
    script = _loaded[type(pass_).__module__]
    options = (each for each in dataclasses.fields(cast("Any", pass_)) if each.init)
    values = {each.name: getattr(pass_, each.name) for each in options}
    path = sys.modules[type(pass_).__module__].__file__
    return _restored, (path, script.digest, pass_.name, values)


def _restored(path: str, digest: str, name: str, values: dict[str, Any]) -> Pass:
    script = load_script(path)
    if script.digest != digest:
        raise PassError(f"{path} has changed since the run began")
    return next(each for each in script.passes if each.name == name)(**values)


# What went wrong


def explain_failure(error: BaseException) -> str:
    """What to tell of an exception that came out of a pass: of one out of a script, where in it."""
    frame = _frame(error, None)
    if isinstance(error, WasmError):
        return f"{error}{frame}"
    return f"{_told(error)}{frame}"


def _told(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _frame(error: BaseException, script: str | None) -> str:
    """The last frame that is in a script, in parentheses; of what isn't about a module, the last of
    all where none is.
    """
    if isinstance(error, SyntaxError) and error.filename == script:
        return _place(script or "", error.lineno, None, error.text)
    scripts = {script} if script else {sys.modules[each].__file__ for each in _loaded}
    frames = traceback.extract_tb(error.__traceback__)
    inside = [each for each in frames if each.filename in scripts]
    if not inside and (isinstance(error, WasmError) or not frames):
        return ""
    last = inside[-1] if inside else frames[-1]
    return _place(last.filename, last.lineno, last.name, last.line)


def _place(path: str, number: int | None, function: str | None, line: str | None) -> str:
    where = f"{Path(path).name}, line {number}"
    if function is not None and function != "<module>":
        where += f", in {function}"
    return f" ({where}: {line.strip()})" if line and line.strip() else f" ({where})"
