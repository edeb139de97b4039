// setjmp and longjmp for the corpus's programs; see sjlj.cpp.
#pragma once

// What setjmp notes: an activation, which LLVM names by an address in its frame, and a place in its code.
struct JumpBuffer {
  void *activation;
  unsigned label;
};

extern "C" {
// LLVM knows both by name, and puts the functions of sjlj.cpp in their place.
int setjmp(JumpBuffer *buffer) __attribute__((returns_twice));
[[noreturn]] void longjmp(JumpBuffer *buffer, int value);
}
