// setjmp and longjmp, as LLVM lowers them with -wasm-enable-sjlj: longjmp throws the tag __c_longjmp, and a
// function that calls setjmp catches it around each call and asks whether the jump is to one of its own.
#include "sjlj.h"

// What the code that LLVM generates reads of a caught jump.
struct Jump {
  JumpBuffer *buffer;
  int value;
};

// The arguments of the jump on its way; one at a time.
static Jump jump;

extern "C" {

// Before a call of setjmp: which call in the function (from 1), and which activation of the function.
void __wasm_setjmp(JumpBuffer *buffer, unsigned label, void *activation) noexcept {
  buffer->activation = activation;
  buffer->label = label;
}

// Behind the call that the jump left: which call of setjmp in this activation it goes to; 0 for none.
unsigned __wasm_setjmp_test(JumpBuffer *buffer, void *activation) noexcept {
  return buffer->activation == activation ? buffer->label : 0;
}

[[noreturn]] void __wasm_longjmp(JumpBuffer *buffer, int value) {
  jump = {buffer, value ? value : 1}; // setjmp must not seem to return for the first time
  __builtin_wasm_throw(1, &jump);
}
}

// The tag of all jumps, with the address of the arguments as its only value.
__asm__(".globl __c_longjmp\n"
        ".tagtype __c_longjmp i32\n"
        "__c_longjmp:\n");
