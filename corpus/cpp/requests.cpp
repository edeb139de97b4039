// A ledger that answers requests, as an instance in a server does: money moves between accounts that are
// locked meanwhile, in steps between which the request may panic, trap, run out of something, or ask the
// host, which may send further requests first. What unwinds puts everything back; what traps leaves the
// money withdrawn, the accounts locked, the counts raised and its frames on the stack.
#include "runtime.h"

// The host's part of a request: it may send others, throw, or not come back at all.
extern "C" __attribute__((import_module("env"), import_name("meanwhile"))) int host_meanwhile(int number);

namespace {

enum Failure {
  none,
  panic,
  unreachable,
  division,     // by zero
  bounds,       // a load from behind the memory
  recursion,    // the engine's stack overflows
  frames,       // the stack in memory does
  memory,       // it is asked for until there is none
  null_function, // an indirect call of nothing
  other_function, // and of a function of another type
};

// What leaves the module when it refuses: why, times 100, and the account or the amount that is to blame.
struct Refused {
  int what;
};

enum Reason { busy = 1, poor = 2, unknown = 3, failed = 4 };

constexpr int account_count = 8;
constexpr int at_first = 100;
constexpr int page_size = 65536;

struct Account {
  int balance = at_first;
  bool locked = false;
};

Account accounts[account_count];
int requests_running, objects_alive, requests_served;

Account &account(int number) {
  if (number < 0 || number >= account_count)
    throw Refused{unknown * 100 + (number & 15)};
  return accounts[number];
}

struct Counted {
  explicit Counted(int &c) : count(c) { count++; }
  ~Counted() { count--; }
  int &count;
};

class Lock {
public:
  explicit Lock(int number) : held(account(number)), object(objects_alive) {
    if (held.locked)
      throw Refused{busy * 100 + number};
    held.locked = true;
  }
  ~Lock() { held.locked = false; }
  Account &held;

private:
  Counted object;
};

// Money between two accounts: back where it was, unless it arrives.
class Withdrawal {
public:
  Withdrawal(Account &f, int a) : from(f), amount(a), object(objects_alive) {
    if (from.balance < amount)
      throw Refused{poor * 100 + from.balance % 100};
    from.balance -= amount;
  }
  ~Withdrawal() { from.balance += amount; }
  void deposit(Account &to) {
    to.balance += amount;
    amount = 0;
  }

private:
  Account &from;
  int amount;
  Counted object;
};

// --- ways to fail

// Hides a value from the optimiser.
int opaque(int value) {
  __asm__ volatile("" : "+r"(value));
  return value;
}

__attribute__((noinline)) int recurse(int n) { return opaque(n) ? opaque(recurse(n + 1)) + 1 : 0; }

__attribute__((noinline)) int fill_frames(int n) {
  volatile char buffer[4096];
  for (int i = 0; i < 4096; i += 512)
    buffer[i] = char(n);
  return opaque(n) ? opaque(fill_frames(n + 1)) + buffer[512] : 0;
}

// Pages are taken one by one, as an allocator does, and written to.
void take_pages(int count) {
  for (int i = 0; i < count; i++) {
    long before = __builtin_wasm_memory_grow(0, 1);
    if (before < 0)
      __builtin_trap(); // as an allocator that nobody can tell
    *reinterpret_cast<volatile int *>(before * page_size) = i + 1;
  }
}

int fail(int how, int blame) {
  switch (how) {
  case panic:
    throw Refused{failed * 100 + blame};
  case unreachable:
    __builtin_trap();
  case division:
    return opaque(blame) / opaque(0);
  case bounds:
    return *reinterpret_cast<volatile int *>(opaque(-64));
  case recursion:
    return recurse(1);
  case frames:
    return fill_frames(1);
  case memory:
    take_pages(1 << 16);
    return 0;
  case null_function:
    return reinterpret_cast<int (*)(int)>(opaque(0))(blame);
  case other_function:
    return reinterpret_cast<int (*)(int, int, int)>(opaque(reinterpret_cast<int>(fail)))(blame, 1, 2);
  }
  return 0;
}

} // namespace

// Moves money, and gives what is left, which is what a caller believes. `meanwhile`: what the host is told
// in between, -1 for nothing.
EXPORT("transfer") int transfer(int from, int to, int amount, int how, int meanwhile) {
  Counted running(requests_running);
  volatile char notes[256]; // in the frame, which is what the stack pointer is for
  notes[amount & 255] = char(from);
  Lock first(from);
  Lock second(to);
  Withdrawal money(first.held, amount);
  if (meanwhile >= 0)
    host_meanwhile(meanwhile);
  fail(how, from);
  money.deposit(second.held);
  requests_served++;
  return first.held.balance + (notes[amount & 255] - from);
}

// The same for callers who want a status: a refusal is a negative number.
EXPORT("attempt") int attempt(int from, int to, int amount, int how, int meanwhile) {
  try {
    return transfer(from, to, amount, how, meanwhile);
  } catch (const Refused &refused) {
    return -refused.what;
  }
}

using Handler = int(int, int, int, int, int);

// The same by a function pointer, as servers choose their handlers.
EXPORT("dispatch") int dispatch(Handler *handler, int from, int to, int amount, int meanwhile) {
  Counted object(objects_alive);
  return handler(from, to, amount, none, meanwhile);
}

EXPORT("transfer_pointer") Handler *transfer_pointer() { return transfer; }

// Takes pages of memory; how many there are now.
EXPORT("reserve") int reserve(int pages) {
  Counted running(requests_running);
  take_pages(pages);
  return __builtin_wasm_memory_size(0);
}

EXPORT("balance") int balance(int number) { return account(number).balance; }

// Of all accounts; requests that run have some of it.
EXPORT("total") int total() {
  int sum = 0;
  for (const Account &each : accounts)
    sum += each.balance;
  return sum;
}

EXPORT("locked") int locked() {
  int count = 0;
  for (const Account &each : accounts)
    count += each.locked;
  return count;
}

EXPORT("objects") int objects() { return objects_alive; }
EXPORT("running") int running() { return requests_running; }
EXPORT("served") int served() { return requests_served; }
EXPORT("pages") int pages() { return __builtin_wasm_memory_size(0); }
