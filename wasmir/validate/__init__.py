"""The validator: whether a module is valid, and if not, why and where.

:mod:`~wasmir.validate.whole` is how it is asked. :mod:`~wasmir.validate.module` checks what is
outside of functions, :mod:`~wasmir.validate.code` bodies, with a rule for each instruction whose
type isn't plain (:mod:`~wasmir.validate.rules`, :mod:`~wasmir.validate.control`), on operand stacks
(:mod:`~wasmir.validate.stack`) of types that :mod:`~wasmir.validate.subtyping` compares.
"""

from __future__ import annotations

from wasmir.validate.subtyping import value_matches
from wasmir.validate.whole import find_errors

__all__ = ["find_errors", "value_matches"]
