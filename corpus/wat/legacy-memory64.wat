;; Legacy exceptions in a module with a 64-bit and a 32-bit memory, and SIMD in bodies and handlers.
(module $memory64
  (import "env" "log" (func $log (param i32)))
  (import "env" "throw_js" (func $throw_js (param i32)))
  (tag $address (export "address") (param i64))
  (tag $lanes (export "lanes") (param i32 i32 i32 i32))
  ;; Not exported: JavaScript can't read a v128.
  (tag $vector (param v128))
  (memory $big (export "big") i64 1 4)
  (memory $small (export "small") 1)
  (data (memory $small) (i32.const 0) "\00\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f")

  (func $access (param $n i32) (result i64)
    local.get $n
    i32.const 3
    i32.gt_u
    if
      local.get $n
      i32.const 5
      i32.gt_u
      if
        local.get $n
        call $throw_js
      end
      local.get $n
      i64.extend_i32_u
      throw $address
    end
    local.get $n
    i64.extend_i32_u
    i64.const 42
    i64.store $big offset=0x10 align=4
    local.get $n
    i64.extend_i32_u
    i64.load $big offset=0x10)

  (func (export "addresses") (param $n i32) (result i64)
    try (result i64)
      local.get $n
      call $access
    catch $address
      i64.const 0x1_0000_0000
      i64.add
      i32.const 64
      i64.const 7
      i64.store $small
    catch_all
      i64.const 0x20
      local.get $n
      i32.store8 $big
      rethrow 0
    end)

  (func (export "out_of_bounds") (param $n i32) (result i64)
    try (result i64)
      local.get $n
      i64.extend_i32_u
      i64.const 0x1_0000_0000
      i64.mul
      i64.load $big offset=0x1_0000_0000
    catch_all
      i64.const -1
    end)

  (func $grow (export "grow") (param $n i32) (result i64)
    try (result i64)
      local.get $n
      i64.extend_i32_u
      memory.grow $big
      local.get $n
      call $access
      i64.add
    catch $address
      memory.size $big
      i64.add
    end)

  (func $raise_lanes (param $n i32) (result v128)
    local.get $n
    i32.const 4
    i32.gt_u
    if
      local.get $n
      i32x4.splat
      v128.const i32x4 1 2 3 4
      i32x4.mul
      throw $vector
    end
    local.get $n
    i32.const 2
    i32.gt_u
    if
      i32.const 1
      i32.const 2
      i32.const 3
      local.get $n
      throw $lanes
    end
    local.get $n
    v128.load $small offset=2 align=1
    v128.const i32x4 0 0xffffffff 0 0xffffffff
    v128.and)

  (func (export "simd") (param $n i32) (result i32)
    try (result v128)
      local.get $n
      call $raise_lanes
    catch $vector
    catch $lanes
      i32x4.splat
      i8x16.popcnt
      local.get $n
      i32x4.replace_lane 2
      i32x4.extract_lane 2
      i32.add
      i32.add
      i32.add
      i32x4.splat
    end
    i8x16.bitmask)

  (func (export "simd_rethrow") (param $n i32) (result i32)
    (local $v v128)
    try (result v128)
      try (result v128)
        local.get $n
        call $raise_lanes
        local.tee $v
        local.get $v
        i8x16.shuffle 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31
      catch $vector
        i32x4.all_true
        call $log
        rethrow 0
      catch_all
        i32.const 3
        call $log
        rethrow 0
      end
    catch $vector
      i32.const 8
      i32x4.shr_u
    end
    v128.any_true)

  (func (export "delegated") (param $n i32) (result i32)
    try $t (result v128)
      try (result v128)
        try (result v128)
          local.get $n
          call $raise_lanes
        delegate $t
      catch_all
        v128.const i64x2 0 0
      end
    catch $vector
      i16x8.neg
    end
    i32x4.extract_lane 3)
)
