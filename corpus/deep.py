"""Writes ``legacy-deep``: legacy exceptions under more than 128 labels, so depths take two bytes.

A converter adds blocks around a try, so a depth near 128 on either side makes a LEB grow; and code
that recurses over the nesting would not survive the last function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["text"]

_HEAD = """\
(module $deep
  (import "env" "log" (func $log (param i32)))
  (import "env" "throw_js" (func $throw_js (param i32)))
  (tag $e0 (export "e0"))
  (tag $e1 (export "e1") (param i32))
  (func $raise (export "raise") (param $n i32) (result i32)
    block $js
      block $e1
        block $e0
          block $none
            local.get $n
            br_table $none $e0 $e1 $js $none
          end
          local.get $n
          return
        end
        throw $e0
      end
      i32.const 11
      throw $e1
    end
    local.get $n
    call $throw_js
    unreachable)
"""


def text() -> str:
    """The module, in the text format."""
    parts = [_HEAD]
    for depth in (120, 126, 127, 128, 129, 300):
        parts += [_branches(depth), _rethrow(depth), _delegate(depth)]
    parts += [_try_tower(200), _handler_tower(60), _blocks(2500)]
    return "".join(parts) + ")\n"


def _function(name: str, body: Iterator[str]) -> str:
    code = "\n".join(f"    {line}" for line in body)
    return f'  (func (export "{name}") (param $n i32) (param $m i32) (result i32)\n{code})\n'


def _branches(depth: int) -> str:
    """Branches from a body and from a handler over ``depth`` blocks."""

    def body() -> Iterator[str]:
        yield "block $far (result i32)"
        yield from ["block"] * depth
        yield "try (result i32) local.get $n call $raise local.get $m br_if $far"
        yield "catch $e1 local.get $m br_if $far local.get $m i32.const 1 i32.add"
        yield f"br_table $far {depth + 1} $far"
        yield "catch_all i32.const 5 br $far end"
        yield "drop"
        yield from ["end"] * depth
        yield "i32.const 6 end"

    return _function(f"branches_{depth}", body())


def _rethrow(depth: int) -> str:
    """The exception of a handler, thrown again from under ``depth`` blocks in it."""

    def body() -> Iterator[str]:
        yield "try (result i32) local.get $n call $raise"
        yield "catch_all"
        yield from ["block"] * depth
        yield f"local.get $m br_if {depth // 2} rethrow {depth}"
        yield from ["end"] * depth
        yield "i32.const 7 end"

    return _function(f"rethrow_{depth}", body())


def _delegate(depth: int) -> str:
    """A delegate over ``depth`` blocks and a catch_all, to an outer try."""

    def body() -> Iterator[str]:
        yield "try $outer (result i32)"
        yield "try $inner (result i32)"
        yield from ["block"] * depth
        yield "try local.get $n call $raise local.get $m i32.add call $log delegate $outer"
        yield from ["end"] * depth
        yield "i32.const 8"
        yield "catch_all i32.const 100 end"
        yield "catch $e1 i32.const 9 i32.add end"

    return _function(f"delegate_{depth}", body())


def _try_tower(depth: int) -> str:
    """``depth`` trys in one another's bodies, each with a cleanup; some leave by a delegate."""

    def body() -> Iterator[str]:
        for level in range(depth):
            yield f"try $t{level} (result i32)"
        yield "local.get $n call $raise"
        for level in reversed(range(depth)):
            if level % 7 == 3:
                yield f"delegate $t{level - 2}"
            elif level % 5 == 4:
                yield f"catch $e1 i32.const {level} i32.add local.get $m br_if $t{level // 2}"
                yield "drop rethrow 0 end"
            else:
                yield f"catch_all i32.const {level} call $log rethrow 0 end"

    return _function("try_tower", body())


def _handler_tower(depth: int) -> str:
    """``depth`` trys in one another's handlers: as many exceptions alive, one of them goes on."""

    def body() -> Iterator[str]:
        for level in range(depth):
            yield f"try (result i32) local.get $n i32.const {level % 2} i32.add call $raise"
            yield "catch_all"
        for level in (0, 1, depth // 2, depth - 1):
            yield f"local.get $m i32.const {level} i32.eq if rethrow {level + 1} end"
        yield "i32.const 10"
        yield from ["end"] * depth

    return _function("handler_tower", body())


def _blocks(depth: int) -> str:
    """A try under more blocks than a recursive traversal would survive."""

    def body() -> Iterator[str]:
        yield "block $far (result i32)"
        yield from ["block"] * depth
        yield "try (result i32) local.get $n call $raise catch_all local.get $m br_if $far_end"
        yield "rethrow 0 end br $far"
        yield from ["end"] * depth
        yield "i32.const 11 end"

    return _function("blocks", (line.replace("$far_end", str(depth)) for line in body()))
