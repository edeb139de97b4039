"""Options of passes, however they are written: the fields of dataclasses."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin, get_type_hints

from wasmir.errors import PassError
from wasmir.suggest import suggestion

if TYPE_CHECKING:
    from wasmir.pipeline.passes import Pass

__all__ = ["from_text", "from_value", "is_flag", "known_option", "made"]


def known_option(class_: type[Pass], name: str) -> str:
    """The option's name, as Python spells it. Raises PassError with what comes near."""
    spelled = name.replace("-", "_")
    known = sorted(option.name for option in dataclasses.fields(cast("Any", class_)) if option.init)
    if spelled not in known:
        hint = suggestion(spelled, known) or f"; it has: {', '.join(known) or 'none'}"
        raise PassError(f"pass {class_.name!r} has no option {spelled!r}{hint}")
    return spelled


def is_flag(class_: type[Pass], name: str) -> bool:
    """Whether the option is true or false."""
    return _type(class_, name) is bool


def from_text(class_: type[Pass], name: str, text: str) -> Any:
    """What a word or a quoted text means for an option. Raises PassError where it is nothing."""
    wanted = _type(class_, name)
    if wanted is bool:
        if text not in ("true", "false"):
            raise _mismatch(name, "true or false", text)
        return text == "true"
    if wanted in (int, float):
        try:
            return int(text, 0) if wanted is int else float(text)
        except ValueError:
            raise _mismatch(name, "a number", text) from None
    return _chosen(name, wanted, text)


def from_value(class_: type[Pass], name: str, value: object) -> Any:
    """What a value of TOML means for an option. Raises PassError where it is of another type."""
    wanted = _type(class_, name)
    if wanted is bool:
        if not isinstance(value, bool):
            raise _mismatch(name, "true or false", value)
        return value
    if wanted in (int, float):
        taken = int if wanted is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, taken):
            raise _mismatch(name, "a number", value)
        return wanted(value)
    if not isinstance(value, str):
        raise _mismatch(name, "a text in quotes", value)
    return _chosen(name, wanted, value)


def made(class_: type[Pass], values: dict[str, Any]) -> Pass:
    """The pass with these options. Raises PassError where it doesn't take them."""
    try:
        return class_(**values)
    except (TypeError, ValueError) as error:
        raise PassError(f"pass {class_.name!r}: {error}") from error


def _type(class_: type[Pass], name: str) -> Any:
    return get_type_hints(class_)[name]


def _chosen(name: str, wanted: Any, text: str) -> str:
    """A text, which a ``Literal`` has to list."""
    choices = get_args(wanted) if get_origin(wanted) is Literal else ()
    if choices and text not in choices:
        known = [each for each in choices if isinstance(each, str)]
        raise _mismatch(name, f"one of {', '.join(known)}", text, suggestion(text, known))
    return text


def _mismatch(name: str, wanted: str, found: object, hint: str = "") -> PassError:
    return PassError(f"option {name!r} is {wanted}, not {found!r}{hint}")
