;; delegate to every kind of label: blocks, loops, ifs, try bodies, handlers, catch-less trys, other
;; delegates, the function; with and without handlers in between that must not see the exception.
(module $shapes_delegate
  (import "env" "log" (func $log (param i32)))
  (import "env" "throw_js" (func $throw_js (param i32)))

  (tag $e0 (export "e0"))
  (tag $e1 (export "e1") (param i32))
  (tag $e2 (export "e2") (param i32 i64))

  (func $raise (export "raise") (param $n i32) (result i32)
    block $js
      block $e2
        block $e1
          block $e0
            block $none
              local.get $n
              br_table $none $e0 $e1 $e2 $js $none
            end
            local.get $n
            return
          end
          throw $e0
        end
        i32.const 11
        throw $e1
      end
      i32.const 21
      i64.const 22
      throw $e2
    end
    local.get $n
    call $throw_js
    unreachable)

  (func (export "to_function") (param $n i32) (result i32)
    try (result i32)
      try (result i32)
        local.get $n
        call $raise
      delegate 1
    catch_all
      i32.const -1
    end)

  (func (export "to_function_directly") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    delegate 0)

  (func (export "to_try") (param $n i32) (result i32)
    try $t (result i32)
      try (result i32)
        local.get $n
        call $raise
      delegate $t
    catch $e1
    catch_all
      i32.const 3
    end)

  ;; Over an inner catch to an outer catch_all.
  (func (export "over_catch") (param $n i32) (result i32)
    try $outer (result i32)
      try (result i32)
        try (result i32)
          local.get $n
          call $raise
        delegate $outer
      catch $e1
        i32.const 100
        i32.add
      end
    catch_all
      i32.const 4
    end)

  (func (export "over_catch_all") (param $n i32) (result i32)
    try $outer (result i32)
      try (result i32)
        try (result i32)
          local.get $n
          call $raise
        delegate $outer
      catch_all
        i32.const 100
      end
    catch $e1
      i32.const 1
      i32.add
    end)

  ;; The target lacks a clause for the tag, one in between has it: it must leave the function.
  (func (export "over_same_tag") (param $n i32) (result i32)
    try $outer (result i32)
      try (result i32)
        try (result i32)
          local.get $n
          call $raise
        delegate $outer
      catch $e1
        i32.const 100
        i32.add
      catch $e2
        drop
      end
    catch $e1
      i32.const 1
      i32.add
    end)

  ;; The target and everything in between take the same tag only.
  (func (export "over_same_tag_only") (param $n i32) (result i32)
    try $outer (result i32)
      try (result i32)
        try (result i32)
          local.get $n
          call $raise
        delegate $outer
      catch $e1
        i32.const 100
        i32.add
      end
    catch $e1
      i32.const 1
      i32.add
    end)

  ;; Nothing in between: the same as no delegate.
  (func (export "over_nothing") (param $n i32) (result i32)
    try $outer (result i32)
      block (result i32)
        block $b (result i32)
          try (result i32)
            local.get $n
            call $raise
          delegate $b
        end
      end
    catch $e1
    end)

  (func (export "to_block") (param $n i32) (result i32)
    try (result i32)
      block $b (result i32)
        try (result i32)
          try (result i32)
            local.get $n
            call $raise
          delegate $b
        catch_all
          i32.const 100
        end
      end
    catch $e1
      i32.const 1
      i32.add
    catch $e0
      i32.const 2
    end)

  (func (export "to_loop") (param $n i32) (result i32)
    try (result i32)
      loop $l (result i32)
        try (result i32)
          try (result i32)
            local.get $n
            call $raise
          delegate $l
        catch_all
          i32.const 100
          call $log
          br $l
        end
      end
    catch $e1
      i32.const 1
      i32.add
    catch $e0
      i32.const 2
    end)

  (func (export "to_if") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      local.get $m
      if $i (result i32)
        try (result i32)
          try (result i32)
            local.get $n
            call $raise
          delegate $i
        catch_all
          i32.const 100
        end
      else
        try (result i32)
          try (result i32)
            local.get $n
            call $raise
          delegate $i
        catch $e1
        end
      end
    catch $e1
      i32.const 1
      i32.add
    end)

  (func (export "to_block_outside_try") (param $n i32) (result i32)
    block $b (result i32)
      try (result i32)
        try (result i32)
          local.get $n
          call $raise
        delegate $b
      catch_all
        i32.const 100
      end
    end)

  ;; To a handler's label: the try's clauses are out of play there.
  (func (export "to_handler") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      try $t (result i32)
        local.get $n
        call $raise
      catch $e1
        drop
        try (result i32)
          try (result i32)
            local.get $m
            call $raise
          delegate $t
        catch_all
          i32.const 100
        end
      catch_all
        i32.const 101
      end
    catch $e1
      i32.const 1
      i32.add
    catch $e2
      drop
    end)

  ;; From a handler to its own try, with nothing else around.
  (func (export "handler_to_own_try") (param $n i32) (param $m i32) (result i32)
    try $t (result i32)
      local.get $n
      call $raise
    catch $e1
      drop
      try (result i32)
        local.get $m
        call $raise
      delegate $t
    catch_all
      try (result i32)
        local.get $m
        call $raise
      delegate 1
    end)

  (func (export "to_catchless") (param $n i32) (result i32)
    try (result i32)
      try $t (result i32)
        try (result i32)
          try (result i32)
            local.get $n
            call $raise
          delegate $t
        catch_all
          i32.const 100
        end
      end
    catch $e1
      i32.const 1
      i32.add
    end)

  ;; A chain of two, and of three.
  (func (export "chain") (param $n i32) (result i32)
    try $a (result i32)
      try (result i32)
        try $b (result i32)
          try (result i32)
            try (result i32)
              local.get $n
              call $raise
            delegate $b
          catch_all
            i32.const 100
          end
        delegate $a
      catch_all
        i32.const 101
      end
    catch $e1
      i32.const 1
      i32.add
    end)

  (func (export "chain_to_function") (param $n i32) (result i32)
    try $a (result i32)
      try $b (result i32)
        try $c (result i32)
          try (result i32)
            try (result i32)
              local.get $n
              call $raise
            delegate $c
          catch $e1
            i32.const 100
            i32.add
          end
        delegate $b
      delegate 1
    catch_all
      i32.const 101
    end)

  ;; The target's clauses first, then those of the trys around the target.
  (func (export "falls_outward") (param $n i32) (result i32)
    try (result i32)
      try $a (result i32)
        try (result i32)
          try (result i32)
            local.get $n
            call $raise
          delegate $a
        catch $e0
          i32.const 100
        catch $e2
          drop
          i32.const 101
          i32.add
        end
      catch $e1
        i32.const 1
        i32.add
      end
    catch $e1
      i32.const 2
      i32.add
    catch $e0
      i32.const 3
    end)

  (func (export "results") (param $n i32) (result i32 i64)
    try $t (result i32 i64)
      try (result i32 i64)
        try (result i32 i64)
          local.get $n
          call $raise
          i64.const 1
        delegate $t
        i64.const 5
        i64.add
      catch $e2
      end
    catch $e1
      i64.const 2
    catch $e2
      i64.const 100
      i64.add
    end)

  (func (export "params") (param $n i32) (result i32)
    try $t (result i32)
      try (result i32)
        i32.const 40
        local.get $n
        try (param i32 i32) (result i32)
          call $raise
          i32.add
        delegate $t
      catch_all
        i32.const 100
      end
    catch $e1
    end)

  (func (export "br_to_delegate_label") (param $n i32) (param $m i32) (result i32)
    try $outer (result i32)
      try (result i32)
        try $d (result i32)
          i32.const 60
          local.get $m
          br_if $d
          drop
          local.get $n
          call $raise
          local.get $n
          i32.const 5
          i32.eq
          br_if $outer
          br $d
        delegate $outer
        i32.const 1000
        i32.add
      catch_all
        i32.const 100
      end
    catch $e1
      i32.const 1
      i32.add
    end)

  (func (export "br_table_over_delegate") (param $n i32) (param $m i32) (result i32)
    block $b (result i32)
      try $outer (result i32)
        try $inner (result i32)
          try $d (result i32)
            local.get $n
            call $raise
            local.get $m
            br_table $d $inner $outer $b 4
          delegate $outer
          i32.const 1000
          i32.add
        catch_all
          i32.const 100
        end
        i32.const 2000
        i32.add
      catch $e1
        i32.const 1
        i32.add
      end
      i32.const 4000
      i32.add
    end)

  ;; The target's handler throws the same object again.
  (func (export "to_rethrowing") (param $n i32) (result i32)
    try $t (result i32)
      try (result i32)
        try (result i32)
          local.get $n
          call $raise
        delegate $t
      catch_all
        i32.const 100
      end
    catch $e1
      call $log
      rethrow 0
    catch_all
      i32.const 5
      call $log
      rethrow 0
    end)

  ;; The exception of a handler, thrown again from a body that delegates.
  (func (export "rethrow_in_delegate") (param $n i32) (param $m i32) (result i32)
    try $outer (result i32)
      try $t (result i32)
        local.get $n
        call $raise
      catch_all
        try (result i32)
          try (result i32)
            local.get $m
            if
              rethrow 3
            end
            i32.const 9
          delegate $outer
        catch_all
          i32.const 100
        end
      end
    catch $e1
      i32.const 1
      i32.add
    catch $e0
      i32.const 2
    end)

  ;; Two delegates in one function that both need to leave it, in a function with two results.
  (func (export "trampoline_twice") (param $n i32) (param $m i32) (result i32 i64)
    try (result i32 i64)
      local.get $n
      i32.const 4
      i32.eq
      if
        local.get $m
        i64.const 8
        return
      end
      try (result i32)
        local.get $n
        call $raise
      delegate 1
      try (result i64)
        local.get $m
        call $raise
        i64.extend_i32_s
      delegate 1
      local.get $n
      i32.const 5
      i32.eq
      br_if 1
    catch_all
      i32.const -1
      i64.const -1
    end)

  (func (export "trampoline_void") (param $n i32)
    try
      try
        local.get $n
        call $raise
        call $log
        local.get $n
        br_if 2
      delegate 1
    catch_all
      i32.const -1
      call $log
    end)

  (func (export "in_loop") (param $n i32) (result i32)
    (local $i i32)
    local.get $n
    i32.const 7
    i32.and
    local.set $n
    loop $l
      try $t
        try
          try
            local.get $i
            call $raise
            drop
          delegate $t
        catch_all
          i32.const 100
          call $log
        end
      catch $e1
        call $log
      catch $e0
        i32.const 7
        call $log
      end
      local.get $i
      i32.const 1
      i32.add
      local.tee $i
      local.get $n
      i32.le_u
      br_if $l
    end
    local.get $i)

  (func (export "dead") (param $n i32) (result i32)
    try $t (result i32)
      local.get $n
      return
      try
        unreachable
      delegate $t
    catch_all
      i32.const 1
    end)

  (func (export "empty_bodies") (param $n i32) (result i32)
    try
    delegate 0
    block
      try
        nop
      delegate 0
    end
    local.get $n)
)
