"""Constructors for every instruction of the table, by mnemonic.

::

    from wasmir import ops

    block = ops.block()
    block.items += [
        ops.local.get(0),
        ops.i32.load(offset=8),
        ops.br_if(block),
        ops.call(function),
    ]

Straight-line instructions come as :class:`~wasmir.ir.code.Instr`, branches and structured ones as
nodes. Immediates go by position, in the order of the table, or by the names that it gives them.
What isn't possible raises TypeError or ValueError, with the instruction and the immediate named.

* Dots are dots: ``ops.i32.atomic.rmw.add()``. Python's keywords have an underscore behind them:
  ``ops.if_``, ``ops.try_``, ``ops.return_``, ``ops.i32.and_``, ``ops.global_.get``. Where WAT has
  one name for two opcodes, the second says what it is about: ``ops.select_t``,
  ``ops.ref.test_null``, ``ops.ref.cast_null``.
* Functions, tags, globals, types, ... stand as objects, labels as the block (or body) that is
  branched to; locals, lanes and fields are integers. A memory or table that isn't given is ``0``,
  the first that the module had when it was read.
* ``i32.const`` and ``i64.const`` take signed and unsigned numbers. ``f32.const`` and ``f64.const``
  take a float, or any bit pattern: ``ops.f32.const(bits=0x7fa00000)``.
* Memory accesses have ``offset``, ``align`` (in bytes, by default the natural alignment) and
  ``memory``, by keyword.
* Block types are ``None``, a value type, or for all others ``module.block_type(params, results)``.
* ``else``, ``catch``, ``delegate`` and ``end`` are no instructions of their own here:
  ``ops.if_(type, items, else_items)``, ``ops.try_(type, items, catches, delegate)``.

All but blocks are methods of builders, too, which append what they make: :meth:`Module.build`.

Their types are in the stub beside this file, which ``python -m wasmir.isa.stub`` makes.
"""

from __future__ import annotations

from wasmir.ir.construct import namespaces as _namespaces

globals().update(_namespaces())
