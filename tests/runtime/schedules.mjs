// Random schedules against a model: a host that calls, nests, swallows, throws, traps, terminates and
// resets, through the loader and beside it. The model says what each call has to give, whether the
// instance is terminated, how deep it is, and how many aborts were told of; and nothing of the module
// may run in between an abort and the next reset.

import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** A small generator of random numbers, the same everywhere. */
function generator(seed) {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const deep = () => deep() + 1;
const caught = (action) => {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
};
const TRAPPING = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 5, 1, 3, 0,
  0, 11,
]);
const { f: trapElsewhere } = new WebAssembly.Instance(new WebAssembly.Module(TRAPPING)).exports;

class Schedule {
  constructor({ loader, module, seed, reset, notice, harmless }) {
    Object.assign(this, { loader, module, reset, notice, harmless, random: generator(seed) });
    this.steps = [];
    this.hosts = [];
    this.aborts = [];
    this.left = 25; // actions
    // The model.
    this.generation = 0;
    this.replaced = 0;
    this.resets = 0; // by the loader
    this.dead = false;
    this.told = false;
    this.due = false;
    this.scheduled = false;
    this.depth = 0;
    this.count = 0;
  }

  async run() {
    const env = { host: (x) => this.hosts.at(-1)(x), wait: (x) => x, boot: () => {} };
    this.guard = await this.loader.instantiate(
      this.module,
      { env },
      {
        reset: this.reset,
        isAbort: () => false,
        onAbort: (error) => this.aborts.push(error),
      },
    );
    while (this.left > 0) {
      this.act(0);
      this.check();
    }
    if (this.harmless && (this.dead || this.count)) throw new Error("the model is wrong");
  }

  check() {
    const { exports } = this.guard;
    this.equal(exports.__wasmir_state.value === 2, this.dead, "terminated");
    this.equal(exports.__wasmir_activation() >>> 0, this.depth, "depth");
    this.equal(this.aborts.length, this.count, "aborts told of");
  }

  equal(found, wanted, what) {
    if (!Object.is(found, wanted)) {
      throw new Error(
        `${what}: ${String(found)}, not ${String(wanted)}; after ${this.steps.join(" ")}`,
      );
    }
  }

  // The model's moves

  restored() {
    this.generation++;
    Object.assign(this, { dead: false, told: false, due: false, scheduled: false, depth: 0 });
  }

  tell() {
    if (this.told) return;
    this.told = true;
    this.count++;
    this.due = this.reset !== "never";
  }

  abort() {
    Object.assign(this, { dead: true, depth: 0 });
    this.tell();
  }

  /** What happens at the loader's door: a reset that is due. */
  arrives(guarded) {
    if (!guarded || !this.due) return;
    this.resets++;
    if (this.reset === "reinstantiate") this.replaced++;
    this.restored();
  }

  /** What happens at the gate: whether the call is let in. */
  enters(gates = 1) {
    if (this.scheduled && (this.dead || this.depth === 0)) this.restored();
    if (this.dead) return false;
    this.depth += gates;
    return true;
  }

  // The host's moves

  act(level) {
    this.left--;
    const risky = this.harmless ? 0 : 1;
    const nested = level < 4 && this.left > 0;
    const moves = [
      [3, () => this.call("add", true)],
      [1, () => this.call("add", false)],
      [2, () => this.mistake()],
      [2, () => this.call("panic", true)],
      [nested ? 8 : 0, () => this.nest(level, true)],
      [nested ? 2 : 0, () => this.nest(level, false)],
      [1, () => this.schedule()],
      [3 * risky, () => this.call("trap", true)],
      [risky && this.random(4) === 0 ? 1 : 0, () => this.call("overflow", true)],
      [this.notice === "host" ? risky : 0, () => this.call("trap", false)],
      [risky, () => this.terminate()],
      [risky, () => this.resetByHand()],
    ];
    let pick = this.random(moves.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, move] of moves) {
      if (pick < weight) return move();
      pick -= weight;
    }
  }

  schedule() {
    this.steps.push("schedule");
    this.guard.exports.__wasmir_schedule_reinit();
    this.scheduled = true;
  }

  terminate() {
    this.steps.push("terminate");
    this.guard.terminate();
    Object.assign(this, { dead: true, told: true, due: false });
    // The depth stays as it is: a reset will see to it.
  }

  resetByHand() {
    this.steps.push("reset");
    this.guard.reset();
    this.resets++;
    if (this.reset === "reinstantiate") this.replaced++;
    this.restored();
  }

  mistake() {
    this.steps.push("mistake");
    this.arrives(true);
    if (!(caught(() => this.guard.exports.big(1)) instanceof TypeError))
      throw new Error("no TypeError");
  }

  function(name, guarded) {
    const f = this.guard.exports[name];
    return guarded ? f : this.loader.unwrap(f);
  }

  /** A call that doesn't come back to the host. */
  call(name, guarded) {
    this.steps.push(guarded ? name : `raw-${name}`);
    const before = this.before(guarded);
    const letIn = this.enters();
    before.atGate(this);
    let outcome;
    if (!letIn) outcome = { refused: true };
    else if (name === "add") outcome = { value: 5 };
    else if (name === "panic") outcome = { panic: true };
    else outcome = { vanished: true, any: true };
    if (!outcome.vanished && letIn) this.depth--;
    return this.settle(() => this.function(name, guarded)(2, 3), before, outcome);
  }

  /** What the loader notes before a call. */
  before(guarded) {
    this.arrives(guarded);
    const { generation, depth, count, replaced, resets } = this;
    return {
      guarded,
      generation,
      depth,
      count,
      replaced,
      resets,
      atGate(model) {
        if (model.generation !== generation)
          Object.assign(this, { generation: model.generation, depth: 0 });
      },
    };
  }

  /** A call that comes back to the host, which does things, and then returns or throws. */
  nest(level, guarded) {
    const name = ["call", "careful", "catching", "indirect"][this.random(4)];
    this.steps.push(`${guarded ? "" : "raw-"}${name}(`);
    const before = this.before(guarded);
    // An indirect call passes the gate of what it calls, too.
    const gates = name === "indirect" ? 2 : 1;
    const letIn = this.enters(gates);
    before.atGate(this);
    const own = new Error("foreign");
    let outcome = { refused: true };
    const host = () => {
      this.hosts.pop();
      if (!letIn) this.failure ??= new Error(`the module ran; after ${this.steps.join(" ")}`);
      let last;
      const inner = this.random(3);
      for (let index = 0; index < inner && this.left > 0; index++) {
        try {
          last = this.act(level + 1) ?? last;
          this.check();
        } catch (error) {
          this.failure ??= error; // to be reported when all frames are gone
          throw error;
        }
      }
      const isAlive = !this.dead && this.generation === before.generation;
      const ways = this.harmless ? 4 : 7;
      switch (this.notice === "wasm" ? this.random(4) : this.random(ways)) {
        case 0:
        case 1:
          this.steps.push("return)");
          outcome = isAlive ? { value: 7 } : { stale: true };
          break;
        case 2:
          this.steps.push("throw)");
          outcome = isAlive ? { error: own } : { stale: true };
          break;
        case 3: {
          this.steps.push("rethrow)");
          if (last === undefined) {
            outcome = isAlive ? { value: 7 } : { stale: true };
            break;
          }
          const { AbortError } = this.loader;
          const isTrap = last instanceof WebAssembly.RuntimeError && !(last instanceof AbortError);
          if (isTrap || last instanceof RangeError) {
            outcome = { vanished: true };
            throw last;
          }
          // What is raw panics: the module's own to catch, where it does.
          const isPanic = last instanceof WebAssembly.Exception && last.is(this.panicTag());
          const isCaught = isPanic && name === "catching";
          outcome = isAlive
            ? isCaught
              ? { value: 1002 }
              : { error: last, isPanic }
            : { stale: true };
          if (isAlive) this.depth -= gates;
          throw last;
        }
        case 4:
          this.steps.push("trap-elsewhere)");
          outcome = { vanished: true };
          trapElsewhere();
          break;
        case 5:
          this.steps.push("overflow)");
          outcome = { vanished: true };
          deep();
          break;
        default:
          this.steps.push("old-trap)");
          outcome = { vanished: true };
          throw OLD;
      }
      if (isAlive) this.depth -= gates;
      if (outcome.error) throw outcome.error;
      if (outcome.stale && this.random(2)) throw own;
      return 7;
    };
    this.hosts.push(host);
    const hosts = this.hosts.length;
    const args = name === "indirect" ? [4, 2] : [2];
    const result = this.settle(
      () => {
        try {
          return this.function(name, guarded)(...args);
        } finally {
          if (this.hosts.length === hosts && this.hosts.at(-1) === host) this.hosts.pop();
        }
      },
      before,
      () => outcome,
    );
    return result;
  }

  panicTag() {
    return this.guard.exports.__wasmir_panic_0;
  }

  /** Makes the call, and compares what comes of it; gives what was thrown, for hosts that rethrow. */
  settle(action, before, outcome) {
    let value,
      error,
      threw = false;
    try {
      value = action();
    } catch (thrown) {
      error = thrown;
      threw = true;
    }
    if (this.failure) throw this.failure;
    const what = typeof outcome === "function" ? outcome() : outcome;
    if ("value" in what) {
      if (threw) throw error;
      this.equal(value, what.value, "result");
      return undefined;
    }
    if (!threw) throw new Error(`nothing was thrown; after ${this.steps.join(" ")}`);
    // Frames that a raw call lost stay counted.
    if (what.vanished && !before.guarded) return undefined;
    if (!before.guarded) return error;
    this.judge(error, before, what);
    return error;
  }

  judge(error, before, what) {
    const tag = this.panicTag();
    const { AbortError, PanicError, TerminatedError } = this.loader;
    const isOther = this.replaced !== before.replaced;
    const trapped = what.stale || (what.vanished && !(error instanceof RangeError));
    if (!isOther && !this.dead && !what.refused) {
      if (this.depth > (this.generation === before.generation ? before.depth : 0)) this.abort();
    } else if (!isOther && this.dead && (what.refused || trapped)) this.tell();
    const is = (Class) => {
      if (!(error instanceof Class)) {
        throw new Error(
          `${error?.stack ?? error}\nno ${Class.name}; after ${this.steps.join(" ")}`,
        );
      }
    };
    if (what.refused) return is(TerminatedError);
    if (this.count !== before.count) {
      is(AbortError);
      return this.equal(error, this.aborts.at(-1), "the abort");
    }
    // Of resets that the module makes the loader doesn't hear.
    const isKnown = this.dead || this.resets !== before.resets;
    if (what.stale) return is(isKnown ? TerminatedError : WebAssembly.RuntimeError);
    if (what.vanished) return undefined;
    if (what.panic || what.isPanic) {
      if (this.depth > 0) return this.equal(error.is(tag), true, "a raw panic");
      is(PanicError);
      return this.equal(error.cause.is(tag), true, "its cause");
    }
    return this.equal(error, what.error, "the foreign exception");
  }
}

const OLD = caught(trapElsewhere);
const { loader: path, programs, first, count } = JSON.parse(readFileSync(0, "utf8"));
const loader = await import(pathToFileURL(path));
const failures = [];
const totals = { schedules: 0, steps: 0, aborts: 0 };
for (const { path: program, about } of programs) {
  const module = new WebAssembly.Module(readFileSync(program));
  for (let seed = first; seed < first + count && failures.length < 3; seed++) {
    const reset = ["never", "in-place", "reinstantiate"][seed % 3];
    const schedule = new Schedule({
      loader,
      module,
      seed,
      reset,
      notice: about.notice,
      harmless: seed % 4 === 0,
    });
    try {
      await schedule.run();
    } catch (error) {
      failures.push(`${program}, seed ${seed}, reset ${reset}: ${error?.stack ?? error}`);
    }
    totals.schedules++;
    totals.steps += schedule.steps.length;
    totals.aborts += schedule.count;
  }
}
writeFileSync(1, JSON.stringify({ failures, totals }));
