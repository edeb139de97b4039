"""What somebody may have meant who wrote a name that there isn't."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["suggestion"]

_LISTED = 24
"""So many names are listed where none comes near."""


def suggestion(text: str, known: Iterable[str], *, listed: bool = False) -> str:
    """``"; did you mean 'name'?"``, to be put behind what is wrong with ``text``; empty where no
    known name comes near, or, if so asked, with all that is ``listed``.
    """
    from difflib import get_close_matches

    names = sorted(set(known))
    # What comes near but for the case is meant, however short it is.
    folded = {name.casefold(): name for name in reversed(names)}
    same = folded.get(text.casefold())
    near = [same] if same is not None else get_close_matches(text, names, 1)
    if near:
        return f"; did you mean {near[0]!r}?"
    if not listed:
        return ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"; there are: {', '.join(names[:_LISTED]) or 'none'}{more}"
