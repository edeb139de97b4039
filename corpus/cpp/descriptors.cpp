// The shape of what wasm-bindgen's macros make: for each exported function another one that says what it
// takes and gives, by calling an import with one number after the other; and for each use of a generic import
// a function, not exported, that says which it is, and then calls a marker. Compiled with unwinding, both have
// landing pads, which nothing reaches.
#include "runtime.h"

extern "C" {
__attribute__((import_module("__wbindgen_placeholder__"), import_name("__wbindgen_describe"))) void describe(unsigned);
__attribute__((import_module("__wbindgen_placeholder__"), import_name("__wbindgen_describe_generic_import"))) void
generic_import(const void *, unsigned);
}

enum Kind : unsigned { I8, U8, I32 = 4, U32, F64 = 13, FUNCTION = 15, CLOSURE, STRING = 18, REF, OPTION = 31, UNIT = 33 };

// What a function has to clean up.
struct Scope {
  const char *name;
  ~Scope() { host_log(name[0]); }
};

template <class T> struct Described;
template <> struct Described<int> {
  static void say() { describe(I32); }
};
template <> struct Described<double> {
  static void say() { describe(F64); }
};
template <> struct Described<void> {
  static void say() { describe(UNIT); }
};
template <> struct Described<const char *> {
  static void say() {
    Scope scope{"text"};
    describe(REF);
    describe(STRING);
  }
};
template <class T> struct Described<T *> {
  static void say() {
    describe(OPTION);
    Described<T>::say();
  }
};
template <class R, class... A> struct Described<R(A...)> {
  static void say() {
    Scope scope{"function"};
    describe(FUNCTION);
    describe(0);
    describe(sizeof...(A));
    (Described<A>::say(), ...);
    Described<R>::say();
    Described<R>::say();
  }
};

template <class F> __attribute__((noinline)) void imported(unsigned shim) {
  Scope scope{"import"};
  describe(CLOSURE);
  Described<F>::say();
  generic_import(&scope, shim);
  host_throw(0);
}

EXPORT("constructors") void constructors() { describe(999); }
EXPORT("__wbindgen_describe_sum") void describe_sum() {
  constructors();
  Described<double(int, double)>::say();
}
EXPORT("__wbindgen_describe_greet") void describe_greet() {
  constructors();
  Described<int *(const char *, int)>::say();
}
EXPORT("greet") void greet(unsigned n) {
  imported<void(const char *)>(n);
  imported<double()>(n + 1);
}
