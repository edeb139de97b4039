;; Both dialects in one module, even in one function. Valid by the specification's rules, but recent
;; engines refuse it: only the converted module runs everywhere.
(module $mixed
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

  (func (export "legacy_only") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $e1
      i32.const 1
      i32.add
    end)

  (func (export "exnref_only") (param $n i32) (result i32)
    block $h (result i32)
      try_table (result i32) (catch $e1 $h)
        local.get $n
        call $raise
      end
      return
    end
    i32.const 2
    i32.add)

  ;; A try_table whose clauses branch out of a legacy body, and to the legacy try's label.
  (func (export "exnref_in_legacy_body") (param $n i32) (result i32)
    block $h
      try $t (result i32)
        try_table (result i32) (catch $e1 $t) (catch_all $h)
          local.get $n
          call $raise
        end
      catch_all
        i32.const 30
      end
      return
    end
    i32.const 40)

  ;; A legacy rethrow in a try_table's body, caught by that; a delegate over a try_table: it catches
  ;; what stands inside it, but not what is delegated past it.
  (func (export "legacy_in_exnref") (param $n i32) (result i32)
    block $h (result i32)
      try_table (catch $e1 $h)
        try
          local.get $n
          call $raise
          return
        catch_all
          i32.const 5
          call $log
          rethrow 0
        end
      end
      i32.const 50
    end
    i32.const 1
    i32.add)

  (func (export "delegate_to_try_table_label") (param $n i32) (result i32)
    block $h (result i32)
      try_table $tt (result i32) (catch $e1 $h)
        try (result i32)
          try (result i32)
            local.get $n
            call $raise
          delegate $tt
        catch_all
          i32.const 100
        end
      end
      i32.const 1000
      i32.add
    end
    i32.const 1
    i32.add)

  (func (export "delegate_over_try_table") (param $n i32) (result i32)
    try $t (result i32)
      block $h
        try_table (result i32) (catch_all $h)
          try (result i32)
            local.get $n
            call $raise
          delegate $t
        end
        br $t
      end
      i32.const 100
    catch $e1
      i32.const 7
      i32.add
    end)

  (func (export "exnref_in_handler") (param $n i32) (result i32)
    (local $x exnref)
    try (result i32)
      local.get $n
      call $raise
    catch_all
      block $h (result exnref)
        try_table (catch_all_ref $h)
          rethrow 2
        end
        unreachable
      end
      local.set $x
      i32.const 9
      call $log
      local.get $x
      throw_ref
    end)
)
