"""What legacy-to-exnref makes of small functions, rule by rule.

The functions stand in a module whose functions $f and $g are [] -> [], $v is [] -> [i32], and whose
tags $e and $d carry nothing, $i an i32, $p an i32 and an i64.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["GOLDENS", "MODULE", "Golden"]

MODULE = """(module
  (import "m" "f" (func $f)) (import "m" "g" (func $g)) (import "m" "v" (func $v (result i32)))
  (tag $e) (tag $i (param i32)) (tag $p (param i32 i64)) (tag $d)
  (func {}))"""


@dataclass(frozen=True)
class Golden:
    """``without`` has what comes out with one option off, where that makes a difference."""

    before: str
    after: str
    without: dict[str, str] = field(default_factory=dict)


GOLDENS: dict[str, Golden] = {
    "baseline": Golden(
        (
            "try (result i32) i32.const 1 call $f catch $i i32.const 2 i32.add catch_all "
            "i32.const 3 end drop"
        ),
        """
        block (result i32)
          block (result i32)
            block
              try_table (result i32) (catch $i 1) (catch_all 0)
                i32.const 1 call $f
              end
              br 2
            end
            i32.const 3 br 1
          end
          i32.const 2 i32.add
        end
        drop
        """,
        {
            "order": """
            block (result i32)
              block
                block (result i32)
                  try_table (result i32) (catch $i 0) (catch_all 1)
                    i32.const 1 call $f
                  end
                  br 2
                end
                i32.const 2 i32.add br 1
              end
              i32.const 3
            end
            drop
            """,
        },
    ),
    "parameters and a payload of two": Golden(
        (
            "i32.const 7 try (param i32) (result i32) call $f catch $p i32.wrap_i64 i32.add "
            "catch_all i32.const 3 end drop"
        ),
        """
        i32.const 7
        block (param i32) (result i32)
          block (param i32) (result i32 i64)
            block (param i32)
              try_table (param i32) (result i32) (catch $p 1) (catch_all 0)
                call $f
              end
              br 2
            end
            i32.const 3 br 1
          end
          i32.wrap_i64 i32.add
        end
        drop
        """,
        {
            "order": """
            i32.const 7
            block (param i32) (result i32)
              block (param i32)
                block (param i32) (result i32 i64)
                  try_table (param i32) (result i32) (catch $p 0) (catch_all 1)
                    call $f
                  end
                  br 2
                end
                i32.wrap_i64 i32.add br 1
              end
              i32.const 3
            end
            drop
            """,
        },
    ),
    "no handlers, with a branch to the label": Golden(
        "try $t call $f br $t end call $g",
        """
        block
          call $f br 0
        end
        call $g
        """,
    ),
    "no handlers": Golden(
        "try call $f end call $g",
        """
        call $f call $g
        """,
    ),
    "local: a rethrow that isn't the end": Golden(
        ("(local i32) try call $f catch $i local.set 0 local.get 0 if rethrow 1 end end call $g"),
        """
        (local i32 exnref)
        block
          block (result i32 exnref)
            try_table (catch_ref $i 0)
              call $f
            end
            br 1
          end
          local.set 1 local.set 0 local.get 0
          if
            local.get 1 throw_ref
          end
        end
        call $g
        """,
    ),
    "local: a rethrow in what a handler ends in": Golden(
        "(param i32) try call $f catch_all local.get 0 if rethrow 1 end end call $g",
        """
        (param i32) (local exnref)
        block
          block (result exnref)
            try_table (catch_all_ref 0)
              call $f
            end
            br 1
          end
          local.set 1 local.get 0
          if
            local.get 1 throw_ref
          end
        end
        call $g
        """,
    ),
    "local: one for each handler that is active": Golden(
        (
            "(param i32) try call $f catch_all try call $g catch_all local.get 0 if rethrow 1 "
            "else rethrow 2 end end call $f rethrow 0 end call $g"
        ),
        """
        (param i32) (local exnref exnref)
        block (result exnref)
          try_table (catch_all_ref 0)
            call $f
          end
          call $g return
        end
        local.set 1
        block
          block (result exnref)
            try_table (catch_all_ref 0)
              call $g
            end
            br 1
          end
          local.set 2 local.get 0
          if
            local.get 2 throw_ref
          else
            local.get 1 throw_ref
          end
        end
        call $f local.get 1 throw_ref
        """,
        {
            "hoist": """
            (param i32) (local exnref exnref)
            block
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                br 1
              end
              local.set 1
              block
                block (result exnref)
                  try_table (catch_all_ref 0)
                    call $g
                  end
                  br 1
                end
                local.set 2 local.get 0
                if
                  local.get 2 throw_ref
                else
                  local.get 1 throw_ref
                end
              end
              call $f local.get 1 throw_ref
            end
            call $g
            """,
        },
    ),
    "local: handlers of one try share it": Golden(
        (
            "try call $f catch $e i32.const 0 if rethrow 1 end catch $d i32.const 0 if "
            "rethrow 1 end end call $g"
        ),
        """
        (local exnref)
        block
          block (result exnref)
            try_table (catch_ref $e 0) (catch_ref $d 0)
              call $f
            end
            br 1
          end
          local.set 0 i32.const 0
          if
            local.get 0 throw_ref
          end
        end
        call $g
        """,
        {
            "share": """
            (local exnref)
            block
              block (result exnref)
                block (result exnref)
                  try_table (catch_ref $e 1) (catch_ref $d 0)
                    call $f
                  end
                  br 2
                end
                local.set 0 i32.const 0
                if
                  local.get 0 throw_ref
                end
                br 1
              end
              local.set 0 i32.const 0
              if
                local.get 0 throw_ref
              end
            end
            call $g
            """,
        },
    ),
    "stack": Golden(
        "try call $f catch_all call $g rethrow 0 end call $f",
        """
        block (result exnref)
          try_table (catch_all_ref 0)
            call $f
          end
          call $f return
        end
        call $g throw_ref
        """,
        {
            "stack": """
            (local exnref)
            block (result exnref)
              try_table (catch_all_ref 0)
                call $f
              end
              call $f return
            end
            local.set 0 call $g local.get 0 throw_ref
            """,
            "hoist": """
            block
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                br 1
              end
              call $g throw_ref
            end
            call $f
            """,
        },
    ),
    "stack, with operands above the exception": Golden(
        "try call $f catch_all call $v call $v rethrow 0 end call $f",
        """
        block (result exnref)
          try_table (catch_all_ref 0)
            call $f
          end
          call $f return
        end
        call $v call $v drop drop throw_ref
        """,
        {
            "stack": """
            (local exnref)
            block (result exnref)
              try_table (catch_all_ref 0)
                call $f
              end
              call $f return
            end
            local.set 0 call $v call $v local.get 0 throw_ref
            """,
            "hoist": """
            block
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                br 1
              end
              call $v call $v drop drop throw_ref
            end
            call $f
            """,
        },
    ),
    "stack: dropping more would cost more than a local": Golden(
        "try call $f catch_all call $v call $v call $v call $v rethrow 0 end call $f",
        """
        (local exnref)
        block (result exnref)
          try_table (catch_all_ref 0)
            call $f
          end
          call $f return
        end
        local.set 0 call $v call $v call $v call $v local.get 0 throw_ref
        """,
        {
            "hoist": """
            (local exnref)
            block
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                br 1
              end
              local.set 0 call $v call $v call $v call $v local.get 0 throw_ref
            end
            call $f
            """,
        },
    ),
    "delegate (a): nothing in between matters": Golden(
        "try try call $f delegate 0 catch_all call $g end call $g",
        """
        block
          block
            try_table (catch_all 0)
              call $f
            end
            br 1
          end
          call $g
        end
        call $g
        """,
    ),
    "delegate (b): straight to the target's handler": Golden(
        (
            "try $o try $m try call $f delegate $o catch $i drop call $g end catch_all call $f "
            "end call $g"
        ),
        """
        block
          block
            try_table (catch_all 0)
              block (result i32)
                try_table (catch $i 0)
                  try_table (catch_all 3)
                    call $f
                  end
                end
                br 3
              end
              drop call $g
            end
            br 1
          end
          call $f
        end
        call $g
        """,
        {
            "elide": """
            block
              block
                try_table (catch_all 0)
                  block
                    block (result i32)
                      try_table (catch $i 0)
                        try_table (catch_all 4)
                          call $f
                        end
                      end
                      br 1
                    end
                    drop call $g
                  end
                end
                br 1
              end
              call $f
            end
            call $g
            """,
        },
    ),
    "delegate (c): out of the function": Golden(
        "try try call $f delegate 1 catch_all call $g end call $f",
        """
        block (result exnref)
          block
            block
              try_table (catch_all 0)
                try_table (catch_all_ref 3)
                  call $f
                end
              end
              br 1
            end
            call $g
          end
          call $f return
        end
        throw_ref
        """,
    ),
    "delegate (c), with results": Golden(
        (
            "(result i32) try (result i32) try (result i32) call $v delegate 1 catch_all "
            "i32.const 1 end i32.const 1 i32.add"
        ),
        """
        (result i32)
        block (result exnref)
          block (result i32)
            block
              try_table (result i32) (catch_all 0)
                try_table (result i32) (catch_all_ref 3)
                  call $v
                end
              end
              br 1
            end
            i32.const 1
          end
          i32.const 1 i32.add return
        end
        throw_ref
        """,
    ),
    "delegate (b): the same tag in between only": Golden(
        (
            "try try try call $f delegate 1 catch $e call $g end catch $e call $g call $g end "
            "call $f"
        ),
        """
        block
          block
            try_table (catch $e 0)
              block
                try_table (catch $e 0)
                  try_table (catch $e 3)
                    call $f
                  end
                end
                br 3
              end
              call $g
            end
            br 1
          end
          call $g call $g
        end
        call $f
        """,
        {
            "elide": """
            block
              block
                try_table (catch $e 0)
                  block
                    block
                      try_table (catch $e 0)
                        try_table (catch $e 4)
                          call $f
                        end
                      end
                      br 1
                    end
                    call $g
                  end
                end
                br 1
              end
              call $g call $g
            end
            call $f
            """,
        },
    ),
    "delegate (c): more than that in between": Golden(
        (
            "try try try call $f delegate 1 catch $e call $g catch $i drop end catch $e call $g "
            "call $g end call $f"
        ),
        """
        block (result exnref)
          block
            block
              try_table (catch $e 0)
                block
                  block (result i32)
                    try_table (catch $e 1) (catch $i 0)
                      try_table (catch $e 4) (catch_all_ref 6)
                        call $f
                      end
                    end
                    br 4
                  end
                  drop br 3
                end
                call $g
              end
              br 1
            end
            call $g call $g
          end
          call $f return
        end
        throw_ref
        """,
        {
            "elide": """
            block (result exnref)
              block
                block
                  try_table (catch $e 0)
                    block
                      block
                        block (result i32)
                          try_table (catch $e 1) (catch $i 0)
                            try_table (catch $e 5) (catch_all_ref 7)
                              call $f
                            end
                          end
                          br 2
                        end
                        drop br 1
                      end
                      call $g
                    end
                  end
                  br 1
                end
                call $g call $g
              end
              call $f return
            end
            throw_ref
            """,
            "order": """
            block (result exnref)
              block
                block
                  try_table (catch $e 0)
                    block (result i32)
                      block
                        try_table (catch $e 0) (catch $i 1)
                          try_table (catch $e 4) (catch_all_ref 6)
                            call $f
                          end
                        end
                        br 4
                      end
                      call $g br 3
                    end
                    drop
                  end
                  br 1
                end
                call $g call $g
              end
              call $f return
            end
            throw_ref
            """,
        },
    ),
    "delegate from a handler to its own try": Golden(
        "try call $f catch_all try call $g delegate 0 end call $f",
        """
        block
          block
            try_table (catch_all 0)
              call $f
            end
            br 1
          end
          call $g
        end
        call $f
        """,
    ),
    "delegate to a delegate: as if thrown at its place": Golden(
        (
            "try try try try call $f delegate 0 delegate 1 catch_all call $g end catch_all call "
            "$f end call $g"
        ),
        """
        block
          block
            try_table (catch_all 0)
              block
                try_table (catch_all 0)
                  try_table (catch_all 3)
                    call $f
                  end
                end
                br 3
              end
              call $g
            end
            br 1
          end
          call $f
        end
        call $g
        """,
        {
            "elide": """
            block
              block
                try_table (catch_all 0)
                  block
                    block
                      try_table (catch_all 0)
                        try_table (catch_all 4)
                          call $f
                        end
                      end
                      br 1
                    end
                    call $g
                  end
                end
                br 1
              end
              call $f
            end
            call $g
            """,
        },
    ),
    "direct (O1a): an empty handler": Golden(
        "try (result i32) call $v catch $i end drop",
        """
        block (result i32)
          try_table (result i32) (catch $i 0)
            call $v
          end
        end
        drop
        """,
        {
            "direct": """
            block (result i32)
              block (result i32)
                try_table (result i32) (catch $i 0)
                  call $v
                end
                br 1
              end
            end
            drop
            """,
        },
    ),
    "direct (O1b): a branch with the payload": Golden(
        "block $b (result i32) try call $f catch $i br $b end i32.const 1 end drop",
        """
        block (result i32)
          try_table (catch $i 0)
            call $f
          end
          i32.const 1
        end
        drop
        """,
        {
            "direct": """
            block (result i32)
              block
                block (result i32)
                  try_table (catch $i 0)
                    call $f
                  end
                  br 1
                end
                br 1
              end
              i32.const 1
            end
            drop
            """,
        },
    ),
    "direct (O1b): a branch to a loop": Golden(
        "loop $l try call $f catch_all br $l end call $g end",
        """
        loop
          try_table (catch_all 0)
            call $f
          end
          call $g
        end
        """,
        {
            "direct": """
            loop
              block
                block
                  try_table (catch_all 0)
                    call $f
                  end
                  br 1
                end
                br 1
              end
              call $g
            end
            """,
        },
    ),
    "direct (O1c): a return with the payload": Golden(
        "(result i32) try call $f catch $i return end i32.const 1",
        """
        (result i32)
        try_table (catch $i 0)
          call $f
        end
        i32.const 1
        """,
        {
            "direct": """
            (result i32)
            block (result i32)
              try_table (catch $i 0)
                call $f
              end
              i32.const 1 return
            end
            return
            """,
        },
    ),
    "direct: not where the label takes something else": Golden(
        "block $b try call $f catch $i br $b end call $g end",
        """
        block
          block
            block (result i32)
              try_table (catch $i 0)
                call $f
              end
              br 1
            end
            br 1
          end
          call $g
        end
        """,
    ),
    "direct (O2): no landing, no jump": Golden(
        "try call $f catch_all end call $g",
        """
        block
          try_table (catch_all 0)
            call $f
          end
        end
        call $g
        """,
        {
            "direct": """
            block
              block
                try_table (catch_all 0)
                  call $f
                end
                br 1
              end
            end
            call $g
            """,
        },
    ),
    "elide (O3): the function's end": Golden(
        "try call $f catch_all call $g end",
        """
        block
          try_table (catch_all 0)
            call $f
          end
          return
        end
        call $g
        """,
        {
            "elide": """
            block
              block
                try_table (catch_all 0)
                  call $f
                end
                br 1
              end
              call $g
            end
            """,
        },
    ),
    "elide (O3): a block's end": Golden(
        "block try call $f catch_all call $g end end call $g",
        """
        block
          block
            try_table (catch_all 0)
              call $f
            end
            br 1
          end
          call $g
        end
        call $g
        """,
        {
            "elide": """
            block
              block
                block
                  try_table (catch_all 0)
                    call $f
                  end
                  br 1
                end
                call $g
              end
            end
            call $g
            """,
        },
    ),
    "elide: not a loop's start": Golden(
        "loop try call $f catch_all call $g end end call $g",
        """
        loop
          block
            block
              try_table (catch_all 0)
                call $f
              end
              br 1
            end
            call $g
          end
        end
        call $g
        """,
    ),
    "unreachable (O4)": Golden(
        "block $b try call $f br $b catch_all call $g end call $f end call $g",
        """
        block
          block
            try_table (catch_all 0)
              call $f br 2
            end
          end
          call $g call $f
        end
        call $g
        """,
        {
            "unreachable": """
            block
              block
                block
                  try_table (catch_all 0)
                    call $f br 3
                  end
                  br 1
                end
                call $g
              end
              call $f
            end
            call $g
            """,
        },
    ),
    "order (O5)": Golden(
        "try call $f catch $i drop call $g catch_all unreachable end call $f",
        """
        block
          block (result i32)
            block
              try_table (catch $i 1) (catch_all 0)
                call $f
              end
              br 2
            end
            unreachable
          end
          drop call $g
        end
        call $f
        """,
        {
            "order": """
            block
              block
                block (result i32)
                  try_table (catch $i 0) (catch_all 1)
                    call $f
                  end
                  br 2
                end
                drop call $g br 1
              end
              unreachable
            end
            call $f
            """,
        },
    ),
    "prune (O6)": Golden(
        "try call $f catch $e call $g catch $e unreachable end call $f",
        """
        block
          block
            try_table (catch $e 0)
              call $f
            end
            br 1
          end
          call $g
        end
        call $f
        """,
        {
            "prune": """
            block
              block
                block
                  try_table (catch $e 1) (catch $e 0)
                    call $f
                  end
                  br 2
                end
                unreachable
              end
              call $g
            end
            call $f
            """,
        },
    ),
    "propagate (O7)": Golden(
        "try call $f catch_all rethrow 0 end call $g",
        """
        call $f call $g
        """,
        {
            "propagate": """
            block (result exnref)
              try_table (catch_all_ref 0)
                call $f
              end
              call $g return
            end
            throw_ref
            """,
        },
    ),
    "propagate (O7): several from the end": Golden(
        ("try call $f catch $e call $g catch $i drop rethrow 0 catch_all rethrow 0 end call $f"),
        """
        block
          block
            try_table (catch $e 0)
              call $f
            end
            br 1
          end
          call $g
        end
        call $f
        """,
        {
            "propagate": """
            block
              block
                block (result exnref)
                  try_table (catch $e 1) (catch_all_ref 0)
                    call $f
                  end
                  br 2
                end
                throw_ref
              end
              call $g
            end
            call $f
            """,
        },
    ),
    "propagate: not in front of a catch_all": Golden(
        "try call $f catch $e rethrow 0 catch_all call $g end call $f",
        """
        block
          block
            block (result exnref)
              try_table (catch_ref $e 0) (catch_all 1)
                call $f
              end
              br 2
            end
            throw_ref
          end
          call $g
        end
        call $f
        """,
        {
            "stack": """
            (local exnref)
            block
              block
                block (result exnref)
                  try_table (catch_ref $e 0) (catch_all 1)
                    call $f
                  end
                  br 2
                end
                local.set 0 local.get 0 throw_ref
              end
              call $g
            end
            call $f
            """,
        },
    ),
    "dead code goes": Golden(
        "try call $f return call $g try call $g catch_all end catch_all call $g end call $f",
        """
        block
          try_table (catch_all 0)
            call $f return
          end
        end
        call $g call $f
        """,
        {
            "unreachable": """
            block
              block
                try_table (catch_all 0)
                  call $f return
                end
                br 1
              end
              call $g
            end
            call $f
            """,
        },
    ),
    "hoist (O10): cleanups in a row": Golden(
        (
            "try call $f catch_all call $g rethrow 0 end call $f try call $f catch_all call "
            "$f call $g rethrow 0 end call $g"
        ),
        """
        block (result exnref)
          block (result exnref)
            try_table (catch_all_ref 0)
              call $f
            end
            call $f
            try_table (catch_all_ref 1)
              call $f
            end
            call $g return
          end
          call $g throw_ref
        end
        call $f call $g throw_ref
        """,
        {
            "stack": """
            (local exnref)
            block (result exnref)
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                call $f
                try_table (catch_all_ref 1)
                  call $f
                end
                call $g return
              end
              local.set 0 call $g local.get 0 throw_ref
            end
            local.set 0 call $f call $g local.get 0 throw_ref
            """,
            "hoist": """
            block
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                br 1
              end
              call $g throw_ref
            end
            call $f
            block
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                br 1
              end
              call $f call $g throw_ref
            end
            call $g
            """,
        },
    ),
    "share (O9, O10): cleanups that are alike": Golden(
        (
            "try call $f catch_all call $g rethrow 0 end call $f try call $g catch_all call "
            "$g rethrow 0 end call $g"
        ),
        """
        block (result exnref)
          try_table (catch_all_ref 0)
            call $f
          end
          call $f
          try_table (catch_all_ref 0)
            call $g
          end
          call $g return
        end
        call $g throw_ref
        """,
        {
            "stack": """
            (local exnref)
            block (result exnref)
              try_table (catch_all_ref 0)
                call $f
              end
              call $f
              try_table (catch_all_ref 0)
                call $g
              end
              call $g return
            end
            local.set 0 call $g local.get 0 throw_ref
            """,
            "hoist": """
            block
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                br 1
              end
              call $g throw_ref
            end
            call $f
            block
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $g
                end
                br 1
              end
              call $g throw_ref
            end
            call $g
            """,
            "share": """
            block (result exnref)
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                call $f
                try_table (catch_all_ref 1)
                  call $g
                end
                call $g return
              end
              call $g throw_ref
            end
            call $g throw_ref
            """,
        },
    ),
    "hoist: to the end of the body of the try around it": Golden(
        (
            "try call $f try call $f catch_all call $g rethrow 0 end call $f catch_all call "
            "$f end call $g"
        ),
        """
        block
          block
            try_table (catch_all 0)
              block (result exnref)
                call $f
                try_table (catch_all_ref 0)
                  call $f
                end
                call $f br 3
              end
              call $g throw_ref
            end
          end
          call $f
        end
        call $g
        """,
        {
            "stack": """
            (local exnref)
            block
              block
                try_table (catch_all 0)
                  block (result exnref)
                    call $f
                    try_table (catch_all_ref 0)
                      call $f
                    end
                    call $f br 3
                  end
                  local.set 0 call $g local.get 0 throw_ref
                end
              end
              call $f
            end
            call $g
            """,
            "hoist": """
            block
              block
                try_table (catch_all 0)
                  call $f
                  block
                    block (result exnref)
                      try_table (catch_all_ref 0)
                        call $f
                      end
                      br 1
                    end
                    call $g throw_ref
                  end
                  call $f
                end
                br 1
              end
              call $f
            end
            call $g
            """,
            "jump": """
            block
              block
                try_table (catch_all 0)
                  block (result exnref)
                    call $f
                    try_table (catch_all_ref 0)
                      call $f
                    end
                    call $f br 3
                  end
                  call $g br 1
                end
              end
              call $f
            end
            call $g
            """,
        },
    ),
    "hoist: a handler that throws something else": Golden(
        "try call $f catch $i drop call $g throw $e end call $g",
        """
        block (result i32)
          try_table (catch $i 0)
            call $f
          end
          call $g return
        end
        drop call $g throw $e
        """,
        {
            "hoist": """
            block
              block (result i32)
                try_table (catch $i 0)
                  call $f
                end
                br 1
              end
              drop call $g throw $e
            end
            call $g
            """,
        },
    ),
    "hoist: out of a handler, behind that": Golden(
        (
            "try call $f catch_all call $g try call $f catch_all call $f rethrow 0 end "
            "rethrow 0 end call $f"
        ),
        """
        block (result exnref)
          block (result exnref)
            try_table (catch_all_ref 0)
              call $f
            end
            call $f return
          end
          call $g
          try_table (catch_all_ref 0)
            call $f
          end
          throw_ref
        end
        call $f throw_ref
        """,
        {
            "stack": """
            (local exnref exnref)
            block (result exnref)
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                call $f return
              end
              local.set 0 call $g
              try_table (catch_all_ref 0)
                call $f
              end
              local.get 0 throw_ref
            end
            local.set 1 call $f local.get 1 throw_ref
            """,
            "hoist": """
            block
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                br 1
              end
              call $g
              block
                block (result exnref)
                  try_table (catch_all_ref 0)
                    call $f
                  end
                  br 1
                end
                call $f throw_ref
              end
              throw_ref
            end
            call $f
            """,
        },
    ),
    "hoist: not what throws the exception of a handler around it": Golden(
        "try call $f catch_all try call $g catch_all call $f rethrow 1 end end call $f",
        """
        (local exnref)
        block
          block (result exnref)
            try_table (catch_all_ref 0)
              call $f
            end
            br 1
          end
          local.set 0
          block
            try_table (catch_all 0)
              call $g
            end
            br 1
          end
          call $f local.get 0 throw_ref
        end
        call $f
        """,
        {
            "elide": """
            (local exnref)
            block
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                br 1
              end
              local.set 0
              block
                block
                  try_table (catch_all 0)
                    call $g
                  end
                  br 1
                end
                call $f local.get 0 throw_ref
              end
            end
            call $f
            """,
        },
    ),
    "hoist: not what goes to a block around the try": Golden(
        "block try call $f catch_all call $g br 1 end call $f end call $g",
        """
        block
          block
            block
              try_table (catch_all 0)
                call $f
              end
              br 1
            end
            call $g br 1
          end
          call $f
        end
        call $g
        """,
    ),
    "hoist: what returns": Golden(
        "try call $f catch_all call $g return end call $f",
        """
        block
          try_table (catch_all 0)
            call $f
          end
          call $f return
        end
        call $g return
        """,
        {
            "hoist": """
            block
              block
                try_table (catch_all 0)
                  call $f
                end
                br 1
              end
              call $g return
            end
            call $f
            """,
        },
    ),
    "hoist: not with a local that is not set from the beginning": Golden(
        "(local (ref func)) try call $f catch_all call $g rethrow 0 end call $f",
        """
        (local (ref func))
        block
          block (result exnref)
            try_table (catch_all_ref 0)
              call $f
            end
            br 1
          end
          call $g throw_ref
        end
        call $f
        """,
        {
            "stack": """
            (local (ref func) exnref)
            block
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $f
                end
                br 1
              end
              local.set 1 call $g local.get 1 throw_ref
            end
            call $f
            """,
        },
    ),
    "hoist: not where another handler stays, for nothing": Golden(
        "try call $f catch $i drop call $g catch_all call $g rethrow 0 end call $f",
        """
        block
          block (result i32)
            block (result exnref)
              try_table (catch $i 1) (catch_all_ref 0)
                call $f
              end
              br 2
            end
            call $g throw_ref
          end
          drop call $g
        end
        call $f
        """,
        {
            "order": """
            block
              block (result exnref)
                block (result i32)
                  try_table (catch $i 0) (catch_all_ref 1)
                    call $f
                  end
                  br 2
                end
                drop call $g br 1
              end
              call $g throw_ref
            end
            call $f
            """,
            "stack": """
            (local exnref)
            block
              block (result i32)
                block (result exnref)
                  try_table (catch $i 1) (catch_all_ref 0)
                    call $f
                  end
                  br 2
                end
                local.set 0 call $g local.get 0 throw_ref
              end
              drop call $g
            end
            call $f
            """,
        },
    ),
    "share (O9): a clause that the next one covers": Golden(
        "try call $f catch $i drop call $g catch_all call $g end call $f",
        """
        block
          block
            try_table (catch_all 0)
              call $f
            end
            br 1
          end
          call $g
        end
        call $f
        """,
        {
            "share": """
            block
              block (result i32)
                block
                  try_table (catch $i 1) (catch_all 0)
                    call $f
                  end
                  br 2
                end
                call $g br 1
              end
              drop call $g
            end
            call $f
            """,
        },
    ),
    "share (O9): handlers of one try": Golden(
        "try call $f catch $e call $g catch $d call $g catch $i drop end call $f",
        """
        block
          block
            block (result i32)
              try_table (catch $e 1) (catch $d 1) (catch $i 0)
                call $f
              end
              br 2
            end
            drop br 1
          end
          call $g
        end
        call $f
        """,
        {
            "order": """
            block
              block (result i32)
                block
                  try_table (catch $e 0) (catch $d 0) (catch $i 1)
                    call $f
                  end
                  br 2
                end
                call $g br 1
              end
              drop
            end
            call $f
            """,
            "share": """
            block
              block
                block (result i32)
                  block
                    try_table (catch $e 2) (catch $d 0) (catch $i 1)
                      call $f
                    end
                    br 3
                  end
                  call $g br 2
                end
                drop br 1
              end
              call $g
            end
            call $f
            """,
        },
    ),
    "quiet (O11)": Golden(
        "try i32.const 1 drop catch_all call $g end try call $f catch_all call $g end",
        """
        block
          block
            try_table (catch_all 0)
              i32.const 1 drop
            end
            br 1
          end
          call $g
        end
        block
          try_table (catch_all 0)
            call $f
          end
          return
        end
        call $g
        """,
        {
            "elide": """
            block
              block
                try_table (catch_all 0)
                  i32.const 1 drop
                end
                br 1
              end
              call $g
            end
            block
              block
                try_table (catch_all 0)
                  call $f
                end
                br 1
              end
              call $g
            end
            """,
            "quiet": """
            i32.const 1 drop
            block
              try_table (catch_all 0)
                call $f
              end
              return
            end
            call $g
            """,
        },
    ),
    "quiet: a tail call throws from another frame": Golden(
        "try return_call $f catch_all call $g end",
        """
        block
          try_table (catch_all 0)
            return_call $f
          end
        end
        call $g
        """,
        {
            "unreachable": """
            block
              try_table (catch_all 0)
                return_call $f
              end
              return
            end
            call $g
            """,
            "quiet": """
            return_call $f
            """,
        },
    ),
    "jump (O8): from the stack": Golden(
        ("try try call $f catch_all call $g rethrow 0 end catch_all call $f rethrow 0 end call $g"),
        """
        block (result exnref)
          try_table (catch_all_ref 0)
            block (result exnref)
              try_table (catch_all_ref 0)
                call $f
              end
              br 1
            end
            call $g throw_ref
          end
          call $g return
        end
        call $f throw_ref
        """,
        {
            "stack": """
            (local exnref)
            block (result exnref)
              try_table (catch_all_ref 0)
                block (result exnref)
                  try_table (catch_all_ref 0)
                    call $f
                  end
                  br 1
                end
                local.set 0 call $g local.get 0 throw_ref
              end
              call $g return
            end
            local.set 0 call $f local.get 0 throw_ref
            """,
            "hoist": """
            block
              block (result exnref)
                try_table (result exnref) (catch_all_ref 0)
                  block (result exnref)
                    try_table (catch_all_ref 0)
                      call $f
                    end
                    br 3
                  end
                  call $g throw_ref
                end
              end
              call $f throw_ref
            end
            call $g
            """,
            "jump": """
            block (result exnref)
              try_table (catch_all_ref 0)
                block (result exnref)
                  try_table (catch_all_ref 0)
                    call $f
                  end
                  br 1
                end
                call $g br 1
              end
              call $g return
            end
            call $f throw_ref
            """,
        },
    ),
    "jump: from a local, to a handler without the exception": Golden(
        (
            "(local i32) try try call $f catch_all local.get 0 if rethrow 1 end call $g "
            "rethrow 0 end catch_all call $f end"
        ),
        """
        (local i32 exnref)
        block
          try_table (catch_all 0)
            block (result exnref)
              try_table (catch_all_ref 0)
                call $f
              end
              return
            end
            local.set 1 local.get 0
            if
              local.get 1 throw_ref
            end
            call $g local.get 1 throw_ref
          end
        end
        call $f
        """,
        {
            "elide": """
            (local i32 exnref)
            block
              block
                try_table (catch_all 0)
                  block (result exnref)
                    try_table (catch_all_ref 0)
                      call $f
                    end
                    br 3
                  end
                  local.set 1 local.get 0
                  if
                    local.get 1 throw_ref
                  end
                  call $g local.get 1 throw_ref
                end
              end
              call $f
            end
            """,
            "jump": """
            (local i32 exnref)
            block
              try_table (catch_all 0)
                block (result exnref)
                  try_table (catch_all_ref 0)
                    call $f
                  end
                  return
                end
                local.set 1 local.get 0
                if
                  local.get 1 br 2
                end
                call $g local.get 1 br 1
              end
            end
            call $f
            """,
        },
    ),
    "share: not from behind what is shared": Golden(
        (
            "try call $f catch_all call $g rethrow 0 end try call $g catch_all call $f try "
            "call $f catch_all call $g rethrow 0 end rethrow 0 end call $f"
        ),
        """
        block (result exnref)
          block (result exnref)
            try_table (catch_all_ref 1 )
              call $f
            end
            try_table (catch_all_ref 0 )
              call $g
            end
            call $f return
          end
          call $f
          try_table (catch_all_ref 0 )
            call $f
          end
          throw_ref
        end
        call $g throw_ref
        """,
        {
            "stack": """
            (local exnref exnref)
            block (result exnref)
              block (result exnref)
                block (result exnref)
                  try_table (catch_all_ref 0 )
                    call $f
                  end
                  try_table (catch_all_ref 1 )
                    call $g
                  end
                  call $f return
                end
                local.set 0 call $g local.get 0 throw_ref
              end
              local.set 0 call $f
              try_table (catch_all_ref 0 )
                call $f
              end
              local.get 0 throw_ref
            end
            local.set 1 call $g local.get 1 throw_ref
            """,
            "hoist": """
            block
              block (result exnref)
                try_table (catch_all_ref 0 )
                  call $f
                end
                br 1
              end
              call $g throw_ref
            end
            block
              block (result exnref)
                try_table (catch_all_ref 0 )
                  call $g
                end
                br 1
              end
              call $f
              block
                block (result exnref)
                  try_table (catch_all_ref 0 )
                    call $f
                  end
                  br 1
                end
                call $g throw_ref
              end
              throw_ref
            end
            call $f
            """,
            "share": """
            block (result exnref)
              block (result exnref)
                block (result exnref)
                  try_table (catch_all_ref 1 )
                    call $f
                  end
                  try_table (catch_all_ref 0 )
                    call $g
                  end
                  call $f return
                end
                call $f
                try_table (catch_all_ref 1 )
                  call $f
                end
                throw_ref
              end
              call $g throw_ref
            end
            call $g throw_ref
            """,
        },
    ),
    "share: not from behind it, whatever it is": Golden(
        (
            "try call $f catch $i drop call $g throw $e end try call $g catch_all call $f try "
            "call $f catch $i drop call $g throw $e end rethrow 0 end call $f"
        ),
        """
        block (result i32)
          block (result exnref)
            block (result i32)
              try_table (catch $i 0)
                call $f
              end
              try_table (catch_all_ref 1)
                call $g
              end
              call $f return
            end
            drop call $g throw $e
          end
          call $f
          try_table (catch $i 0)
            call $f
          end
          throw_ref
        end
        drop call $g throw $e
        """,
        {
            "stack": """
            (local exnref)
            block (result i32)
              block (result exnref)
                block (result i32)
                  try_table (catch $i 0)
                    call $f
                  end
                  try_table (catch_all_ref 1)
                    call $g
                  end
                  call $f return
                end
                drop call $g throw $e
              end
              local.set 0 call $f
              try_table (catch $i 0)
                call $f
              end
              local.get 0 throw_ref
            end
            drop call $g throw $e
            """,
            "hoist": """
            block
              block (result i32)
                try_table (catch $i 0)
                  call $f
                end
                br 1
              end
              drop call $g throw $e
            end
            block
              block (result exnref)
                try_table (catch_all_ref 0)
                  call $g
                end
                br 1
              end
              call $f
              block
                block (result i32)
                  try_table (catch $i 0)
                    call $f
                  end
                  br 1
                end
                drop call $g throw $e
              end
              throw_ref
            end
            call $f
            """,
        },
    ),
    "share: not where they go to different places": Golden(
        (
            "block block try try call $f catch_all call $g br 2 end try call $g catch_all "
            "call $g br 3 end catch $e end call $f end call $v drop end call $g"
        ),
        """
        block
          block
            block
              try_table (catch $e 0)
                block
                  block
                    try_table (catch_all 0)
                      call $f
                    end
                    try_table (catch_all 1)
                      call $g
                    end
                    br 3
                  end
                  call $g br 3
                end
                call $g br 3
              end
            end
            call $f
          end
          call $v drop
        end
        call $g
        """,
        {
            "direct": """
            block
              block
                block
                  block
                    try_table (catch $e 0)
                      block
                        block
                          try_table (catch_all 0)
                            call $f
                          end
                          try_table (catch_all 1)
                            call $g
                          end
                          br 4
                        end
                        call $g br 4
                      end
                      call $g br 4
                    end
                  end
                end
                call $f
              end
              call $v drop
            end
            call $g
            """,
            "hoist": """
            block
              block
                block
                  try_table (catch $e 0)
                    block
                      block
                        try_table (catch_all 0)
                          call $f
                        end
                        br 1
                      end
                      call $g br 3
                    end
                    block
                      try_table (catch_all 0)
                        call $g
                      end
                      br 2
                    end
                    call $g br 3
                  end
                end
                call $f
              end
              call $v drop
            end
            call $g
            """,
        },
    ),
}
