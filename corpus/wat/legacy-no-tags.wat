;; Legacy exceptions and no tag section: nothing but catch_all, rethrow, delegate and catch-less trys.
(module $no_tags
  (import "env" "log" (func $log (param i32)))
  (import "env" "throw_js" (func $throw_js (param i32)))

  (func $may_throw (export "may_throw") (param $n i32) (result i32)
    local.get $n
    i32.const 2
    i32.gt_s
    if
      local.get $n
      call $throw_js
    end
    local.get $n)

  (func (export "swallow") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $may_throw
    catch_all
      i32.const -1
    end)

  (func (export "cleanup") (param $n i32) (result i32)
    try (result i32)
      local.get $n
      call $may_throw
    catch_all
      i32.const 1
      call $log
      rethrow 0
    end)

  (func (export "skip") (param $n i32) (result i32)
    try (result i32)
      try (result i32)
        local.get $n
        call $may_throw
      delegate 1
    catch_all
      i32.const -2
    end)

  (func (export "skip_one") (param $n i32) (result i32)
    try $t (result i32)
      try (result i32)
        try (result i32)
          local.get $n
          call $may_throw
        delegate $t
      catch_all
        i32.const -3
      end
    catch_all
      i32.const -4
    end)

  (func (export "trivial") (param $n i32) (result i32)
    try
    catch_all
    end
    try
    end
    try
    delegate 0
    local.get $n)
)
