// What a program can do about its own failures with what recovery gives it: import declarations, and nothing
// else. The imports are resolved inside the module when it is recovered; until then it can't be instantiated
// by a host that doesn't know them.
#include "runtime.h"

#define INTRINSIC(name) extern "C" __attribute__((import_module("wasmir"), import_name(name)))

using Handler = void();

// Called when the instance was terminated; null for none. Gives the one before.
INTRINSIC("set_on_abort") Handler *set_on_abort(Handler *handler);
// Has the next call find the instance as it was at first.
INTRINSIC("schedule_reinit") void schedule_reinit();
INTRINSIC("is_terminated") int is_terminated();
// How often the instance was reset.
INTRINSIC("epoch") int epoch();

namespace {

int done;

// Handlers tell the host that they ran, and in what state.
void say(int what) { host_log(what * 10 + is_terminated()); }

void telling() { say(1); }

void starting_again() {
  say(2);
  schedule_reinit();
}

void throwing() {
  say(3);
  throw 3;
}

void trapping() {
  say(4);
  __builtin_trap();
}

void calling() {
  say(5);
  Handler *volatile other = starting_again; // an indirect call
  other();
}

Handler *const handlers[] = {nullptr, telling, starting_again, throwing, trapping, calling};

} // namespace

// Chooses a handler by number, and tells which was there: its number, or -1 for somebody else's.
EXPORT("choose") int choose(int number) {
  Handler *before = set_on_abort(handlers[number % 6]);
  for (int i = 0; i < 6; i++)
    if (handlers[i] == before)
      return i;
  return -1;
}

// Counts, and fails half way with what is no number of things to do.
EXPORT("work") int work(int n) {
  done += n;
  if (n < 0)
    __builtin_trap();
  return done;
}

// The same for those who ask for too much: a status, because exceptions are no aborts.
EXPORT("careful") int careful(int n) {
  try {
    if (n > 1000)
      throw n;
    return work(n);
  } catch (int) {
    return -1;
  }
}

EXPORT("start_again") void start_again() { schedule_reinit(); }
EXPORT("terminated") int terminated() { return is_terminated(); }
EXPORT("resets") int resets() { return epoch(); }
