;; Exceptions across the border: JavaScript's values and their identity, WebAssembly.Exception objects,
;; tags that are imported twice under different indices, JSTag, and callbacks with host frames between.
(module $shapes_host
  (import "env" "log" (func $log (param i32)))
  (import "env" "throw_js" (func $throw_js (param i32)))
  ;; Throws one particular WebAssembly.Exception of env.tag, always the same object for a number.
  (import "env" "throw_wasm" (func $throw_wasm (param i32)))
  ;; Calls the export `callback` and lets what it throws pass.
  (import "env" "call_back" (func $call_back (param i32) (result i32)))
  ;; Calls the export `callback`, and logs what it threw, if it did, and returns -1 then.
  (import "env" "call_back_catching" (func $call_back_catching (param i32) (result i32)))
  ;; One tag under two indices: which clause takes an exception is decided by its address.
  (import "env" "tag" (tag $t (param i32)))
  (import "env" "tag" (tag $alias (param i32)))
  (import "env" "other_tag" (tag $other (param i32)))
  (import "env" "js_tag" (tag $js (param externref)))

  (tag $own (export "own") (param i32))
  (export "alias" (tag $alias))
  (global (export "count") (mut i32) (i32.const 0))

  (func $raise (param $n i32) (result i32)
    block $js4
      block $own
        block $other
          block $alias
            block $t
              block $host
                block $none
                  local.get $n
                  br_table $none $host $t $alias $other $own $js4
                end
                i32.const 0
                return
              end
              i32.const 1
              call $throw_wasm
            end
            i32.const 2
            throw $t
          end
          i32.const 3
          throw $alias
        end
        i32.const 4
        throw $other
      end
      i32.const 5
      throw $own
    end
    local.get $n
    call $throw_js
    unreachable)

  (func (export "callback") (param $n i32) (result i32)
    global.get 0
    i32.const 1
    i32.add
    global.set 0
    try (result i32)
      local.get $n
      i32.const 10
      i32.rem_u
      call $raise
    catch_all
      i32.const 20
      call $log
      rethrow 0
    end)

  (func (export "raise") (param $n i32) (result i32)
    local.get $n
    call $raise)

  (func (export "rethrow_keeps_identity") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch_all
      i32.const 1
      call $log
      rethrow 0
    end)

  (func (export "rethrow_by_tag_keeps_identity") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $t
      call $log
      rethrow 0
    catch $other
      i32.const 100
      i32.add
      call $log
      rethrow 0
    end)

  (func (export "delegate_keeps_identity") (param $n i32) (result i32)
    try $a (result i32)
      try (result i32)
        try (result i32)
          local.get $n
          call $raise
        delegate $a
      catch_all
        i32.const 100
      end
    catch $other
      call $log
      rethrow 0
    end)

  (func (export "alias_second") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $alias
      i32.const 10
      i32.add
    catch $t
      i32.const 20
      i32.add
    end)

  (func (export "alias_first") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $t
      i32.const 20
      i32.add
    catch $other
      i32.const 30
      i32.add
    catch $alias
      i32.const 10
      i32.add
    catch_all
      i32.const 1
    end)

  ;; The chain of a delegate has one tag under both indices: both clauses must stay.
  (func (export "alias_delegate") (param $n i32) (result i32)
    try $a (result i32)
      try (result i32)
        try (result i32)
          local.get $n
          call $raise
        delegate $a
      catch $alias
        i32.const 100
        i32.add
      end
    catch $t
      i32.const 10
      i32.add
    end)

  ;; Nothing statically known says that the intermediate clause can't take it.
  (func (export "alias_delegate_out") (param $n i32) (result i32)
    try $a (result i32)
      try (result i32)
        try (result i32)
          local.get $n
          call $raise
        delegate $a
      catch $t
        i32.const 100
        i32.add
      end
    catch $other
      i32.const 10
      i32.add
    end)

  (func (export "rethrow_alias_before_catch_all") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $t
      rethrow 0
    catch $alias
      i32.const 50
      i32.add
    catch_all
      i32.const 60
    end)

  (func (export "js_payload") (param $n i32) (result externref)
    try (result externref)
      local.get $n
      call $raise
      drop
      ref.null extern
    catch $js
    end)

  (func (export "js_payload_rethrow") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $js
      ref.is_null
      call $log
      rethrow 0
    catch_all
      i32.const 2
      call $log
      rethrow 0
    end)

  (func (export "js_payload_thrown_again") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $js
      throw $js
    end)

  (func (export "through_host") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $call_back
    catch $t
      i32.const 1000
      i32.add
      call $log
      rethrow 0
    catch_all
      i32.const 21
      call $log
      rethrow 0
    end)

  (func (export "through_host_delegate") (param $n i32) (result i32)
    try $a (result i32)
      try (result i32)
        try (result i32)
          local.get $n
          call $call_back
        delegate $a
      catch_all
        i32.const 22
      end
    catch $alias
      i32.const 10
      i32.add
    end)

  ;; An exception alive here while the host catches another one there.
  (func (export "interleaved") (param $n i32) (param $m i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch_all
      local.get $m
      call $call_back_catching
      call $log
      try (result i32)
        local.get $m
        call $call_back
      catch $own
        i32.const 7
        i32.add
      catch_all
        rethrow 1
      end
    end)
)
