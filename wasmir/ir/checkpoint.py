"""Undoing what was done to a module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wasmir.ir.imports import ExternKind

if TYPE_CHECKING:
    from wasmir.ir.module import Module

__all__ = ["Checkpoint"]


class Checkpoint:
    """What :meth:`Module.checkpoint` remembers: all that can be changed, but for the code of
    functions that are raw, which is the input's.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self._spaces = {name: space._snapshot() for name, space in module._spaces.items()}
        # Functions are many; what can change of them is noted where it does.
        self._states = [
            (entity, entity._state())
            for name, space in module._spaces.items()
            if name != "func"
            for entity in space._numbered
        ]
        self._code = [function._code for function in _functions(module)]
        self._retyped = [(each, each.type, before) for each, before in module._retyped.items()]
        self._imports = [(each, each._state()) for each in module._imports or ()]
        self._exports = [(each, each._state()) for each in module._exports or ()]
        self._read = module._imports is not None, module._exports is not None
        self._start = module._start, module._start_is_read
        self._flags = module._data_counted, module._takes_references
        self._names = None if module._names is None else module._names._snapshot()
        self._sections = list(module.sections)
        tracking = module._tracking
        self._tracking = tracking, {} if tracking is None else dict(tracking.moves)
        self._customs = [(custom, custom._data) for custom in module.customs]

    def restore(self, module: Module) -> None:
        """Make the module what it was."""
        self._restore_functions(module)
        for name, space in module._spaces.items():
            space._go_back(*self._spaces.get(name, (None,)))
        for entity, state in self._states:
            entity._restore(state)
        if module._imports is not None:
            if self._read[0]:
                module._imports._items[:] = [import_ for import_, _ in self._imports]
                for import_, state in self._imports:
                    import_._restore(state)
            else:
                # Read since. The spaces that were, too, keep what it holds.
                module._imports._go_back()
            _restore_imported(module)
        if module._exports is not None:
            module._exports._items[:] = [export for export, _ in self._exports]
            for export, state in self._exports:
                export._restore(state)
            if not self._read[1]:
                module._exports = None
        module._start, module._start_is_read = self._start
        module._data_counted, module._takes_references = self._flags
        module._names = self._names
        module.sections = self._sections
        for custom, data in self._customs:
            custom._data = data
        tracking, moves = self._tracking
        if tracking is not None:
            module._tracking = tracking
        if module._tracking is not None:
            module._tracking.moves = moves
        # These may hold what is gone.
        module._block_types.clear()
        module._by_func_type.clear()
        module._note_func_types()
        module._memo = None
        module._instrs.clear()

    def _restore_functions(self, module: Module) -> None:
        functions = _functions(module)
        # Functions that were read since have no code of their own to go back to.
        code = self._code + [None] * (len(functions) - len(self._code))
        for function, kept in zip(functions, code, strict=True):
            function.close()
            function._code = kept
        for function, before in module._retyped.items():
            function._type = before
        module._retyped.clear()
        for function, type_, before in self._retyped:
            function._type = type_
            module._retyped[function] = before


def _restore_imported(module: Module) -> None:
    """What is imported is what imports are of."""
    known = {import_.entity: import_ for import_ in module._imports or ()}
    for kind in ExternKind:
        space = module._spaces.get(kind.space)
        for entity in () if space is None else space._numbered:
            entity.imported = known.get(entity)


def _functions(module: Module) -> list[Any]:
    """All there ever were."""
    return module._spaces["func"]._numbered if "func" in module._spaces else []
