// A host that sends requests to the program of cpp/requests.cpp, and tells how each of them ended.
//
// Standard input: {"modules": {name: path, …}, "loader": path or null, "runs": [{"module": name,
//   "guard": whether aborts are noticed for the module, "reset": how the loader should put an instance
//   right after an abort, or absent, "schedules": [[step, …], …]}, …]}. Without a loader, notice.mjs notices.
// A step is ["reset"], ["reinstantiate"], or
//   ["call", export, "export" or "table", [argument…], what the host does meanwhile or null, swallow]:
// the last argument is the number that the host gives to what it does, which is
//   {"steps": [step, …], "end": "return", "throw", "throw object", "overflow" or "trap again"}.
// An error of a call that isn't swallowed ends the host's part with it.
//
// Standard output: for each run, for each schedule, how each call ended, in the order in which they did:
//   ["returned", number], ["panicked", number], ["foreign", number of the error], ["aborted"] or
//   ["refused"]; with true behind it if the stack pointer is where it was, or as in a new instance.

import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

class Host {
  constructor(module, guard, reset, steps) {
    this.module = module;
    this.guard = guard;
    this.reset = reset;
    this.steps = steps;
    this.parts = []; // what it does meanwhile, by number
    this.errors = []; // what it threw
    this.ended = [];
    this.start();
  }

  start() {
    const { module, reset = "never" } = this;
    const imports = { env: { meanwhile: (number) => this.meanwhile(number) }, WebAssembly };
    const instance = new WebAssembly.Instance(module, imports);
    this.guarded = this.guard ? this.guard(instance, { reset, module, imports }) : instance;
    this.exports = this.guarded.exports;
    this.handler = this.exports.transfer_pointer();
    this.stack = this.exports.__stack_pointer.value;
  }

  run() {
    for (const step of this.steps) {
      try {
        this.step(step);
      } catch {
        // It was told, and nobody is left whom it could concern.
      }
    }
    return this.ended;
  }

  meanwhile(number) {
    const { steps, end } = this.parts[number];
    for (const step of steps) this.step(step);
    if (end === "overflow") return this.overflow();
    if (end === "trap again") throw someTrap;
    if (end === "return") return number;
    const error = end === "throw" ? new Error("the host's") : { of: "the host" };
    this.errors.push(error);
    throw error;
  }

  overflow() {
    return this.overflow() + 1;
  }

  step([what, ...rest]) {
    if (what === "call") return this.call(...rest);
    if (!("__wasmir_state" in this.exports)) return undefined; // nobody would know when
    if (this.guarded.reset) return this.guarded.reset();
    if (what === "reset") return this.exports.__wasmir_reset_state();
    // Frames of the old instance may still be there.
    this.exports.__wasmir_terminate();
    return this.start();
  }

  call(name, via, numbers, part, swallow) {
    const all = name === "dispatch" ? [this.handler, ...numbers] : [...numbers];
    if (part) {
      all[all.length - 1] = this.parts.length;
      this.parts.push(part);
    }
    const called = via === "table" ? this.exports.__indirect_function_table.get(this.handler) : this.exports[name];
    const { exports } = this;
    const levels = [exports.__stack_pointer.value, this.stack];
    const isLevel = () => levels.includes(exports.__stack_pointer.value);
    try {
      const value = called(...all);
      this.ended.push(["returned", value, isLevel()]);
    } catch (error) {
      this.ended.push([...this.sort(error, exports), isLevel()]);
      if (!swallow) throw error;
    }
  }

  sort(error, exports) {
    const foreign = this.errors.indexOf(error);
    if (foreign >= 0) return ["foreign", foreign];
    if (error?.name === "TerminatedError") return ["refused"];
    if (error?.name === "AbortError") return ["aborted"];
    const thrown = error?.name === "PanicError" ? error.cause : error;
    if (thrown instanceof WebAssembly.Exception) {
      if (exports.__wasmir_terminated && thrown.is(exports.__wasmir_terminated)) return ["refused"];
      if (!thrown.is(exports.__cpp_exception)) return ["unknown exception"];
      const address = thrown.getArg(exports.__cpp_exception, 0);
      return ["panicked", new DataView(exports.memory.buffer).getInt32(address, true)];
    }
    if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) return ["aborted"];
    return ["unknown", String(error)];
  }
}

// What a module whose start function is `unreachable` throws.
const someTrap = (() => {
  const bytes = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 8, 1, 0, 10, 5, 1, 3, 0, 0, 11];
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes)));
  } catch (error) {
    return error;
  }
})();

const { modules, loader, runs } = JSON.parse(readFileSync(0, "utf8"));
const { guard } = await import(loader ? pathToFileURL(loader) : "./notice.mjs");
const compiled = {};
for (const [name, path] of Object.entries(modules)) {
  compiled[name] = new WebAssembly.Module(readFileSync(path));
}
const told = runs.map(({ module, guard: isGuarded, reset, schedules }) =>
  schedules.map((steps) => new Host(compiled[module], isGuarded && guard, reset, steps).run()),
);
writeFileSync(1, JSON.stringify(told));
