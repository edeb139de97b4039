// Just enough of a C++ runtime for exceptions in a module with no libraries: what LLVM's code for
// WebAssembly exception handling calls, and a bump allocator. setjmp and longjmp are in sjlj.cpp. Not for
// use outside this corpus.
#pragma once

using size_t = decltype(sizeof 0);

extern "C" {
// The host: see corpus/engine/calls.mjs.
__attribute__((import_module("env"), import_name("log"))) void host_log(int value);
__attribute__((import_module("env"), import_name("throw_js"))) void host_throw(int number);
__attribute__((import_module("env"), import_name("throw_wasm"))) void host_throw_wasm(int number);
__attribute__((import_module("env"), import_name("call_back"))) int host_call_back(int number);
__attribute__((import_module("env"), import_name("call_back_catching"))) int
host_call_back_catching(int number);
}

// What `new` gave and nobody deleted yet.
int allocations_alive();
// Exceptions that were thrown and that no handler has taken yet.
int uncaught_exceptions();

#define EXPORT(name) extern "C" __attribute__((export_name(name), noinline))
