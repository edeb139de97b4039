;; Legacy exceptions beside garbage-collected references: as payload (nullable and not), as results,
;; in non-nullable locals, and branches on references to the labels of trys.
(module $shapes_gc
  (import "env" "log" (func $log (param i32)))
  (import "env" "throw_js" (func $throw_js (param i32)))

  (rec
    (type $point (sub (struct (field $x (mut i32)) (field $y (mut i32)))))
    (type $point3 (sub $point (struct (field $x (mut i32)) (field $y (mut i32)) (field $z i32)))))
  (type $bytes (array (mut i8)))
  (type $unary (func (param i32) (result i32)))

  (tag $point_tag (export "point") (param (ref $point)))
  (tag $maybe_tag (export "maybe") (param (ref null $point)))
  (tag $bytes_tag (export "bytes") (param i32 (ref $bytes)))
  (tag $any_tag (export "any") (param anyref))
  (tag $i31_tag (export "i31") (param (ref i31)))
  (tag $func_tag (export "func") (param (ref $unary)))
  (tag $plain (export "plain"))

  (elem declare func $double)
  (func $double (type $unary) local.get 0 i32.const 2 i32.mul)

  (func $raise (export "raise") (param $n i32) (result i32)
    block $js
      block $plain
        block $func
          block $i31
            block $any
              block $bytes
                block $null
                  block $maybe
                    block $point
                      block $none
                        local.get $n
                        br_table $none $point $maybe $null $bytes $any $i31 $func $js $plain
                      end
                      local.get $n
                      return
                    end
                    i32.const 3
                    i32.const 4
                    struct.new $point
                    throw $point_tag
                  end
                  i32.const 5
                  i32.const 6
                  i32.const 7
                  struct.new $point3
                  throw $maybe_tag
                end
                ref.null $point
                throw $maybe_tag
              end
              i32.const 2
              i32.const 9
              i32.const 3
              array.new $bytes
              throw $bytes_tag
            end
            i32.const 8
            i32.const 9
            i32.const 10
            struct.new $point3
            throw $any_tag
          end
          i32.const 31
          ref.i31
          throw $i31_tag
        end
        ref.func $double
        throw $func_tag
      end
      throw $plain
    end
    local.get $n
    call $throw_js
    unreachable)

  (func (export "payload") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $raise
    catch $point_tag
      struct.get $point $y
    catch $maybe_tag
      struct.get $point $x
    catch $bytes_tag
      array.len
      i32.add
    catch $i31_tag
      i31.get_u
    catch $func_tag
      i32.const 21
      local.set $n
      drop
      local.get $n
      ref.func $double
      call_ref $unary
    catch $any_tag
      ref.test (ref $point3)
    end)

  (func (export "empty_handler") (param $n i32) (result anyref)
    try (result anyref)
      local.get $n
      call $raise
      ref.i31
    catch $any_tag
    catch $point_tag
    catch $maybe_tag
    catch $i31_tag
    end)

  (func (export "non_null_result") (param $n i32) (result i32)
    try (result (ref $point))
      local.get $n
      call $raise
      i32.const 1
      struct.new $point
    catch $point_tag
    catch $maybe_tag
      ref.as_non_null
    catch_all
      i32.const 40
      i32.const 41
      struct.new_default $point
      drop
      struct.new $point
    end
    struct.get $point $x)

  (func (export "rethrow_payload") (param $n i32) (result i32)
    try (result i32)
      try (result i32)
        local.get $n
        call $raise
      catch $point_tag
        i32.const 50
        struct.set $point $x
        rethrow 0
      catch $bytes_tag
        i32.const 0
        i32.const 77
        array.set $bytes
        call $log
        rethrow 0
      catch_all
        i32.const 1
        call $log
        rethrow 0
      end
    catch $bytes_tag
      i32.const 1
      array.get_u $bytes
      i32.add
    end)

  (func (export "delegate_payload") (param $n i32) (result i32)
    try $t (result i32)
      try (result i32)
        try (result i32)
          local.get $n
          call $raise
        delegate $t
      catch_all
        i32.const 100
      end
    catch $point_tag
      struct.get $point $x
    catch $bytes_tag
      array.len
      i32.sub
    end)

  (func (export "params_references") (param $n i32) (result i32)
    i32.const 60
    i32.const 61
    struct.new $point
    local.get $n
    try (param (ref $point) i32) (result i32)
      call $raise
      drop
      struct.get $point $y
    catch $point_tag
      struct.get $point $x
    end)

  ;; Set before the try: set in its handlers. Set inside: unset there again.
  (func (export "locals_before") (param $n i32) (result i32)
    (local $p (ref $point))
    local.get $n
    i32.const 2
    struct.new $point
    local.set $p
    try (result i32)
      local.get $n
      call $raise
    catch $point_tag
      local.get $p
      local.set $p
      local.get $p
      struct.get $point $x
      local.set $n
      struct.get $point $x
      local.get $n
      i32.add
    catch_all
      local.get $p
      struct.get $point $y
    end
    local.get $p
    struct.get $point $x
    i32.add)

  (func (export "locals_inside") (param $n i32) (result i32)
    (local $p (ref $point)) (local $b (ref $bytes))
    try
      i32.const 1
      i32.const 2
      struct.new $point
      local.set $p
      local.get $n
      call $raise
      drop
      local.get $p
      struct.get $point $x
      return
    catch $point_tag
      local.set $p
      local.get $p
      struct.get $point $y
      return
    catch $bytes_tag
      local.set $b
      drop
      local.get $b
      array.len
      return
    catch_all
      i32.const 3
      i32.const 4
      struct.new $point
      local.set $p
      local.get $n
      i32.eqz
      br_if 0
      rethrow 0
    end
    i32.const 9)

  (func (export "locals_tee_in_params") (param $n i32) (result i32)
    (local $p (ref $point))
    i32.const 70
    local.get $n
    struct.new $point
    local.tee $p
    try (param (ref $point)) (result i32)
      struct.get $point $x
      local.get $n
      call $raise
      i32.add
    catch_all
      local.get $p
      struct.get $point $y
    end)

  ;; --- branches on references, to the labels of trys

  (func (export "br_on_null") (param $n i32) (param $m i32) (result i32)
    (local $p (ref null $point))
    local.get $m
    if
      i32.const 80
      local.get $m
      struct.new $point
      local.set $p
    end
    try $t (result i32)
      i32.const 1
      local.get $p
      br_on_null $t
      struct.get $point $y
      i32.add
      local.get $n
      call $raise
      i32.add
    catch $maybe_tag
      local.set $p
      i32.const 2
      local.get $p
      br_on_null $t
      struct.get $point $x
      i32.add
    catch $point_tag
      local.set $p
      i32.const 3
      local.get $p
      br_on_null 1
      struct.get $point $x
      i32.add
    end)

  (func (export "br_on_non_null") (param $n i32) (result i32)
    try $t (result (ref $point))
      local.get $n
      call $raise
      i32.const 5
      struct.new $point
    catch $maybe_tag
      br_on_non_null $t
      i32.const 90
      i32.const 91
      struct.new $point
    end
    struct.get $point $x)

  (func (export "br_on_cast") (param $n i32) (result i32)
    block $three (result (ref $point3))
      try $t (result anyref)
        local.get $n
        call $raise
        ref.i31
      catch $any_tag
        br_on_cast $three anyref (ref $point3)
      catch $maybe_tag
        br_on_cast_fail $t anyref (ref $point3)
        br $three
      catch $point_tag
        br_on_cast $three (ref $point) (ref $point3)
      end
      drop
      i32.const 95
      return
    end
    struct.get $point3 $z)

  (func (export "br_on_cast_in_body") (param $n i32) (param $m i32) (result i32)
    (local $a anyref)
    local.get $m
    i32.const 1
    i32.and
    if
      i32.const 1
      i32.const 2
      i32.const 3
      struct.new $point3
      local.set $a
    else
      local.get $m
      ref.i31
      local.set $a
    end
    try $t (result anyref)
      try $u (result anyref)
        local.get $a
        br_on_cast $t anyref (ref $point3)
        br_on_cast_fail $u anyref (ref i31)
        drop
        local.get $n
        call $raise
        drop
        ref.null any
      delegate $t
      drop
      ref.null i31
    catch $point_tag
    catch_all
      local.get $a
    end
    ref.test (ref $point))

  (func (export "handler_is_br_reference") (param $n i32) (result i32)
    block $b (result (ref null $point))
      try
        local.get $n
        call $raise
        drop
      catch $point_tag
        br $b
      catch $maybe_tag
        br $b
      catch_all
        i32.const 5
        return
      end
      i32.const 6
      return
    end
    ref.is_null)

  (func (export "leaves_the_function") (param $n i32) (result i32)
    try (result i32)
      try (result i32)
        local.get $n
        call $raise
      delegate 1
    catch_all
      i32.const 1
    end)
)
