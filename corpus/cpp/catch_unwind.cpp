// A call that can fail, between two objects that have to be destroyed, and one place that turns a failure
// into a status: what an embedder sees of a panic, of its own exceptions, and of a trap. Nothing here mends
// anything: it shows what is left behind, in the counters, the log and the stack pointer.
#include "runtime.h"

namespace {

enum Failure { none, panic, host_value, host_exception, trap, nested_panic };

struct Panic {
  int payload;
};

struct Event {
  int what;
  int id;
};

// What happened since the last `clear`, for who looks at the memory or asks `event`.
constexpr int capacity = 64;
Event events[capacity];
int event_count, objects_alive, calls_running;

void note(int what, int id) {
  if (event_count < capacity)
    events[event_count++] = {what, id};
}

struct Resource {
  int id;
  volatile int contents[8]; // in the frame, which is what the stack pointer is for
  explicit Resource(int i) : id(i) {
    contents[i & 7] = i;
    objects_alive++;
    note(1, id);
  }
  ~Resource() {
    objects_alive--;
    note(2, id);
  }
};

} // namespace

// Called by the host, from `imported`: fails in the way that `failure` says.
EXPORT("callback") int callback(int failure) {
  switch (failure) {
  case panic:
    throw Panic{42};
  case host_value:
    host_throw(1);
    break;
  case host_exception:
    host_throw_wasm(7);
    break;
  case trap:
    __builtin_trap();
  case nested_panic:
    // One that is caught inside, and another one in its handler.
    try {
      throw Panic{1};
    } catch (const Panic &first) {
      Resource third(3);
      throw Panic{first.payload + 54};
    }
  }
  return failure;
}

// The host's function: it may throw, or not come back at all.
static int imported(int failure) { return host_call_back(failure); }

EXPORT("some_func") int some_func(int failure) {
  Resource first(1);
  Resource second(2);
  calls_running++;
  int result = imported(failure);
  calls_running--;
  return result + second.contents[2] + first.contents[1];
}

struct Outcome {
  int status; // 0: returned; 1: panicked
  int value;  // the result, or the panic's payload
};

// Runs a function with an argument: what it throws becomes a status, what isn't a panic passes.
static Outcome catch_unwind(int (*function)(int), int argument) {
  try {
    return {0, function(argument)};
  } catch (const Panic &caught) {
    return {1, caught.payload};
  }
}

EXPORT("run") int run(int failure) {
  Outcome outcome = catch_unwind(some_func, failure);
  return outcome.status * 1000 + outcome.value;
}

// The same with a function of the table, as hosts that hold function pointers call it.
EXPORT("catch_unwind") int catch_unwind_in_table(int (*function)(int), int argument) {
  Outcome outcome = catch_unwind(function, argument);
  return outcome.status * 1000 + outcome.value;
}

EXPORT("some_func_pointer") int (*some_func_pointer())(int) { return some_func; }

// A call inside a call: the inner failure is dealt with, the outer goes on or fails in its own way.
EXPORT("run_twice") int run_twice(int inner, int outer) {
  Resource around(4);
  Outcome first = catch_unwind(some_func, inner);
  note(3, first.status);
  Outcome second = catch_unwind(some_func, outer);
  return first.status * 10 + second.status;
}

EXPORT("alive") int alive() { return objects_alive; }
// Calls of the import that neither returned nor were accounted for.
EXPORT("running") int running() { return calls_running; }
EXPORT("event_count") int count() { return event_count; }
EXPORT("event") int event(int index) {
  if (index < 0 || index >= event_count)
    return -1;
  return events[index].what * 100 + events[index].id;
}
EXPORT("events") const void *events_address() { return events; }
EXPORT("clear") void clear() { event_count = 0, objects_alive = 0, calls_running = 0; }
