// What happens while an exception is handled, and where it comes through: other exceptions in handlers,
// ways out of them, virtual calls, function pointers, the host. Every export takes ints and gives an int.
#include "runtime.h"

namespace {

// The host may throw wherever it is called.
int logged(int value) {
  host_log(value);
  return value;
}

struct Error {
  int code;
  explicit Error(int c) : code(c) { host_log(100 + code); }
  Error(const Error &other) : code(other.code) { host_log(150 + code); }
  virtual ~Error() { host_log(200 + code); }
  virtual int weight() const { return logged(code); }
};

struct Heavy : Error {
  using Error::Error;
  int weight() const override { return logged(10 * code); }
};

struct Tagged {
  int tag;
  explicit Tagged(int t) : tag(t) {}
  virtual int kind() const { return logged(tag); }
};

// Two bases: a handler for the second gets another address than one for the first.
struct Both : Error, Tagged {
  explicit Both(int c) : Error(c), Tagged(c + 50) {}
};

struct Hidden : private Error, Tagged {
  explicit Hidden(int c) : Error(c), Tagged(c + 60) {}
};

// A base by two ways, in one place.
struct Mark : virtual Tagged {
  Mark() : Tagged(1) {}
};

struct Stamp : virtual Tagged {
  Stamp() : Tagged(2) {}
};

struct Sealed : Mark, Stamp {
  Sealed() : Tagged(70) { host_log(70); }
  int kind() const override { return logged(71); }
};

struct Guard {
  int id;
  int before = uncaught_exceptions();
  explicit Guard(int i) : id(i) { host_log(300 + id); }
  // Tells a way out by an exception from the other.
  ~Guard() { host_log((uncaught_exceptions() > before ? 500 : 400) + id); }
};

__attribute__((noinline)) int raise(int n) {
  switch (n) {
  case 1:
    throw Error(1);
  case 2:
    throw Heavy(2);
  case 3:
    throw 3;
  case 4:
    throw "four";
  case 5:
    throw Both(5);
  case 6:
    throw Hidden(6);
  case 7:
    throw Sealed();
  case 8:
    host_throw(2);
    return -1;
  case 9:
    host_throw_wasm(9);
    return -1;
  default:
    return n;
  }
}

// Only for use in a handler.
int classified() {
  try {
    throw;
  } catch (const Heavy &e) {
    return 1000 + e.weight();
  } catch (const Error &e) {
    return 2000 + e.weight();
  } catch (const Tagged &t) {
    return 3000 + t.kind();
  } catch (int value) {
    return 4000 + value;
  } catch (const char *text) {
    return 5000 + text[0];
  }
}

} // namespace

EXPORT("classify") int classify(int n) {
  Guard g(1);
  try {
    return raise(n);
  } catch (...) {
    return classified();
  }
}

// Here, because a trap in a handler leaves its exception there to be thrown again.
EXPORT("terminates_rethrowing_nothing") int terminates_rethrowing_nothing(int n) {
  if (n == 1)
    throw;
  return n;
}

EXPORT("second_base") int second_base(int n) {
  try {
    return raise(n);
  } catch (const Tagged &t) {
    return t.tag * 100 + t.kind();
  }
}

// The exception that was being handled is destroyed when another leaves its handler.
EXPORT("thrown_in_handler") int thrown_in_handler(int n, int m) {
  try {
    Guard outer(1);
    try {
      Guard inner(2);
      return raise(n);
    } catch (const Error &e) {
      Guard handler(3);
      return e.code + raise(m);
    } catch (int value) {
      return value + raise(m);
    }
  } catch (...) {
    return classified();
  }
}

EXPORT("handlers_in_handlers") int handlers_in_handlers(int n, int m) {
  int sum = 0;
  try {
    sum += raise(n);
  } catch (const Error &one) {
    try {
      sum += raise(m);
    } catch (const Error &two) {
      try {
        sum += raise(m == 1 ? 2 : n);
      } catch (const Heavy &three) {
        sum += 100 * three.weight() + 10 * two.weight() + one.weight();
        if (n == m)
          throw;
      }
      sum += two.weight();
    }
    sum += one.weight();
    if (m == 5)
      throw; // the first one: those since are done with
  }
  return sum;
}

// A handler by reference changes the very object that goes on.
EXPORT("changed_and_rethrown") int changed_and_rethrown(int n, int m) {
  try {
    try {
      try {
        return raise(n);
      } catch (Error &e) {
        e.code += 10;
        if (m & 1)
          throw;
        throw e; // a copy of the part that the handler knows
      }
    } catch (Heavy &e) {
      e.code += 20;
      throw;
    } catch (Error &e) {
      e.code += 40;
      if (m & 2)
        throw;
      return e.weight();
    }
  } catch (const Error &e) {
    return 1000 + e.weight();
  }
}

// A handler whose own calls throw and catch, as deep as is asked for.
static int unrolled(int depth, int n) {
  try {
    throw Heavy(depth);
  } catch (const Error &e) {
    int below = depth > 0 ? unrolled(depth - 1, n) : raise(n);
    return below + e.weight();
  }
}

EXPORT("recursion_in_handlers") int recursion_in_handlers(int depth, int n) {
  try {
    return unrolled(depth & 3, n);
  } catch (...) {
    return classified();
  }
}

// All the ways out of a handler that C++ has.
EXPORT("ways_out") int ways_out(int n, int way) {
  int sum = 0;
  for (int i = 0; i < 4; i++) {
    Guard g(i);
    try {
      sum += raise(i & 1 ? n : 0);
    } catch (const Error &e) {
      Guard h(10 + i);
      switch (way) {
      case 0:
        sum += e.weight();
        break;
      case 1:
        continue;
      case 2:
        goto done;
      case 3:
        return 7000 + sum;
      case 4:
        n = 3;
        i--;
        continue;
      default:
        throw;
      }
      sum += 10;
    } catch (int value) {
      sum += value * 100;
      if (way == 4)
        break;
    }
    sum++;
  }
  sum += 1000;
done:
  return sum;
}

namespace {

struct Shape {
  virtual int area(int n) const { return n; }
  virtual int checked(int n) const noexcept { return n; }
};

struct Square : Shape {
  int area(int n) const override {
    Guard g(20);
    return raise(n) * 2;
  }
  int checked(int n) const noexcept override {
    try {
      return raise(n);
    } catch (int value) {
      return -value;
    }
  }
};

struct Circle : Square {
  int area(int n) const override {
    try {
      return Square::area(n) + 1;
    } catch (const Heavy &) {
      throw Error(8);
    }
  }
};

const Shape shape;
const Square square;
const Circle circle;
const Shape *const shapes[] = {&shape, &square, &circle};

using Function = int (*)(int);
const Function functions[] = {raise, classify, second_base};

} // namespace

EXPORT("virtual_calls") int virtual_calls(int which, int n) {
  Guard g(2);
  int sum = 0;
  try {
    for (int i = 0; i < 3; i++)
      sum += shapes[(unsigned(which) + i) % 3]->area(n);
    return sum;
  } catch (const Error &e) {
    return sum * 100 + e.weight();
  }
}

EXPORT("virtual_noexcept") int virtual_noexcept(int which, int n) {
  return shapes[unsigned(which) % 3]->checked(n);
}

EXPORT("function_pointers") int function_pointers(int which, int n) {
  Guard g(3);
  try {
    return functions[unsigned(which) % 3](n);
  } catch (const Error &e) {
    return 6000 + e.weight();
  }
}

EXPORT("callback") int callback(int n) {
  Guard g(4);
  try {
    return raise(n);
  } catch (const Heavy &) {
    throw;
  }
}

// Out through the host's frame and in again, or only as far as the host.
EXPORT("through_host") int through_host(int n, int catching) {
  Guard g(5);
  try {
    return catching ? host_call_back_catching(n) : host_call_back(n);
  } catch (...) {
    return classified();
  }
}

// What the host throws has none of C++'s types: destructors run, and `catch (...)` lets it pass.
EXPORT("host_exceptions") int host_exceptions(int n, int wasm) {
  Guard g(6);
  try {
    Guard h(7);
    if (wasm & 1)
      host_throw_wasm(n);
    if (wasm & 2)
      host_throw(n);
    return raise(n);
  } catch (...) {
    host_log(1);
    return -1;
  }
}

static int alone(int n) noexcept {
  Guard g(8);
  try {
    return raise(n);
  } catch (int value) {
    return value + raise(n - 2); // what this throws has nowhere to go
  }
}

EXPORT("terminates") int terminates(int n) {
  try {
    return alone(n);
  } catch (...) {
    return -1;
  }
}
