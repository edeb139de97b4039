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
    this.waiting = new Map(); // suspended calls, by number
    this.tickets = 0;
    this.lastTrap = someTrap;
    const wasmir = { schedule_reinit() {}, set_on_abort: () => 0, is_terminated: () => 0 };
    const env = { at: (where) => this.log("at", where), host: (id) => this.visit(id) };
    env.wait = new WebAssembly.Suspending((ticket) => {
      const call = {};
      const settled = new Promise((resolve, reject) => Object.assign(call, { resolve, reject }));
      this.waiting.set(ticket, call);
      return settled;
    });
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
    // The hook's own nodes; what they lead to may be gone where a schedule goes on step by step.
    const idle = { steps: [], end: ["return", 0] };
    // A hook may set off the next abort, and so on until the stack is full, in whose frame ever.
    const node = this.depth > 40 ? idle : id < 0 ? this.hooks[-1 - id] ?? idle : this.nodes[id] ?? idle;
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
    if (what === "suspend") return this.suspend();
    if (what === "resume") return this.resume(...rest);
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
  /** A promising call, as far as it goes without waiting. */
  suspend() {
    const ticket = this.tickets++;
    this.log("call", "suspend");
    const outcome = WebAssembly.promising(this.exports.suspend)(ticket).then(
      (result) => ["returned", result],
      (error) => ["thrown", this.sort(error), error],
    );
    const call = this.waiting.get(ticket);
    // What ended without waiting was refused; its promise says so later.
    if (!call) return this.log("ended", ticket);
    Object.assign(call, { outcome, epoch: this.activation()[0] });
    return this.log("suspended", ticket);
  }
  async resume(index, how, value) {
    const [ticket, call] = [...this.waiting][index % this.waiting.size] ?? [];
    if (!call) return;
    this.log("resumed", ticket);
    if (how === "return") call.resolve(value);
    else call.reject(this.remember(-200, new Error("rejected")));
    const [what, result] = await call.outcome;
    this.waiting.delete(ticket);
    this.log(what, result);
    if (what === "thrown") this.notice(0, 0);
  }
  /** Activations that no suspended call accounts for. */
  running() {
    if (!this.guarded) return 0;
    const [epoch, depth] = this.activation();
    return depth - [...this.waiting.values()].filter((call) => call.epoch === epoch).length;
  }
  /** Lets go of what is suspended, which would keep its instance for good. */
  async close() {
    this.hooks = [];
    for (const call of this.waiting.values()) {
      call.resolve(0);
      await call.outcome;
    }
    if (this.waiting.size) await new Promise(setImmediate);
    this.events = [];
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
    const [before] = this.activation();
    const depth = this.running();
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
    const [now] = this.activation();
    const most = now === epoch ? depth : 0;
    if (this.exports.__wasmir_state.value === 2 || this.running() <= most) return;
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

let live; // the instance of a schedule that comes step by step
async function act(host, steps) {
  for (const step of steps) {
    try {
      await host.step(step);
    } catch (error) {
      host.log("left", host.sort(error));
    }
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
  if (job.nodes) {
    Object.assign(live, { nodes: job.nodes, events: [] });
    await act(live, job.top);
    live.log("done", live.running());
    console.log(JSON.stringify([live.events]));
    continue;
  }
  const answers = [];
  await live?.close();
  for (const schedule of job.schedules) {
    const host = new Host(modules.get(job.module), { ...schedule, ...job });
    live = host;
    await act(host, schedule.top);
    host.log("done", host.running());
    answers.push(host.events);
    // The last one may have to go on.
    if (schedule !== job.schedules.at(-1)) await host.close();
  }
  console.log(JSON.stringify(answers));
}
