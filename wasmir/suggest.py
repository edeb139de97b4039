"""What somebody may have meant who wrote a name that there isn't."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["suggestion"]

_LISTED = 24
"""So many names are listed where none comes near."""


def suggestion(text: str, known: Iterable[str], *, most: int = 1, listed: bool = False) -> str:
    """``"; did you mean 'name'?"``, to be put behind what is wrong with ``text``, with the ``most``
    names that come near; empty where no known name does, or, if so asked, with all that is
    ``listed``.
    """
    from difflib import get_close_matches

    names = sorted(set(known))
    # What comes near but for the case is meant, however short it is.
    folded = {name.casefold(): name for name in reversed(names)}
    same = folded.get(text.casefold())
    near = [same] if same is not None else get_close_matches(text, names, most)
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    if not listed:
        return ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"; there are: {', '.join(names[:_LISTED]) or 'none'}{more}"
