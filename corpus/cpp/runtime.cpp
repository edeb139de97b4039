// The C++ exception ABI on WebAssembly, small: an exception is a header and an object from a bump
// allocator, `throw` throws the tag __cpp_exception with the object's address, and a landing pad asks
// _Unwind_CallPersonality which of its catch clauses fits. Types match by their type_info: the same type,
// or a class and a public base of it. An ambiguous base is taken for the first of that type.
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

// The classes whose objects the compiler lays out for `typeid`: of their vtables only the addresses matter,
// which tell one from the other.
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

// Several bases, or virtual ones.
class __vmi_class_type_info : public __class_type_info {
public:
  ~__vmi_class_type_info() override;
  struct Base {
    const __class_type_info *type;
    long offset_and_flags; // the offset shifted by 8; of a virtual base, where the vtable has it
  };
  unsigned flags;
  unsigned count;
  Base bases[1]; // as many as there are
};
__vmi_class_type_info::~__vmi_class_type_info() {}
} // namespace __cxxabiv1

// The type_infos of int and of text, which a C++ library would have: no vtable is looked at for them.
struct FundamentalTypeInfo {
  const void *vtable;
  const char *name;
};
extern "C" const FundamentalTypeInfo _ZTIi = {nullptr, "i"};
extern "C" const FundamentalTypeInfo _ZTIPKc = {nullptr, "PKc"};

extern "C" void *__vtable_of_si_class[] __asm__("_ZTVN10__cxxabiv120__si_class_type_infoE");
extern "C" void *__vtable_of_vmi_class[] __asm__("_ZTVN10__cxxabiv121__vmi_class_type_infoE");

// On WebAssembly, destructors return their object.
using Destructor = void *(*)(void *);

struct Exception {
  const std::type_info *type;
  Destructor destructor;
  void *adjusted; // the object, or the base of it that the catch clause names
  int handlers;   // how many catch clauses hold it
  bool rethrown;
  Exception *next; // the caught ones, innermost first
};

static Byte heap[1 << 16] __attribute__((aligned(16)));
static size_t used;
static Exception *caught;
static int alive;
static int uncaught;

static Exception *header(void *object) { return static_cast<Exception *>(object) - 1; }

EXPORT("exceptions_alive") int exceptions_alive() { return alive; }

int uncaught_exceptions() { return uncaught; }

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
  uncaught++;
  __builtin_wasm_throw(0, object);
}

void *__cxa_begin_catch(void *object) noexcept {
  Exception *exception = header(object);
  exception->handlers++;
  exception->rethrown = false;
  uncaught--;
  if (caught != exception) {
    exception->next = caught;
    caught = exception;
  }
  return exception->adjusted;
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
  uncaught++;
  __builtin_wasm_throw(0, caught + 1);
}

void *__cxa_get_exception_ptr(void *object) noexcept { return header(object)->adjusted; }

[[noreturn]] void __clang_call_terminate(void *) noexcept { std::terminate(); }

[[noreturn]] void __cxa_pure_virtual() { std::terminate(); }

int __cxa_atexit(void (*)(void *), void *, void *) noexcept { return 0; }

// A static local: the first byte of its guard says that it is there, the second that it is being made.
int __cxa_guard_acquire(Byte *guard) {
  if (guard[0])
    return 0;
  if (guard[1])
    std::terminate(); // it needs itself
  guard[1] = 1;
  return 1;
}
void __cxa_guard_release(Byte *guard) noexcept { guard[0] = 1, guard[1] = 0; }
void __cxa_guard_abort(Byte *guard) noexcept { guard[1] = 0; }
}

// --- what `new` gives: a bump allocator that starts again when all is given back

static Byte free_store[1 << 14] __attribute__((aligned(16)));
static size_t taken;
static int allocations;

int allocations_alive() { return allocations; }

void *operator new(size_t size) {
  if (allocations == 0)
    taken = 0;
  if (size > sizeof free_store - taken)
    throw "out of memory";
  allocations++;
  void *result = free_store + taken;
  taken += (size + 15) & ~size_t(15);
  return result;
}
void *operator new[](size_t size) { return operator new(size); }
void operator delete(void *object) noexcept { allocations -= object != nullptr; }
void operator delete(void *object, size_t) noexcept { operator delete(object); }
void operator delete[](void *object) noexcept { operator delete(object); }
void operator delete[](void *object, size_t) noexcept { operator delete(object); }

extern "C" [[noreturn]] void __cxa_throw_bad_array_new_length() { throw "bad array new length"; }

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

// The first word of an object with virtual functions, type_infos too: where its vtable's functions start.
static void *const *vtable_of(const void *object) {
  return *static_cast<void *const *const *>(object);
}

// The part of the object, of the given type, that a handler for another type would get; null for none.
static Byte *caught_as(const std::type_info *handler, const std::type_info *type, Byte *object) {
  if (handler == type) // a pointer is given as itself
    return type == reinterpret_cast<const std::type_info *>(&_ZTIPKc) ? *reinterpret_cast<Byte **>(object)
                                                                     : object;
  auto vtable = vtable_of(type);
  if (vtable == static_cast<void **>(__vtable_of_si_class) + 2)
    return caught_as(handler, static_cast<const __cxxabiv1::__si_class_type_info *>(type)->base, object);
  if (vtable != static_cast<void **>(__vtable_of_vmi_class) + 2)
    return nullptr;
  auto several = static_cast<const __cxxabiv1::__vmi_class_type_info *>(type);
  for (unsigned i = 0; i < several->count; i++) {
    const auto &base = several->bases[i];
    bool is_virtual = base.offset_and_flags & 1, is_public = base.offset_and_flags & 2;
    if (!is_public)
      continue;
    long offset = base.offset_and_flags >> 8;
    if (is_virtual)
      offset = *reinterpret_cast<const long *>(reinterpret_cast<const Byte *>(vtable_of(object)) + offset);
    if (Byte *found = caught_as(handler, base.type, object + offset))
      return found;
  }
  return nullptr;
}

// Walks the exception table (the "LSDA" of the Itanium ABI, with WebAssembly's call sites: pairs of
// landing pad and action, found by the pad's number) and leaves the number of the clause that fits.
extern "C" int _Unwind_CallPersonality(void *object) {
  LandingPadContext &context = __wasm_lpad_context;
  context.selector = 0;
  header(object)->adjusted = object;
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
      void *found = object;
      if (handler)
        found = caught_as(handler, header(object)->type, static_cast<Byte *>(object));
      if (found) {
        header(object)->adjusted = found;
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
