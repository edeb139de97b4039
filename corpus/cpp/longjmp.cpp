// setjmp and longjmp: the other exceptions that LLVM makes, beside C++'s own. Every export takes ints and
// gives an int. No jump passes an object that has a destructor: C++ leaves open what would become of it.
#include "runtime.h"
#include "sjlj.h"

namespace {

JumpBuffer outer, inner;

__attribute__((noinline)) int jump(JumpBuffer *buffer, int value) {
  host_log(100 + value);
  if (value >= 0)
    longjmp(buffer, value);
  return value;
}

__attribute__((noinline)) int descend(int depth, JumpBuffer *buffer, int value) {
  if (depth <= 0)
    return jump(buffer, value);
  host_log(depth);
  return descend(depth - 1, buffer, value) + 1;
}

} // namespace

// setjmp gives what longjmp said, and 1 for 0.
EXPORT("value") int value(int n) {
  JumpBuffer here;
  int result = setjmp(&here);
  if (result)
    return 1000 + result;
  return jump(&here, n);
}

EXPORT("through_frames") int through_frames(int depth, int n) {
  JumpBuffer here;
  if (int result = setjmp(&here))
    return 1000 + result;
  return descend(depth & 7, &here, n);
}

static int between(int which, int n) {
  if (int result = setjmp(&inner)) {
    host_log(1);
    if (result == 2)
      longjmp(&outer, 20); // from where the inner jump landed
    return 2000 + result;
  }
  return descend(2, which & 1 ? &outer : &inner, n);
}

// A jump passes a function that has a setjmp of its own, or lands there.
EXPORT("nested") int nested(int which, int n) {
  if (int result = setjmp(&outer))
    return 1000 + result;
  return between(which, n);
}

// Two calls of setjmp in one function: the jump says which one returns again.
EXPORT("two_places") int two_places(int which, int n) {
  JumpBuffer first, second;
  volatile int steps = 0;
  int a = setjmp(&first);
  if (a > 3)
    return 3000 + a + steps;
  steps = steps + 1;
  int b = setjmp(&second);
  host_log(a * 10 + b);
  steps = steps + 10;
  if (b > 3)
    return 4000 + b + steps;
  jump(which & 1 ? &first : &second, n < 0 ? n : (n & 3) + steps - 10);
  return a + b + steps;
}

EXPORT("retries") int retries(int n) {
  JumpBuffer here;
  volatile int tries = 0;
  for (volatile int i = 0; i < 3; i = i + 1) {
    int result = setjmp(&here);
    host_log(i * 100 + result);
    tries = tries + 1;
    if (result < n && tries < 6)
      longjmp(&here, result + 1);
  }
  return tries;
}

using Function = int (*)(int);

static int fine(int n) { return n * 2; }
static int failing(int n) { return jump(&outer, n); }
static int throwing(int n) {
  if (n > 2)
    throw n;
  return -n;
}
static const Function functions[] = {fine, failing, throwing};

// An interpreter's protected call: a status for whatever a function does.
EXPORT("protected_call") int protected_call(int which, int n) {
  JumpBuffer saved = outer;
  int status = setjmp(&outer);
  int result = 0;
  if (status == 0)
    result = functions[unsigned(which) % 3](n);
  outer = saved;
  return status * 100 + result;
}

// Both kinds in one function: one lands here, the other in the handler.
EXPORT("both_kinds") int both_kinds(int which, int n) {
  JumpBuffer here;
  volatile int state = 0;
  int status = setjmp(&here);
  if (status > 2)
    return 1000 + status;
  try {
    state = state + 1;
    if (which & 1)
      throwing(n);
    if (which & 2)
      jump(&here, n < 0 ? n : state);
    return 2000 + state;
  } catch (int caught) {
    return 3000 + 10 * caught + state;
  }
}

// A handler that jumps is left like any other way: its exception is done with.
static int handled(int n) {
  try {
    return throwing(n);
  } catch (int caught) {
    host_log(caught);
    n = caught;
  }
  longjmp(&outer, n);
}

EXPORT("jump_after_handler") int jump_after_handler(int n) {
  if (int result = setjmp(&outer))
    return 1000 + result;
  return handled(n);
}

struct Cleaner {
  int id;
  ~Cleaner() { host_log(200 + id); }
};

// A jump and its landing inside a destructor, while an exception passes. Not in the destructor itself: what
// may not let an exception out must not be jumped in, to LLVM, which makes one of the other.
static void jump_and_land(int n) {
  JumpBuffer here;
  if (setjmp(&here))
    host_log(300 + n);
  else
    jump(&here, n);
}

struct Jumper {
  int n;
  ~Jumper() { jump_and_land(n); }
};

EXPORT("while_unwinding") int while_unwinding(int n, int m) {
  try {
    Cleaner a{1};
    Jumper b{m};
    Cleaner c{2};
    return throwing(n);
  } catch (int caught) {
    return 1000 + caught;
  }
}

EXPORT("callback") int callback(int n) { return descend(n & 3, n & 4 ? &inner : &outer, n); }

// Through the host's frame.
EXPORT("through_host") int through_host(int n) {
  if (int result = setjmp(&outer))
    return 1000 + result;
  if (int result = setjmp(&inner))
    return 2000 + result;
  return host_call_back(n);
}
