// The C++ exception ABI on WebAssembly, small: an exception is a header and an object from a bump
// allocator, `throw` throws the tag __cpp_exception with the object's address, and a landing pad asks
// _Unwind_CallPersonality which of its catch clauses fits. Types match by their type_info: the same
// class, or a single non-virtual base of it.
#include "runtime.h"

using Byte = unsigned char;
using Word = __UINTPTR_TYPE__;

namespace std {
class type_info {
public:
  virtual ~type_info();
  const char *name;
};
type_info::~type_info() {}

[[noreturn]] void terminate() noexcept {
  host_log(-999);
  __builtin_trap();
}
} // namespace std

// The classes whose objects the compiler lays out for `typeid`; only their vtables' addresses matter.
namespace __cxxabiv1 {
class __class_type_info : public std::type_info {
public:
  ~__class_type_info() override;
};
__class_type_info::~__class_type_info() {}

class __si_class_type_info : public __class_type_info {
public:
  ~__si_class_type_info() override;
  const __class_type_info *base;
};
__si_class_type_info::~__si_class_type_info() {}
} // namespace __cxxabiv1

// The type_info of int, which a C++ library would have: no vtable is looked at for it.
struct FundamentalTypeInfo {
  const void *vtable;
  const char *name;
};
extern "C" const FundamentalTypeInfo _ZTIi = {nullptr, "i"};

extern "C" void *__vtable_of_si_class[] __asm__("_ZTVN10__cxxabiv120__si_class_type_infoE");

// On WebAssembly, destructors return their object.
using Destructor = void *(*)(void *);

struct Exception {
  const std::type_info *type;
  Destructor destructor;
  int handlers; // how many catch clauses hold it
  bool rethrown;
  Exception *next; // the caught ones, innermost first
};

static Byte heap[1 << 16] __attribute__((aligned(16)));
static size_t used;
static Exception *caught;
static int alive;

static Exception *header(void *object) { return static_cast<Exception *>(object) - 1; }

EXPORT("exceptions_alive") int exceptions_alive() { return alive; }

extern "C" {

void *__cxa_allocate_exception(size_t size) noexcept {
  if (alive == 0)
    used = 0;
  size_t total = (sizeof(Exception) + size + 15) & ~size_t(15);
  // What left the module is never freed, so that the host can look at it; in the end it is overwritten.
  if (used + total > sizeof heap)
    used = 0;
  auto *exception = reinterpret_cast<Exception *>(heap + used);
  used += total;
  alive++;
  __builtin_memset(exception, 0, total);
  return exception + 1;
}

void __cxa_free_exception(void *) noexcept { alive--; }

[[noreturn]] void __cxa_throw(void *object, std::type_info *type, Destructor destructor) {
  header(object)->type = type;
  header(object)->destructor = destructor;
  __builtin_wasm_throw(0, object);
}

void *__cxa_begin_catch(void *object) noexcept {
  Exception *exception = header(object);
  exception->handlers++;
  exception->rethrown = false;
  if (caught != exception) {
    exception->next = caught;
    caught = exception;
  }
  return object;
}

void __cxa_end_catch() {
  Exception *exception = caught;
  if (!exception || --exception->handlers > 0)
    return;
  caught = exception->next;
  if (exception->rethrown)
    return;
  if (exception->destructor)
    exception->destructor(exception + 1);
  __cxa_free_exception(exception + 1);
}

[[noreturn]] void __cxa_rethrow() {
  if (!caught)
    std::terminate();
  caught->rethrown = true;
  __builtin_wasm_throw(0, caught + 1);
}

void *__cxa_get_exception_ptr(void *object) noexcept { return object; }

[[noreturn]] void __clang_call_terminate(void *) noexcept { std::terminate(); }

[[noreturn]] void __cxa_pure_virtual() { std::terminate(); }

int __cxa_atexit(void (*)(void *), void *, void *) noexcept { return 0; }

// `operator delete` for the deleting destructors in the vtables above.
}
void operator delete(void *) noexcept {}
void operator delete(void *, size_t) noexcept {}

// --- the personality

extern "C" {
// Shared with the code of every landing pad: which pad, whose table, and the answer.
struct LandingPadContext {
  Word index;
  const Byte *table;
  Word selector;
};
LandingPadContext __wasm_lpad_context = {0, nullptr, 0};
}

static Word unsigned_leb(const Byte *&at) {
  Word value = 0;
  for (int shift = 0;; shift += 7) {
    Byte byte = *at++;
    value |= Word(byte & 0x7f) << shift;
    if (!(byte & 0x80))
      return value;
  }
}

static long signed_leb(const Byte *&at) {
  long value = 0;
  for (int shift = 0;;) {
    Byte byte = *at++;
    value |= long(byte & 0x7f) << shift;
    shift += 7;
    if (!(byte & 0x80))
      return shift < 32 && (byte & 0x40) ? value | -(1L << shift) : value;
  }
}

static bool catches(const std::type_info *handler, const std::type_info *type) {
  while (handler != type) {
    // An object's first word is its vtable's address point, two words into the vtable.
    auto vtable = *reinterpret_cast<void *const *const *>(type);
    if (vtable != static_cast<void **>(__vtable_of_si_class) + 2)
      return false;
    type = static_cast<const __cxxabiv1::__si_class_type_info *>(type)->base;
  }
  return true;
}

// Walks the exception table (the "LSDA" of the Itanium ABI, with WebAssembly's call sites: pairs of
// landing pad and action, found by the pad's number) and leaves the number of the clause that fits.
extern "C" int _Unwind_CallPersonality(void *object) {
  LandingPadContext &context = __wasm_lpad_context;
  context.selector = 0;
  const Byte *at = context.table;
  if (!at)
    return 0;
  at++;                      // the encoding of the landing pads' start, always "omitted"
  Byte type_encoding = *at++; // of the type table: absolute addresses, or omitted
  const std::type_info *const *types = nullptr;
  if (type_encoding != 0xff) {
    Word offset = unsigned_leb(at);
    types = reinterpret_cast<const std::type_info *const *>(at + offset);
  }
  at++; // the encoding of the call sites, always LEB128
  Word length = unsigned_leb(at);
  const Byte *actions = at + length;
  Word action = 0;
  for (Word site = 0; site <= context.index; site++) {
    unsigned_leb(at);
    action = unsigned_leb(at);
  }
  if (action == 0)
    return 0; // cleanups only
  for (const Byte *record = actions + action - 1;;) {
    long filter = signed_leb(record);
    if (filter > 0) {
      const std::type_info *handler = types[-filter];
      if (!handler || catches(handler, header(object)->type)) {
        context.selector = Word(filter);
        return 0;
      }
    }
    const Byte *link = record;
    long next = signed_leb(link);
    if (next == 0)
      return 0;
    record += next;
  }
}

extern "C" int __gxx_wasm_personality_v0() { return 0; }

// The tag of all C++ exceptions, with the object's address as its only value; there is no C++ for it.
__asm__(".globl __cpp_exception\n"
        ".tagtype __cpp_exception i32\n"
        "__cpp_exception:\n");
