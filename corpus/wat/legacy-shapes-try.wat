;; try, catch and catch_all in every legal position: labels, parameters, results, branches, dead code.
;; Every exported function takes i32s, so that one runner can call them all with a grid of inputs.
(module $shapes_try
  (import "env" "log" (func $log (param i32)))
  (import "env" "throw_js" (func $throw_js (param i32)))

  (tag $e0 (export "e0"))
  (tag $e1 (export "e1") (param i32))
  (tag $e2 (export "e2") (param i32 i64))
  (tag $ef (export "ef") (param f32 f64))
  (tag $e1b (export "e1b") (param i32))

  (memory (export "memory") 1)
  (global $g (export "g") (mut i32) (i32.const 0))
  (type $i_i (func (param i32) (result i32)))
  (table funcref (elem $raise $identity))

  ;; What most bodies call: an exception by number, or a normal return.
  (func $raise (export "raise") (param $n i32) (result i32)
    block $other
      block $js
        block $ef
          block $e1b
            block $e2
              block $e1
                block $e0
                  block $none
                    local.get $n
                    br_table $none $e0 $e1 $e2 $e1b $ef $js $other
                  end
                  i32.const 100
                  return
                end
                throw $e0
              end
              i32.const 11
              throw $e1
            end
            i32.const 21
            i64.const 0x2222222222
            throw $e2
          end
          i32.const 31
          throw $e1b
        end
        f32.const nan:0x200000
        f64.const -0.5
        throw $ef
      end
      local.get $n
      call $throw_js
    end
    local.get $n)

  (func $identity (param i32) (result i32) local.get 0)

  ;; --- block parameters and results

  (func (export "params") (param $n i32) (result i32)
    i32.const 7
    local.get $n
    try (param i32 i32) (result i32)
      call $raise
      i32.add
    catch $e1
      i32.const 1000
      i32.add
    catch $e2
      drop
    catch_all
      i32.const -7
    end)

  (func (export "params_results") (param $n i32) (result i32 i64 i32)
    i32.const 1
    i64.const 2
    local.get $n
    try (param i64 i32) (result i64 i32)
      call $raise
    catch $e2
      drop
      i64.extend_i32_s
      i32.const 9
    catch $e1
      i64.const 77
      i32.const 8
      global.set $g
      i32.const 5
      br 0
    end)

  ;; The parameters are gone in a handler, what lies below the try is not.
  (func (export "below") (param $n i32) (param $m i32) (result i32)
    local.get $m
    i32.const 3
    i32.const 4
    try (param i32 i32) (result i32)
      local.get $n
      call $raise
      drop
      i32.mul
    catch $e1
    catch_all
      i32.const 0
    end
    i32.add)

  ;; --- branches to the try's own label

  (func (export "br_own") (param $n i32) (param $m i32) (result i32)
    try $t (result i32)
      local.get $m
      i32.eqz
      if
        i32.const 50
        br $t
      end
      i32.const 51
      local.get $m
      i32.const 1
      i32.eq
      br_if $t
      drop
      local.get $n
      call $raise
    catch $e1
      local.get $m
      i32.const 2
      i32.eq
      br_if $t
      i32.const 1
      i32.add
    catch_all
      i32.const 60
      br $t
    end)

  (func (export "br_table_own") (param $n i32) (param $m i32) (result i32)
    block $b (result i32)
      try $t (result i32)
        local.get $n
        call $raise
        local.get $m
        br_table $t $b 2 $t
      catch $e1
        local.get $m
        br_table $b $t 2 $b
      catch_all
        i32.const 33
        local.get $m
        br_table 2 $t $b $t
      end
      i32.const 1000
      i32.add
    end
    i32.const 1
    i32.add)

  ;; --- branches out of a handler: to a block, a loop, the function

  (func (export "handler_to_block") (param $n i32) (result i32)
    block $b (result i32)
      try (result i32)
        local.get $n
        call $raise
      catch $e1
        br $b
      catch $e2
        drop
        i32.const 1
        i32.add
        br $b
      catch_all
        i32.const 2
        br 2
      end
      i32.const 10
      i32.mul
    end)

  (func (export "handler_to_loop") (param $n i32) (result i32)
    (local $i i32)
    loop $again
      try
        local.get $i
        call $log
        local.get $i
        local.get $n
        i32.lt_u
        if
          local.get $n
          i32.const 1
          i32.and
          if
            throw $e0
          end
          local.get $i
          throw $e1
        end
      catch $e0
        local.get $i
        i32.const 1
        i32.add
        local.tee $i
        i32.const 20
        i32.lt_u
        br_if $again
      catch $e1
        i32.const 2
        i32.add
        local.tee $i
        i32.const 20
        i32.lt_u
        br_if $again
      end
    end
    local.get $i)

  ;; A clause whose whole handler is a branch to a loop with the payload as its parameter.
  (func (export "handler_is_br_loop") (param $n i32) (result i32)
    local.get $n
    loop $again (param i32) (result i32)
      local.set $n
      local.get $n
      call $log
      try (result i32)
        local.get $n
        i32.const 3
        i32.gt_u
        if
          local.get $n
          i32.const 8
          i32.lt_u
          if
            local.get $n
            i32.const 1
            i32.sub
            throw $e1
          end
        end
        local.get $n
      catch $e1
        br $again
      end
    end)

  (func (export "handler_returns") (param $n i32) (result i32)
    try
      local.get $n
      call $raise
      drop
    catch $e1
      return
    catch $e2
      drop
      return
    catch_all
      i32.const 3
      return
    end
    i32.const 4)

  (func (export "handler_br_function") (param $n i32) (result i32)
    i32.const 90
    try
      local.get $n
      call $raise
      drop
    catch $e1
      br 1
    catch_all
    end)

  ;; The label's type differs from the payload: the handler can't be the branch itself.
  (func (export "handler_drop_br") (param $n i32)
    block $b
      try
        local.get $n
        call $raise
        drop
      catch $e1
        drop
        br $b
      catch $e2
        drop
        drop
        br $b
      catch_all
        br $b
      end
      i32.const 1
      call $log
    end
    i32.const 2
    call $log)

  ;; --- empty handlers: each payload against each result

  (func (export "empty_none") (param $n i32)
    try
      local.get $n
      call $raise
      drop
    catch $e0
    catch_all
    end)

  (func (export "empty_i32") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $e1
    catch $e1b
    end)

  (func (export "empty_i32_i64") (param $n i32) (result i32 i64)
    try (result i32 i64)
      local.get $n
      call $raise
      i64.const 5
    catch $e2
    catch $e1
      i64.const 6
    end)

  (func (export "empty_floats") (param $n i32) (result f32 f64)
    try (result f32 f64)
      local.get $n
      call $raise
      f32.convert_i32_s
      f64.const 1
    catch $ef
    end)

  (func (export "empty_results_only_body") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    end)

  (func (export "catchless_br") (param $n i32) (result i32)
    try $t (result i32)
      i32.const 4
      local.get $n
      br_if $t
      drop
      try
      end
      i32.const 5
    end)

  (func (export "degenerate") (param $n i32) (result i32)
    try
    catch_all
    end
    try
      nop
    catch $e1
      drop
    end
    local.get $n)

  ;; --- clauses that can never run

  (func (export "duplicates") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $e1
      i32.const 1
      i32.add
    catch $e1
      i32.const 2
      i32.add
    catch $e1b
      drop
      i32.const 3
    catch $e1
    catch_all
      i32.const 4
    end)

  ;; --- dead code

  (func (export "dead_after_throw") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      throw $e1
      i32.const 1
      i32.add
      try (result i32)
        i32.const 2
        unreachable
      catch $e1
        rethrow 0
      catch_all
        rethrow 0
      end
      drop
      drop
      try
        unreachable
      delegate 0
    catch $e1
      i32.const 5
      i32.add
      return
      try (result i32)
        throw $e0
      catch $e1
        br 0
      end
      drop
      rethrow 0
    end)

  (func (export "dead_try") (param $n i32) (result i32)
    local.get $n
    return
    try (result i32)
      local.get $n
      call $raise
    catch_all
      rethrow 0
    end
    loop
      try
        br 1
      delegate 1
    end)

  (func (export "dead_if") (param $n i32) (result i32)
    block $b (result i32)
      local.get $n
      br $b
      if (result i32)
        try (result i32)
          throw $e0
        catch_all
          i32.const 1
        end
      else
        i32.const 2
      end
      call $raise
    end)

  (func (export "unreachable_end") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
      return
    catch $e1
      i32.const 2
      i32.mul
      return
    catch_all
      unreachable
    end)

  (func (export "unreachable_end_code_after") (param $n i32) (result i32)
    (local $r i32)
    try
      local.get $n
      call $raise
      throw $e1
    catch $e1
      local.set $r
    end
    local.get $r)

  ;; --- calls that leave the frame

  (func (export "return_call_in_try") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      return_call $raise
    catch_all
      i32.const -1
    end)

  (func (export "return_call_in_handler") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $e1
      i32.const 2
      i32.mul
      return_call $identity
    catch_all
      local.get $n
      return_call $raise
    end)

  (func (export "return_call_indirect_in_try") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      local.get $n
      local.get $m
      i32.const 1
      i32.and
      return_call_indirect (type $i_i)
    catch_all
      i32.const -1
    end)

  (func (export "call_indirect_in_try") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      local.get $n
      local.get $m
      call_indirect (type $i_i)
    catch $e1
      i32.const 7000
      i32.add
    end)

  ;; --- traps are not exceptions

  (func (export "trap_divide") (param $n i32) (result i32)
    try (result i32)
      i32.const 10
      local.get $n
      i32.div_s
    catch_all
      i32.const -1
    end)

  (func (export "trap_memory") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      i32.const 0x4000
      i32.mul
      local.get $n
      i32.store
      local.get $n
      i32.const 0x4000
      i32.mul
      i32.load
      call $raise
    catch_all
      i32.const -1
    end)

  (func (export "trap_unreachable") (param $n i32) (result i32)
    try (result i32)
      try (result i32)
        local.get $n
        call $raise
        drop
        unreachable
      catch $e1
      end
    catch_all
      i32.const 12
    end)

  ;; --- effects happen once, in order

  (func (export "effects") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      i32.const 1
      call $log
      i32.const 16
      local.get $n
      i32.store
      local.get $m
      global.set $g
      local.get $n
      call $raise
      i32.const 2
      call $log
    catch $e1
      i32.const 3
      call $log
      i32.const 20
      local.get $m
      i32.store
      local.get $m
      call $raise
      i32.add
    catch_all
      i32.const 4
      call $log
      global.get $g
      i32.const 1
      i32.add
      global.set $g
      local.get $m
      call $raise
    end)

  ;; --- nesting

  (func (export "in_handler") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $e1
      try (result i32)
        local.get $m
        call $raise
        i32.const 1000
        i32.add
      catch $e1
        i32.const 2000
        i32.add
      catch_all
        i32.const 3000
      end
      i32.add
    catch_all
      try (result i32)
        try (result i32)
          local.get $m
          call $raise
        catch $e2
          drop
        end
      catch $e1
        i32.const 4000
        i32.add
      end
    end)

  (func (export "in_body") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      try (result i32)
        local.get $n
        call $raise
        drop
        local.get $m
        call $raise
      catch $e0
        local.get $m
        call $raise
        i32.const 10
        i32.add
      end
      i32.const 1
      i32.add
    catch $e1
      i32.const 20
      i32.add
    catch $e2
      drop
      i32.const 30
      i32.add
    end)

  (func (export "siblings") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $e1
    catch_all
      i32.const 1
    end
    try (result i32)
      local.get $m
      call $raise
    catch $e1
    catch_all
      i32.const 2
    end
    i32.sub)

  (func (export "under_if") (param $n i32) (param $m i32) (result i32)
    local.get $m
    if (result i32)
      try (result i32)
        local.get $n
        call $raise
      catch $e1
      end
    else
      try (result i32)
        local.get $n
        call $raise
      catch $e2
        drop
      catch_all
        i32.const 6
      end
    end)

  ;; A cut operand stack: what the body left on it is gone.
  (func (export "stack_cut") (param $n i32) (result i32)
    i32.const 5
    i64.const 6
    try (result i32)
      f64.const 1
      f64.const 2
      f32.const 3
      local.get $n
      call $raise
      drop
      drop
      drop
      drop
      i32.const 70
    catch $e1
    end
    drop
    drop)

  ;; Locals keep what they got before the throw.
  (func (export "locals_survive") (param $n i32) (result i32 i32)
    (local $a i32) (local $b i32)
    try
      i32.const 1
      local.set $a
      local.get $n
      call $raise
      local.set $b
      i32.const 2
      local.set $a
    catch $e1
      local.set $b
    catch_all
    end
    local.get $a
    local.get $b)

  (func (export "many_results") (param $n i32) (result i32 i64 f32 f64 i32)
    try (result i32 i64 f32 f64 i32)
      i32.const 1
      i64.const 2
      f32.const 3
      f64.const 4
      local.get $n
      call $raise
    catch $e1
      i64.const -2
      f32.const -3
      f64.const -4
      i32.const -5
    catch $ef
      drop
      drop
      i32.const 0
      i64.const 0
      f32.const nan:0x123456
      f64.const nan:0x123456789abcd
      i32.const 0
      br 0
    end)

  (func $recurse (export "recurse") (param $n i32) (param $m i32) (result i32)
    local.get $n
    i32.const 12
    i32.gt_u
    if
      local.get $m
      return_call $raise
    end
    try (result i32)
      local.get $n
      i32.const 1
      i32.add
      local.get $m
      call $recurse
    catch $e1
      local.get $n
      i32.add
      local.get $n
      i32.const 2
      i32.rem_u
      br_if 0
      throw $e1
    end)
)
