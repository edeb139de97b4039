// Runs schedules: one JSON line in, one out. See schedules.py for what a schedule is.
//
// Every event is [what, epoch, state, ticks, ...]. A guarded module tells epoch and state; of one
// without guards they are 0.
import { createInterface } from "node:readline";

const modules = new Map();
const encode = (n) => new Uint8Array(Buffer.from(n, "base64"));
const relay = new WebAssembly.Module(new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 2, 7, 1, 1, 109, 1, 102, 0, 0, 7, 5, 1, 1, 102, 0, 0,
]));
const asFunction = (f) => new WebAssembly.Instance(relay, { m: { f } }).exports.f;

// A module whose start function is `unreachable`.
const trapping = new WebAssembly.Module(new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 8, 1, 0, 10, 5, 1, 3, 0, 0, 11,
]));
const someTrap = (() => {
  try {
    return new WebAssembly.Instance(trapping);
  } catch (error) {
    return error;
  }
})();

class Host {
  constructor(module, { nodes, hooks = [], notices, guarded }) {
    this.events = [];
    this.nodes = nodes;
    this.hooks = hooks;
    this.notices = notices;
    this.guarded = guarded;
    this.errors = new Map();
    this.depth = 0;
    this.lastTrap = someTrap;
    const wasmir = { schedule_reinit() {}, set_on_abort: () => 0, is_terminated: () => 0 };
    const env = { at: (where) => this.log("at", where), host: (id) => this.visit(id) };
    this.exports = new WebAssembly.Instance(module, { env, wasmir }).exports;
  }
  activation() {
    const both = this.guarded ? this.exports.__wasmir_activation() : 0;
    const depth = both >>> 0;
    return [(both - depth) / 2 ** 32, depth];
  }
  log(what, ...rest) {
    const { __wasmir_state: state, ticks } = this.exports ?? {};
    const [epoch] = this.exports ? this.activation() : [0];
    this.events.push([what, epoch, state ? state.value : 0, ticks ? ticks.value : 0, ...rest]);
  }
  // The import `host`: a node's steps, then its end.
  visit(id) {
    // The hook's own nodes.
    const idle = { steps: [], end: ["return", 0] };
    // A hook may set off the next abort, and so on until the stack is full, in whose frame ever.
    const node = this.depth > 40 ? idle : id < 0 ? this.hooks[-1 - id] ?? idle : this.nodes[id];
    this.log("host", id);
    this.depth++;
    try {
      for (const step of node.steps) this.step(step);
    } finally {
      this.depth--;
    }
    const [how, value] = node.end;
    this.log("end", id, how);
    if (how === "return") return value;
    if (how === "own") throw new WebAssembly.Exception(this.exports.own, [value]);
    if (how === "trap again") throw this.lastTrap;
    if (how === "overflow") return this.overflow();
    if (how === "runtime error") throw this.remember(id, new WebAssembly.RuntimeError("the host's"));
    throw this.remember(id, how === "error" ? new Error(`node ${id}`) : { node: id });
  }
  overflow() {
    return this.overflow() + 1;
  }
  remember(id, error) {
    this.errors.set(error, id);
    return error;
  }
  step([what, ...rest]) {
    const x = this.exports;
    if (what === "call") {
      const [name, via, args, swallow] = rest;
      const f = via === "table" ? x.table.get(1) : x[name];
      return this.call(name, () => f(...args), swallow);
    }
    if (!this.guarded) return undefined;
    if (what === "terminate") return this.during("terminate", () => x.__wasmir_terminate());
    if (what === "write") {
      x.__wasmir_state.value = 2;
      return this.log("written");
    }
    if (what === "reset") return this.during("reset", () => x.__wasmir_reset_state());
    if (what === "schedule") {
      x.__wasmir_schedule_reinit();
      return this.log("scheduled");
    }
    const chosen = { none: null, gate: x.hook, host: asFunction(() => this.hook()) }[rest[0]];
    x.__wasmir_set_on_abort(chosen);
    return this.log("hooked", rest[0]);
  }
  hook() {
    this.log("hook+");
    try {
      this.visit(-1);
    } finally {
      this.log("hook-");
    }
  }
  // What the host itself calls; a trap in a hook ends there.
  during(what, action) {
    this.log(what + "+");
    try {
      action();
    } catch (error) {
      this.log(what + "-", this.sort(error));
      return;
    }
    this.log(what + "-", null);
  }
  call(name, action, swallow) {
    const [before, depth] = this.activation();
    this.log("call", name);
    let result;
    try {
      result = action();
    } catch (error) {
      const sort = this.sort(error);
      this.log("thrown", sort);
      this.notice(before, depth);
      if (swallow === "no") throw error;
      if (swallow === "other") throw this.remember(-100, new Error("instead"));
      return undefined;
    }
    this.log("returned", typeof result === "number" ? result : String(result));
    return undefined;
  }
  // The loader's rule, in as few words as can be.
  notice(epoch, depth) {
    if (!this.notices) return;
    const [now, left] = this.activation();
    if (this.exports.__wasmir_state.value === 2 || left <= (now === epoch ? depth : 0)) return;
    this.log("noticed");
    this.during("terminate", () => this.exports.__wasmir_terminate());
  }
  sort(error) {
    const x = this.exports;
    if (this.errors.has(error)) return ["host", this.errors.get(error)];
    if (error instanceof WebAssembly.Exception) {
      if (error.is(x.own)) return ["own", error.getArg(x.own, 0)];
      if (x.__wasmir_terminated && error.is(x.__wasmir_terminated)) return ["terminated"];
      return ["unknown exception"];
    }
    if (error instanceof WebAssembly.RuntimeError) {
      this.lastTrap = error;
      return ["trap", error.message];
    }
    return error instanceof RangeError ? ["overflow"] : ["other", String(error)];
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  if (job.modules) {
    for (const [name, data] of Object.entries(job.modules)) {
      modules.set(name, new WebAssembly.Module(encode(data)));
    }
    console.log("{}");
    continue;
  }
  const answers = job.schedules.map((schedule) => {
    const host = new Host(modules.get(job.module), { ...schedule, ...job });
    for (const step of schedule.top) {
      try {
        host.step(step);
      } catch (error) {
        host.log("left", host.sort(error));
      }
    }
    host.log("done", host.activation()[1]);
    return host.events;
  });
  console.log(JSON.stringify(answers));
}
