;; The exnref dialect by itself: what a conversion to exnref must leave alone, byte for byte.
(module $exnref
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

  (func (export "all_clauses") (param $n i32) (result i32)
    (local $x exnref)
    block $all (result exnref)
      block $one (result i32)
        block $one_ref (result i32 exnref)
          block $zero
            try_table (result i32)
                (catch $e0 $zero) (catch_ref $e1 $one_ref) (catch $e1 $one) (catch_all_ref $all)
              local.get $n
              call $raise
            end
            return
          end
          i32.const 20
          return
        end
        local.set $x
        call $log
        local.get $x
        throw_ref
      end
      return
    end
    local.tee $x
    ref.is_null
    call $log
    local.get $x
    throw_ref)

  (func (export "catch_to_loop") (param $n i32) (result i32)
    local.get $n
    i32.const 7
    i32.and
    local.set $n
    loop $again
      local.get $n
      i32.const 1
      i32.sub
      local.set $n
      try_table (catch_all $again)
        local.get $n
        call $raise
        drop
      end
    end
    local.get $n)
)
