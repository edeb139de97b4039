;; rethrow from every place and to every handler, and what catches it again.
(module $shapes_rethrow
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
        local.get $n
        i32.const 10
        i32.add
        throw $e1
      end
      i32.const 21
      i64.const 22
      throw $e2
    end
    local.get $n
    call $throw_js
    unreachable)

  ;; The compilers' cleanup: catch_all, some code, rethrow.
  (func (export "cleanup") (param $n i32) (result i32)
    (local $r i32)
    try
      local.get $n
      call $raise
      local.set $r
    catch_all
      i32.const 1
      call $log
      rethrow 0
    end
    i32.const 2
    call $log
    local.get $r)

  (func (export "cleanup_tail") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch_all
      i32.const 1
      call $log
      rethrow 0
    end)

  (func (export "only_rethrow") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch_all
      rethrow 0
    end)

  (func (export "only_rethrow_tag") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $e2
      drop
      drop
      rethrow 0
    catch $e1
      drop
      rethrow 0
    end)

  ;; The first clause must stay: without it, the second would take $e1.
  (func (export "rethrow_before_catch_all") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $e1
      rethrow 0
    catch_all
      i32.const 99
    end)

  (func (export "rethrow_before_catch_all_nested") (param $n i32) (result i32)
    try (result i32)
      try (result i32)
        local.get $n
        call $raise
      catch $e1
        rethrow 0
      catch_all
        i32.const 99
      end
    catch $e1
      i32.const 1000
      i32.add
    end)

  ;; The outer exception thrown again from an inner try's body, and caught there.
  (func (export "outer_from_inner_body") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $e1
      i32.const 500
      i32.add
      local.set $n
      try (result i32)
        local.get $m
        call $raise
        drop
        rethrow 1
      catch $e1
        local.get $n
        i32.add
      end
    catch_all
      try (result i32)
        local.get $m
        call $raise
        drop
        rethrow 1
      catch $e2
        drop
      catch_all
        i32.const 7
        call $log
        local.get $m
        i32.const 1
        i32.and
        if
          rethrow 1
        end
        local.get $m
        i32.const 3
        i32.eq
        if
          rethrow 2
        end
        i32.const 42
      end
    end)

  ;; Depth > 0: under block, loop and if.
  (func (export "under_constructs") (param $n i32) (param $m i32) (result i32)
    local.get $m
    i32.const 7
    i32.and
    local.set $m
    try (result i32)
      local.get $n
      call $raise
    catch $e1
      drop
      block $b
        loop $l
          local.get $m
          if
            local.get $m
            i32.const 2
            i32.eq
            if
              rethrow 4
            else
              local.get $m
              i32.const 3
              i32.eq
              br_if $b
            end
            local.get $m
            i32.const 1
            i32.sub
            local.set $m
            i32.const 3
            call $log
            br $l
          end
          rethrow 2
        end
      end
      i32.const 66
    catch_all
      local.get $m
      if
        rethrow 1
      end
      i32.const 67
    end)

  (func (export "two_in_one_clause") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch_all
      local.get $m
      if
        i32.const 1
        call $log
        rethrow 1
      end
      i32.const 2
      call $log
      rethrow 0
    end)

  (func (export "two_in_payload_clause") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $e1
      local.get $m
      i32.eq
      if
        rethrow 1
      end
      rethrow 0
    catch $e2
      drop
      local.get $m
      if (result i32)
        rethrow 1
      else
        i32.const 55
      end
      i32.add
    end)

  ;; What lies on the operand stack is no obstacle.
  (func (export "leftover_operands") (param $n i32) (result i32)
    try (result i32)
      i32.const 1
      i64.const 2
      local.get $n
      call $raise
      drop
      drop
    catch $e1
      i64.const 3
      f32.const 4
      rethrow 0
    catch_all
      i32.const 5
      f64.const 6
      rethrow 0
    end)

  ;; Three exceptions alive at once, and each may be the one that goes on.
  (func (export "three_deep") (param $n i32) (param $m i32) (param $k i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch_all
      try (result i32)
        local.get $m
        call $raise
      catch_all
        try (result i32)
          local.get $k
          call $raise
        catch_all
          local.get $k
          i32.const 1
          i32.eq
          if
            rethrow 1
          end
          local.get $m
          i32.const 2
          i32.eq
          if
            rethrow 2
          end
          local.get $n
          i32.const 3
          i32.ne
          if
            rethrow 3
          end
          i32.const 88
        end
      end
    end)

  ;; Exceptions alive in a handler while its do-part's sibling had its own: slots can be shared.
  (func (export "slots") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      try (result i32)
        local.get $n
        call $raise
      catch_all
        i32.const 1
        call $log
        local.get $m
        i32.eqz
        if
          rethrow 1
        end
        i32.const 5
      end
      drop
      try (result i32)
        local.get $m
        call $raise
      catch_all
        i32.const 2
        call $log
        local.get $n
        if
          rethrow 1
        end
        i32.const 6
      end
    catch_all
      try (result i32)
        local.get $m
        call $raise
      catch_all
        i32.const 3
        call $log
        local.get $n
        i32.const 1
        i32.and
        if
          rethrow 2
        end
        rethrow 0
      end
    end)

  ;; Rethrown, caught by an outer try of the same function whose first clause is certain.
  (func (export "recaught") (param $n i32) (result i32)
    try (result i32)
      try (result i32)
        local.get $n
        call $raise
      catch_all
        i32.const 1
        call $log
        rethrow 0
      end
    catch_all
      i32.const 2
      call $log
      i32.const 44
    end)

  (func (export "recaught_by_tag") (param $n i32) (result i32)
    try (result i32)
      try (result i32)
        local.get $n
        call $raise
      catch $e1
        i32.const 1
        i32.add
        call $log
        rethrow 0
      catch $e2
        drop
        call $log
        rethrow 0
      end
    catch $e1
    catch $e2
      drop
      i32.const 1
      i32.add
    end)

  ;; In a loop: the local that keeps the exception is set anew each time.
  (func (export "in_loop") (param $n i32) (param $m i32) (result i32)
    (local $i i32)
    local.get $n
    i32.const 7
    i32.and
    local.set $n
    loop $l
      try
        try
          local.get $i
          call $raise
          drop
        catch_all
          local.get $i
          call $log
          local.get $i
          local.get $m
          i32.eq
          if
            rethrow 1
          end
        end
      catch $e1
        i32.const 1000
        i32.add
        call $log
        local.get $n
        i32.const 2
        i32.eq
        if
          rethrow 1
        end
      end
      local.get $i
      i32.const 1
      i32.add
      local.tee $i
      local.get $n
      i32.lt_u
      br_if $l
    end
    local.get $i)

  ;; Locals that hold exceptions are an activation's own.
  (func $recursive (export "recursive") (param $n i32) (param $m i32) (result i32)
    local.get $m
    i32.const 7
    i32.and
    local.set $m
    try (result i32)
      local.get $n
      call $raise
    catch_all
      local.get $m
      i32.eqz
      if
        rethrow 1
      end
      try (result i32)
        local.get $n
        i32.const 1
        i32.add
        i32.const 5
        i32.rem_u
        local.get $m
        i32.const 1
        i32.sub
        call $recursive
      catch $e1
        call $log
        rethrow 1
      end
    end)

  ;; A payload left alone under the rethrow, several values deep.
  (func (export "payload_stays") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $e2
      i32.const 9
      call $log
      rethrow 0
    catch $e1
      i32.const 8
      call $log
      rethrow 0
    catch $e0
      i32.const 7
      call $log
      rethrow 0
    end)

  ;; A handler that ends live on one arm and rethrows on the other.
  (func (export "some_arms") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $e1
      local.get $m
      i32.const 2
      i32.rem_u
      if (param i32) (result i32)
        i32.const 3
        i32.add
      else
        rethrow 1
      end
    catch_all
      i32.const 9
      local.get $m
      br_if 1
      drop
      rethrow 0
    end)

  ;; catch_all of an inner try, rethrow of the middle one, from a handler under a catch-less try.
  (func (export "through_catchless") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch_all
      try (result i32)
        local.get $m
        i32.const 2
        i32.lt_u
        if
          rethrow 2
        end
        local.get $m
        call $raise
      end
    end)
)
