// Exceptions where objects are made: what was made already is destroyed, last first, and nothing else is.
// Every export takes ints and gives an int; `at` says which object can't be made (none for 0).
#include "runtime.h"

namespace {

// The host may throw wherever it is called.
int logged(int value) {
  host_log(value);
  return value;
}

struct Failure {
  int id;
};

struct Part {
  int id;
  Part(int i, int at) : id(i) {
    if (id == at)
      throw Failure{id};
    host_log(100 + id);
  }
  Part(const Part &other) : Part(other.id + 10, copies_at) {}
  ~Part() { host_log(200 + id); }
  static int copies_at;
};
int Part::copies_at = 0;

struct First : Part {
  explicit First(int at) : Part(1, at) {}
};

struct Second : Part {
  explicit Second(int at) : Part(2, at) {}
};

// Two bases, two members and a body.
struct Whole : First, Second {
  Part third, fourth;
  explicit Whole(int at) : First(at), Second(at), third(3, at), fourth(4, at) {
    if (at == 5)
      throw Failure{5};
    host_log(105);
  }
  ~Whole() { host_log(205); }
};

// A base that two bases share: only the complete object makes it, and destroys it.
struct Shared {
  Part part;
  explicit Shared(int at) : part(1, at) {}
  virtual int kind() const { return logged(1); }
};

struct Left : virtual Shared {
  Part part;
  explicit Left(int at) : Shared(at), part(2, at) {}
  int kind() const override { return logged(2); }
};

struct Right : virtual Shared {
  Part part;
  explicit Right(int at) : Shared(at), part(3, at) {}
  int kind() const override { return logged(3); }
};

struct Diamond : Left, Right {
  Part part;
  explicit Diamond(int at) : Shared(at), Left(at), Right(at), part(4, at) {
    if (at == 5)
      throw Failure{5 * kind()};
  }
  int kind() const override { return logged(4); }
};

// Once its first constructor is done an object is there, and the second one's failure destroys it.
struct Delegating {
  Part part;
  Delegating() : part(1, 0) { host_log(1); }
  explicit Delegating(int at) : Delegating() {
    if (at == 1)
      throw Failure{1};
    Part second(2, at);
  }
  ~Delegating() { host_log(2); }
};

// A handler around the members' constructors too; the object is gone when it runs.
struct Guarded {
  Part first, second;
  explicit Guarded(int at) try : first(1, at), second(2, at) {
    if (at == 3)
      throw 33;
  } catch (const Failure &failure) {
    host_log(300 + failure.id);
    if (failure.id == 2)
      throw 22; // else the exception goes on by itself
  }
};

struct Unguarded {
  Part part{7, 0};
  // Lets its exception out, unlike other destructors; the part is destroyed all the same.
  ~Unguarded() noexcept(false) try {
    host_log(400);
    if (fails)
      throw Failure{8};
  } catch (const Failure &) {
    host_log(401);
  }
  bool fails;
  explicit Unguarded(bool f) : fails(f) {}
};

struct Counted {
  int id;
  static int next, at;
  Counted() : id(++next) {
    if (id == at)
      throw Failure{id};
    host_log(100 + id);
  }
  ~Counted() { host_log(200 + id); }
};
int Counted::next = 0, Counted::at = 0;

int caught_or(int value) {
  // What is being handled, told from inside another function.
  host_log(600);
  try {
    throw;
  } catch (const Failure &failure) {
    return 1000 + failure.id;
  } catch (int number) {
    return 2000 + number;
  } catch (const char *text) {
    return 3000 + text[0];
  }
  return value;
}

} // namespace

struct Arena {
  alignas(16) char bytes[64];
  int given, returned;
};

// The pair that `new (arena) T` uses: the second only if the constructor throws.
void *operator new(size_t, Arena &arena) {
  arena.given++;
  return arena.bytes;
}
void operator delete(void *, Arena &arena) noexcept { arena.returned++; }

EXPORT("members") int members(int at) {
  try {
    Whole whole(at);
    return whole.fourth.id;
  } catch (...) {
    return caught_or(0);
  }
}

EXPORT("members_uncaught") int members_uncaught(int at) {
  Whole whole(at);
  return whole.fourth.id;
}

EXPORT("virtual_bases") int virtual_bases(int at) {
  try {
    Diamond diamond(at);
    Left &left = diamond;
    return left.kind();
  } catch (const Failure &failure) {
    return 1000 + failure.id;
  }
}

EXPORT("delegating") int delegating(int at) {
  try {
    Delegating object(at);
    return 0;
  } catch (const Failure &failure) {
    return 1000 + failure.id;
  }
}

EXPORT("constructor_try_block") int constructor_try_block(int at) {
  try {
    Guarded object(at);
    return 0;
  } catch (...) {
    return caught_or(0);
  }
}

EXPORT("destructor_try_block") int destructor_try_block(int at) {
  try {
    Unguarded object(at == 1);
    return 0;
  } catch (...) {
    return caught_or(0);
  }
}

EXPORT("function_try_block") int function_try_block(int at) try {
  Part part(1, at);
  return Part(2, at).id;
} catch (const Failure &failure) {
  at += 10; // the parameter is still there
  return 1000 + at + failure.id;
}

EXPORT("array") int array(int at) {
  Counted::next = 0;
  Counted::at = at;
  try {
    Counted counted[4];
    Counted more[2][2];
    return counted[3].id + more[1][1].id;
  } catch (const Failure &failure) {
    return 1000 + failure.id;
  }
}

EXPORT("array_of_given") int array_of_given(int at) {
  try {
    Part parts[3] = {Part(1, at), Part(2, at), Part(3, at)};
    return parts[2].id;
  } catch (const Failure &failure) {
    return 1000 + failure.id;
  }
}

EXPORT("array_new") int array_new(int count, int at) {
  Counted::next = 0;
  Counted::at = at;
  int before = allocations_alive();
  int result = 0;
  try {
    auto *counted = new Counted[count];
    result = Counted::next;
    delete[] counted;
  } catch (...) {
    result = caught_or(0);
  }
  return result * 10 + allocations_alive() - before;
}

EXPORT("single_new") int single_new(int at) {
  int before = allocations_alive();
  try {
    auto *whole = new Whole(at);
    delete whole;
  } catch (const Failure &failure) {
    return 100 * logged(failure.id) + allocations_alive() - before;
  }
  return allocations_alive() - before;
}

EXPORT("placement_new") int placement_new(int at) {
  Arena arena = {{}, 0, 0};
  try {
    auto *part = new (arena) Part(1, at);
    part->~Part();
  } catch (const Failure &) {
    host_log(500);
  }
  return arena.given * 10 + arena.returned;
}

// Made by the first call that succeeds.
static int once(int at) {
  static Part first(8, at);
  static Whole second(at);
  return first.id + second.fourth.id;
}

EXPORT("static_local") int static_local(int at) {
  try {
    return once(8 - at);
  } catch (const Failure &failure) {
    return 1000 + failure.id;
  }
}

static int takes(Part one, Part two, int three) { return one.id + two.id + three; }

static int gives(int at) {
  Part part(3, at);
  return part.id;
}

EXPORT("arguments") int arguments(int at) {
  try {
    return takes(Part(1, at), Part(2, at), gives(at));
  } catch (const Failure &failure) {
    return 1000 + failure.id;
  }
}

static Part made(int at) {
  Part result(1, at);
  Part other(2, at);
  if (at == 3)
    throw Failure{3}; // the result is there already, and must go
  return result;
}

EXPORT("results") int results(int at) {
  try {
    return made(at).id + (at == 4 ? throw Failure{4} : made(at == 5 ? 1 : 0).id);
  } catch (const Failure &failure) {
    return 1000 + failure.id;
  }
}

// Which of the two temporaries there is to destroy is known only when it runs.
EXPORT("conditional") int conditional(int n, int at) {
  try {
    const Part &part = n & 1 ? Part(1, at) : Part(2, at);
    const Part &copy = (n & 2) && Part(3, at).id ? Part(4, at) : part;
    return 10 * part.id + copy.id;
  } catch (const Failure &failure) {
    return 1000 + failure.id;
  }
}

namespace {

// An exception that can't be copied or made at times.
struct Fragile {
  Part part;
  explicit Fragile(int at) : part(6, at) {}
};

} // namespace

// 1: it is copied to be thrown, and that throws; 2: it is copied for its handler, where nothing may throw.
EXPORT("thrown_object") int thrown_object(int at) {
  Part::copies_at = 0;
  int result = 0;
  try {
    Fragile fragile(at == 3 ? 6 : 0);
    Part::copies_at = at == 1 ? 16 : at == 2 ? 26 : 0;
    throw fragile;
  } catch (Fragile caught) {
    result = caught.part.id;
  } catch (const Failure &failure) {
    result = 1000 + failure.id;
  }
  Part::copies_at = 0;
  return result;
}
