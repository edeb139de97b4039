;; What the model drives: every block counts in $ticks and tells the host where it is.
(module
  (import "env" "at" (func $at (param i32)))
  (import "env" "host" (func $host (param i32) (result i32)))
  (import "env" "wait" (func $wait (param i32) (result i32)))
  (import "wasmir" "schedule_reinit" (func $schedule))
  (import "wasmir" "set_on_abort" (func $set_on_abort (param i32) (result i32)))
  (import "wasmir" "is_terminated" (func $is_terminated (result i32)))
  (type $step (func (param i32) (result i32)))
  (type $procedure (func))
  (tag $own (export "own") (param i32))
  (memory (export "memory") 1 2)
  (table $table (export "table") 6 funcref)
  (elem (table $table) (i32.const 1) func $run $host $hook $wide)
  (global $ticks (export "ticks") (mut i32) (i32.const 0))
  (global $count (mut i32) (i32.const 0))

  (func $tick (param $where i32)
    (global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
    (call $at (local.get $where)))

  ;; What the host asked for.
  (func $after (param $wish i32) (result i32)
    (block $sixth (block $fifth (block $fourth (block $third (block $second (block $first
      (br_table $fifth $first $second $third $fourth $sixth $fifth (local.get $wish)))
      ;; 1: a trap
      (call $tick (i32.const 30))
      unreachable)
      ;; 2: an exception of our own
      (call $tick (i32.const 31))
      (throw $own (global.get $count)))
      ;; 3: the stack is full
      (call $tick (i32.const 32))
      (return (call $endless (i32.const 0))))
      ;; 4: out of bounds
      (call $tick (i32.const 33))
      (return (i32.load (i32.const -4))))
      ;; 0 and others
      (call $tick (i32.const 34))
      (global.set $count (i32.add (global.get $count) (i32.const 1)))
      (return (global.get $count)))
    ;; 5: reset before the next call, and what is set off inside
    (call $tick (i32.const 35))
    (call $schedule)
    (call $set_on_abort (i32.const 0)))

  (func $endless (param i32) (result i32)
    (i32.add (call $endless (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))

  (func $run (export "run") (type $step)
    (call $tick (i32.const 1))
    (call $after (call $host (local.get 0)))
    (call $tick (i32.const 2)))

  ;; Cleans up.
  (func (export "clean") (type $step)
    (call $tick (i32.const 10))
    try (result i32)
      (call $after (call $host (local.get 0)))
      (call $tick (i32.const 11))
    catch_all
      (call $tick (i32.const 12))
      rethrow 0
    end
    (call $tick (i32.const 13)))

  ;; Catches its own exceptions, and lets others pass.
  (func (export "catch") (type $step)
    (call $tick (i32.const 15))
    try (result i32)
      (call $after (call $host (local.get 0)))
    catch $own
      (call $tick (i32.const 16))
    end
    (call $tick (i32.const 17)))

  ;; Catches all.
  (func (export "swallow") (type $step)
    (call $tick (i32.const 20))
    try (result i32)
      (call $after (call $host (local.get 0)))
    catch_all
      (call $tick (i32.const 21))
      i32.const -1
    end
    (call $tick (i32.const 22)))

  ;; Waits for the host: called as a promising function, it is suspended meanwhile.
  (func (export "suspend") (type $step)
    (call $tick (i32.const 50))
    (call $after (call $wait (local.get 0)))
    (call $tick (i32.const 51)))

  ;; Through the table: 1 is $run, 2 the host's, 4 of another type, 0 and 5 null, 6 and more outside.
  (func (export "indirect") (param i32 i32) (result i32)
    (call $tick (i32.const 25))
    (call_indirect $table (type $step) (local.get 0) (local.get 1))
    (call $tick (i32.const 26)))

  (func $wide (export "wide") (param i64 f64) (result i64 f64)
    (call $tick (i32.const 28))
    (local.get 0) (local.get 1))

  ;; Runs when terminated, if set. -1 and -2 are the host's to know.
  (func $hook (export "hook") (type $procedure)
    (call $tick (i32.const 90))
    (drop (call $host (i32.const -1)))
    (call $tick (i32.const 92))
    (drop (call_indirect $table (type $step) (i32.const -2) (i32.const 1)))
    (call $tick (i32.const 91)))

  ;; From inside: its own hook by its place in the table.
  (func (export "choose_hook") (param i32) (result i32)
    (call $tick (i32.const 40))
    (call $set_on_abort (local.get 0)))
  (func (export "ask") (result i32) (call $is_terminated))
)
