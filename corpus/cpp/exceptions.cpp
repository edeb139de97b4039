// What C++ programs do with exceptions, one small export for each; every export takes ints and gives
// an int, and logs what happens on the way.
#include "runtime.h"

namespace {

// The host may throw wherever it is called.
int logged(int value) {
  host_log(value);
  return value;
}

struct Base {
  int value;
  explicit Base(int v) : value(v) {}
  Base(const Base &other) : value(other.value) { host_log(70 + value); }
  virtual ~Base() { host_log(80 + value); }
  virtual int kind() const { return logged(1); }
};

struct Derived : Base {
  using Base::Base;
  int kind() const override { return logged(2); }
};

struct Other {
  int code;
};

// Says when it comes and goes.
struct Guard {
  int id;
  explicit Guard(int i) : id(i) { host_log(100 + id); }
  ~Guard() { host_log(200 + id); }
};

// A destructor that throws and catches on its own, while another exception passes.
struct Busy {
  int n;
  ~Busy();
};

__attribute__((noinline)) int raise(int n) {
  switch (n) {
  case 1:
    throw 42;
  case 2:
    throw Base(2);
  case 3:
    throw Derived(3);
  case 4:
    throw Other{4};
  case 5:
    host_throw(1);
    return -1;
  default:
    return n;
  }
}

Busy::~Busy() {
  try {
    raise(n);
  } catch (int value) {
    host_log(300 + value);
  } catch (...) {
    host_log(399);
  }
}

} // namespace

EXPORT("typed") int typed(int n) {
  try {
    return raise(n);
  } catch (int value) {
    return 1000 + value;
  } catch (const Derived &e) {
    return 2000 + e.kind();
  } catch (const Base &e) {
    return 3000 + e.kind();
  }
}

EXPORT("by_base") int by_base(int n) {
  try {
    return raise(n);
  } catch (Base &e) {
    return 3000 + e.kind();
  } catch (...) {
    return 4000;
  }
}

EXPORT("by_value") int by_value(int n) {
  try {
    return raise(n);
  } catch (Base e) {
    return 3000 + e.kind() + e.value;
  } catch (Other o) {
    return 3500 + o.code;
  }
}

EXPORT("cleanup") int cleanup(int n) {
  Guard a(1);
  Guard b(2);
  int result = raise(n);
  {
    Guard c(3);
    result += raise(n + 1);
  }
  return result;
}

EXPORT("cleanup_caught") int cleanup_caught(int n, int m) {
  try {
    Guard a(1);
    try {
      Guard b(2);
      return raise(n);
    } catch (int value) {
      Guard c(3);
      return value + raise(m);
    }
  } catch (const Base &e) {
    Guard d(4);
    return 10 + e.value + raise(m == 2 ? 0 : m);
  } catch (int value) {
    return 7000 + value;
  }
}

EXPORT("rethrow") int rethrow(int n, int m) {
  try {
    try {
      return raise(n);
    } catch (...) {
      host_log(1);
      if (m == 0)
        throw;
      if (m == 1)
        throw Other{9};
      Guard g(5);
      if (m == 2)
        throw;
      return 1;
    }
  } catch (int value) {
    return 2000 + value;
  } catch (const Other &o) {
    return 3000 + o.code;
  }
}

EXPORT("nested") int nested(int n, int m) {
  int sum = 0;
  for (int i = 0; i < 3; i++) {
    Guard g(i);
    try {
      sum += raise(n);
      try {
        sum += raise(m + i);
      } catch (int value) {
        sum += value * 10;
        if (i == 1)
          continue;
      } catch (const Derived &) {
        try {
          sum += raise(n + i + 2);
        } catch (const Base &) {
          sum += 5;
          break;
        }
      }
      sum += 100;
    } catch (const Other &o) {
      sum += o.code * 1000;
    }
  }
  return sum;
}

EXPORT("busy_destructors") int busy_destructors(int n, int m) {
  try {
    Busy a{m};
    Busy b{m + 1};
    return raise(n);
  } catch (int value) {
    return value;
  } catch (const Base &e) {
    return e.value;
  }
}

static int must_not_throw(int n) noexcept {
  Guard g(6);
  return raise(n);
}

EXPORT("terminates") int terminates(int n) {
  try {
    return must_not_throw(n == 2 || n == 5 ? n : 0);
  } catch (...) {
    return -1;
  }
}

EXPORT("callback") int callback(int n) {
  Guard g(7);
  return raise(n);
}

EXPORT("through_host") int through_host(int n) {
  Guard g(8);
  try {
    return host_call_back(n);
  } catch (int value) {
    return 5000 + value;
  } catch (const Base &e) {
    return 6000 + e.value;
  }
}

static int climb(int depth, int n) {
  Guard g(depth);
  if (depth == 0)
    return raise(n);
  try {
    return climb(depth - 1, n) + 1;
  } catch (const Other &) {
    if (depth < 3)
      throw;
    return 10 * depth;
  }
}

EXPORT("recursion") int recursion(int n) { return climb(5, n); }

// Big enough a frame that the stack pointer has to be restored in every handler.
EXPORT("stack_pointer") int stack_pointer(int n) {
  volatile int values[64];
  for (int i = 0; i < 64; i++)
    values[i] = i;
  int sum = 0;
  for (int i = 0; i < 6; i++) {
    try {
      Guard g(i);
      values[i] = raise((n + i) & 3);
      sum += values[i];
    } catch (int value) {
      volatile int more[32];
      more[i] = value;
      sum += more[i] + values[i];
    } catch (const Base &e) {
      sum += e.value + values[63 - i];
    }
  }
  return sum;
}
