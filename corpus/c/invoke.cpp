// Exceptions as Emscripten has them where WebAssembly has no handlers: every call in which something may be
// thrown is one of an import, and JavaScript unwinds.
typedef unsigned int u32;
typedef __SIZE_TYPE__ size_t;
extern "C" {
__attribute__((import_module("env"), import_name("describe"))) void describe(u32);
__attribute__((export_name("setThrew"))) void setThrew(int threw, int value);
int __THREW__, __threwValue;
void setThrew(int threw, int value) {
  if (!__THREW__) __THREW__ = threw, __threwValue = value;
}
void *__cxa_allocate_exception(size_t) noexcept;
}
// The type_infos that a C++ library would have: only their addresses matter.
struct TypeInfo {
  const void *vtable;
  const char *name;
};
extern "C" const TypeInfo _ZTIi = {nullptr, "i"};
extern "C" const TypeInfo _ZTIPKc = {nullptr, "PKc"};
namespace std {
[[noreturn]] void terminate() noexcept { __builtin_trap(); }
} // namespace std

static char heap[4096];
static size_t used;
void *__cxa_allocate_exception(size_t size) noexcept {
  used += (size + 15) & ~(size_t)15;
  return heap + used - ((size + 15) & ~(size_t)15);
}
struct Guard {
  u32 number;
  ~Guard() { describe(100 + number); }
};
// Throws an integer for 3, a text for 4.
__attribute__((noinline)) static void may(u32 n) {
  describe(n);
  if (n == 3) throw 7;
  if (n == 4) throw "text";
}
__attribute__((noinline)) static u32 tried(u32 n) {
  Guard guard{n};
  try {
    may(n);
  } catch (int value) {
    return (u32)value;
  }
  return 1;
}
extern "C" {
__attribute__((export_name("describe_value"))) void describe_value() { describe(tried(2)); }
__attribute__((export_name("describe_caught"))) void describe_caught() { describe(tried(3)); }
__attribute__((export_name("describe_all"))) void describe_all() {
  try {
    describe(tried(4));
  } catch (...) {
    describe(5);
  }
}
__attribute__((export_name("describe_uncaught"))) void describe_uncaught() { describe(tried(4)); }
}
