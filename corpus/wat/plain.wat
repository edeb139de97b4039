;; No exception handling at all: a conversion leaves it alone, byte for byte.
(module $plain
  (import "env" "log" (func $log (param i32)))
  (memory (export "memory") 1)
  (global (export "g") (mut i32) (i32.const 0))
  (func $factorial (export "factorial") (param $n i32) (result i64)
    local.get $n
    i32.const 1
    i32.le_s
    if (result i64)
      i64.const 1
    else
      local.get $n
      i64.extend_i32_s
      local.get $n
      i32.const 1
      i32.sub
      call $factorial
      i64.mul
    end)
  (func (export "effects") (param $n i32)
    global.get 0
    local.get $n
    i32.add
    global.set 0
    local.get $n
    call $log
    local.get $n
    i32.const 2
    i32.shl
    local.get $n
    i32.store)
)
