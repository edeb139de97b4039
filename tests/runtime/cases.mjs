// What recover.mjs promises, case by case. Runs in Node and in browsers: run() is given the loader's
// module, a guarded program of program.py, and what the program is like.

const cases = new Map();
const test = (name, body, { needs = [] } = {}) => cases.set(name, { body, needs });

class Failure extends Error {}
const fail = (message) => {
  throw new Failure(message);
};
const show = (value) =>
  typeof value === "function" ? `function ${value.name}` : `${String(value)}`;
const same = (found, wanted, what = "value") =>
  Object.is(found, wanted) || fail(`${what}: ${show(found)}, not ${show(wanted)}`);
const isA = (found, Class, what = "error") =>
  found instanceof Class || fail(`${what}: ${show(found)} (${found?.stack}), no ${Class.name}`);
function thrown(action) {
  try {
    action();
  } catch (error) {
    return error;
  }
  return fail("nothing was thrown");
}
const rejected = (promise) =>
  promise.then(
    () => fail("not rejected"),
    (error) => error,
  );

/** One program, and a host whose functions a case replaces. */
class World {
  constructor({ bytes, loader, about }) {
    Object.assign(this, { bytes, loader, about, aborts: [] });
    this.host = (x) => x;
    this.wait = (x) => x;
    this.boot = () => {};
    this.module = new WebAssembly.Module(bytes);
  }

  imports(more = {}) {
    const env = {
      host: (x) => this.host(x),
      wait: this.suspending ? new WebAssembly.Suspending((x) => this.wait(x)) : (x) => this.wait(x),
      boot: () => this.boot(),
      ...more,
    };
    return { env };
  }

  async load(options = {}, imports = this.imports()) {
    const onAbort = (error, guard) => {
      this.aborts.push(error);
      return this.onAbort?.(error, guard);
    };
    this.guard = await this.loader.instantiate(this.module, imports, { onAbort, ...options });
    this.exports = this.guard.exports;
    return this.exports;
  }

  /** What the loader has to see as healthy: it answers, and nothing is on the stack. */
  healthy() {
    same(this.exports.add(2, 3), 5, "add");
    same(this.guard.terminated, false, "terminated");
    same(this.exports.__wasmir_activation() >>> 0, 0, "depth");
  }

  aborted(error, count = 1) {
    isA(error, this.loader.AbortError);
    same(this.guard.terminated, true, "terminated");
    same(this.aborts.length, count, "calls of onAbort");
    same(this.aborts.at(-1), error, "what onAbort saw");
    this.dead();
  }

  dead() {
    const before = this.aborts.length;
    isA(
      thrown(() => this.exports.add(2, 3)),
      this.loader.TerminatedError,
      "a call afterwards",
    );
    same(this.aborts.length, before, "onAbort after a refusal");
  }
}

const deep = () => deep() + 1;
/** A trap of another instance: the object that its engine made. */
function strangeTrap() {
  // (module (func (export "f") unreachable))
  const bytes = [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 5, 1, 3,
    0, 0, 11,
  ];
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes))).exports;
  return f;
}

// What calls look like

test("values of all types, and several, come and go", async (w) => {
  const e = await w.load();
  same(e.add(2, 3), 5);
  same(e.big(41n), 42n);
  same(e.five(1, 2n, 0.5, 0.5, 4).join(), "5,2");
  same(e.step(), undefined);
  same(e.count(), 1);
  same(e.add(1), 1, "a missing argument");
  same(e.add(1, 2, 99), 3, "one too many");
  w.healthy();
});

test("exports are as the module's own: names, order, length, frozen", async (w) => {
  const raw = new WebAssembly.Instance(w.module, w.imports()).exports;
  const e = await w.load();
  // Glue that goes through them finds what the module had before it was recovered.
  const before = Object.keys(raw).filter((name) => !name.startsWith("__wasmir_"));
  same(Object.keys(e).join(), before.join(), "keys");
  same(Object.getOwnPropertyNames(e).join(), Object.keys(raw).join(), "names");
  same(Object.isFrozen(e), true, "frozen");
  same(Object.getPrototypeOf(e), null, "prototype");
  for (const [name, value] of Object.entries(raw)) {
    same(typeof e[name], typeof value, name);
    if (typeof value !== "function") continue;
    same(e[name].length, value.length, `${name}.length`);
    same(e[name].name, value.name, `${name}.name`);
  }
  same(w.guard.instance.exports, e, "instance.exports");
  same(w.guard.instance instanceof WebAssembly.Instance, true, "an Instance");
  same(w.loader.guard(w.guard.instance), w.guard, "guarding twice");
  same(w.guard.degraded, 0, "degraded");
});

test("the functions of the table are the exported ones", async (w) => {
  const e = await w.load();
  same(e.table.get(1), e.add, "table.get(1)");
  same(e.table.get(0), null, "an empty place");
  const hidden = e.table.get(2);
  same(hidden(21), 42, "a function that is not exported");
  same(e.table.get(2), hidden, "twice");
  e.table.set(6, e.call);
  same(e.table.get(6), e.call, "after set");
  same(e.table.grow(1, e.add), 8, "grow");
  same(e.table.get(8), e.add, "after grow");
  same(e.indirect(6, 3), 3, "called by the module");
  e.table.set(6, null);
  e.table.set(7);
  same(e.table.get(6), null, "set to null");
  same(thrown(() => e.table.get(99)) instanceof RangeError, true, "out of bounds");
  isA(
    thrown(() => e.table.set(6, () => 1)),
    TypeError,
    "a function of the host's",
  );
});

test("functions are arguments, results and hooks", async (w) => {
  const e = await w.load();
  same(e.same_function(e.add), e.add, "as funcref");
  same(e.same_function(null), null);
  same(e.same_value(e.add), e.add, "as externref");
  const own = () => 1;
  same(e.same_value(own), own, "the host's own");
  isA(
    thrown(() => e.same_function(own)),
    TypeError,
  );
  const raw = w.loader.unwrap(e.add);
  same(raw === e.add, false, "unwrap");
  same(new WebAssembly.Table({ element: "anyfunc", initial: 1 }, raw).get(0), raw);
  same(w.loader.unwrap(own), own, "unwrap of another function");
  same(w.loader.unwrap(3), 3, "unwrap of a number");
});

test("a guarded export is an import of another instance", async (w) => {
  const e = await w.load();
  const other = new World(w);
  await other.load({}, other.imports({ host: e.call }));
  w.host = (x) => x * 2;
  same(other.exports.call(4), 8);
  w.host = () => {
    throw new Error("foreign");
  };
  if (w.about.dialect !== "none") same(thrown(() => other.exports.call(4)).message, "foreign");
});

// Aborts

test("a trap", async (w) => {
  const e = await w.load();
  const error = thrown(() => e.trap());
  w.aborted(error);
  isA(error.cause, WebAssembly.RuntimeError, "cause");
  isA(error, WebAssembly.RuntimeError);
  same(error.name, "AbortError", "name");
  const refused = thrown(() => e.count());
  isA(refused, w.loader.TerminatedError);
  same(refused.name, "TerminatedError", "name");
  same(new Uint8Array(e.memory.buffer)[0], 42, "memory can still be looked at");
});

test("a trap in a function out of the table", async (w) => {
  const e = await w.load();
  w.aborted(thrown(() => e.table.get(3)(1)));
});

test("a trap behind call_indirect", async (w) => {
  const e = await w.load();
  w.aborted(thrown(() => e.indirect(3, 1)));
});

for (const [what, index] of [
  ["out of bounds", 99],
  ["null", 0],
  ["of another type", 1],
]) {
  test(`call_indirect ${what}`, async (w) => {
    const e = await w.load();
    w.aborted(thrown(() => e.indirect(index, 1)));
  });
}

test("stack overflow in the module", async (w) => {
  const e = await w.load();
  const error = thrown(() => e.overflow());
  w.aborted(error);
  isA(error.cause, RangeError, "cause");
});

test("stack overflow in a host frame", async (w) => {
  const e = await w.load();
  w.host = deep;
  w.aborted(thrown(() => e.careful(1)));
});

test("stack overflow between module and host", async (w) => {
  const e = await w.load();
  w.host = (x) => e.call(x);
  w.aborted(thrown(() => e.call(1)));
});

test("stack overflow of the host alone is none", async (w) => {
  const e = await w.load();
  isA(thrown(deep), RangeError);
  w.healthy();
  w.host = () => {
    isA(thrown(deep), RangeError);
    return 7;
  };
  same(e.call(1), 7);
  w.healthy();
  same(w.aborts.length, 0);
});

test("a stack overflow rethrown later", async (w) => {
  const e = await w.load();
  const old = thrown(deep);
  w.host = () => {
    throw old;
  };
  const error = thrown(() => e.careful(1));
  if (w.guard.terminated) w.aborted(error);
  else same(error, old); // in engines where it can be caught
});

test("a trap in another instance", async (w) => {
  const e = await w.load();
  w.host = strangeTrap();
  w.aborted(thrown(() => e.careful(1)));
});

test("another instance's trap rethrown later", async (w) => {
  const e = await w.load();
  const old = thrown(strangeTrap());
  w.host = () => {
    throw old;
  };
  w.aborted(thrown(() => e.careful(1)));
});

test("a trap that the host swallowed inside is told to whom is outside", async (w) => {
  const e = await w.load();
  let inner;
  w.host = () => {
    inner = thrown(() => e.trap());
    return 1;
  };
  const error = thrown(() => e.careful(1));
  same(error, inner, "the same abort");
  w.aborted(error);
});

test("onAbort: calls are refused, what it throws is reported", async (w) => {
  const e = await w.load();
  const reported = [];
  const { error: report } = console;
  let refused;
  w.onAbort = (_, guard) => {
    same(guard, w.guard, "the guard");
    refused = thrown(() => e.count());
    throw new Error("of the hook");
  };
  console.error = (error) => reported.push(error);
  const error = thrown(() => e.trap());
  console.error = report;
  isA(refused, w.loader.TerminatedError);
  same(reported[0]?.message, "of the hook");
  w.aborted(error);
});

test(
  "the module's own hook runs once, and first",
  async (w) => {
    const e = await w.load();
    const seen = [];
    w.onAbort = () => seen.push("loader");
    same(e.__wasmir_set_on_abort(e.step), null);
    same(e.__wasmir_set_on_abort(e.step), e.step, "the previous");
    const before = e.count();
    w.aborted(thrown(() => e.trap()));
    same(seen.join(), "loader");
    w.guard.reset();
    same(e.count(), 100, "after the reset");
    same(before, 0);
    w.aborted(
      thrown(() => e.trap()),
      2,
    );
  },
  { needs: ["reset"] },
);

test("a hook that traps", async (w) => {
  const e = await w.load();
  e.__wasmir_set_on_abort(e.trap);
  w.aborted(thrown(() => e.trap()));
});

// Not aborts

test(
  "a foreign exception is the very object",
  async (w) => {
    const e = await w.load();
    const frozen = Object.freeze(new Error("frozen"));
    for (const value of [
      new Error("foreign"),
      frozen,
      7,
      "text",
      undefined,
      null,
      Symbol("s"),
      { a: 1 },
    ]) {
      w.host = () => {
        throw value;
      };
      for (const name of ["call", "careful", "catching"])
        same(
          thrown(() => e[name](1)),
          value,
          name,
        );
      w.healthy();
    }
    same(new Int32Array(e.memory.buffer)[2], 8, "cleanups");
    same(w.aborts.length, 0);
  },
  { needs: ["exceptions"] },
);

test(
  "without exception handling, a foreign exception is an abort",
  async (w) => {
    const e = await w.load();
    const value = new Error("foreign");
    w.host = () => {
      throw value;
    };
    const error = thrown(() => e.call(1));
    w.aborted(error);
    same(error.cause, value, "cause");
  },
  { needs: ["no exceptions"] },
);

test(
  "a TypeError of the host's",
  async (w) => {
    const e = await w.load();
    w.host = () => null.x;
    isA(
      thrown(() => e.careful(1)),
      TypeError,
    );
    w.healthy();
  },
  { needs: ["exceptions"] },
);

test(
  "a result that does not convert",
  async (w) => {
    const e = await w.load();
    w.host = () => 1n;
    isA(
      thrown(() => e.careful(1)),
      TypeError,
    );
    w.healthy();
  },
  { needs: ["exceptions"] },
);

test("arguments that do not convert never enter", async (w) => {
  const e = await w.load();
  const own = new Error("valueOf");
  const bad = {
    valueOf() {
      throw own;
    },
  };
  isA(
    thrown(() => e.big(1)),
    TypeError,
  );
  isA(
    thrown(() => e.big("x")),
    SyntaxError,
  );
  isA(
    thrown(() => e.add(1n, 2)),
    TypeError,
  );
  isA(
    thrown(() => e.add(Symbol("s"), 2)),
    TypeError,
  );
  isA(
    thrown(() => e.five(1, 2, 3, 4, 5)),
    TypeError,
  );
  same(
    thrown(() => e.add(bad, 1)),
    own,
  );
  isA(
    thrown(() => e.add({ valueOf: deep }, 1)),
    RangeError,
  );
  isA(
    thrown(() => e.same_function(3)),
    TypeError,
  );
  w.healthy();
  w.host = () => {
    isA(
      thrown(() => e.big(1)),
      TypeError,
    );
    same(
      thrown(() => e.add(bad, 1)),
      own,
    );
    return 5;
  };
  same(e.call(1), 5);
  w.healthy();
  same(w.aborts.length, 0);
});

test("an argument's conversion calls the module", async (w) => {
  const e = await w.load();
  same(e.add({ valueOf: () => e.add(1, 2) }, 1), 4);
  w.healthy();
  w.aborted(thrown(() => e.add({ valueOf: () => e.trap() }, 1)));
});

test("a RuntimeError of the host's is an abort by default", async (w) => {
  const e = await w.load();
  const own = new WebAssembly.RuntimeError("Aborted()");
  w.host = () => {
    throw own;
  };
  const error = thrown(() => e.call(1));
  w.aborted(error);
  same(error.cause, own, "cause");
});

test(
  "a RuntimeError of the host's is what isAbort says",
  async (w) => {
    const seen = [];
    const e = await w.load({ isAbort: (error) => seen.push(error) && error === "abort" });
    const own = new WebAssembly.RuntimeError("Aborted()");
    w.host = () => {
      throw own;
    };
    same(
      thrown(() => e.call(1)),
      own,
    );
    w.healthy();
    w.host = () => {
      throw "abort"; // eslint-disable-line no-throw-literal
    };
    const error = thrown(() => e.call(1));
    w.aborted(error);
    same(error.cause, "abort");
    same(seen.length, 2, "asked");
  },
  { needs: ["exceptions"] },
);

test(
  "another guard's abort is a foreign exception",
  async (w) => {
    const other = new World(w);
    await other.load();
    const e = await w.load();
    w.host = () => other.exports.trap();
    const error = thrown(() => e.careful(1));
    other.aborted(error);
    w.healthy();
    w.host = () => other.exports.add(1, 2);
    isA(
      thrown(() => e.careful(1)),
      w.loader.TerminatedError,
    );
    w.healthy();
  },
  { needs: ["exceptions"] },
);

// Panics

test(
  "a panic",
  async (w) => {
    const seen = [];
    const message = (payload, instance) => {
      seen.push(payload, instance);
      return `code ${payload[0]}, ${instance.exports.add(1, 1)}`;
    };
    const e = await w.load({ panic: { message } });
    const error = thrown(() => e.panic(7));
    isA(error, w.loader.PanicError);
    same(error.name, "PanicError");
    same(error.message, "code 7, 2");
    isA(error.cause, WebAssembly.Exception, "cause");
    same(error.cause.is(e.__wasmir_panic_0), true);
    same(seen[0].length, 1, "payload");
    same(seen[1], w.guard.instance, "instance");
    w.healthy();
  },
  { needs: ["exceptions"] },
);

test(
  "a panic's message that can't be had",
  async (w) => {
    const e = await w.load({
      panic: {
        message() {
          throw new Error("no");
        },
      },
    });
    same(thrown(() => e.panic(7)).message, "the module panicked");
    const other = new World(w);
    await other.load();
    same(thrown(() => other.exports.panic(7)).message, "the module panicked");
  },
  { needs: ["exceptions"] },
);

test(
  "a panic is the module's own to catch, through host frames",
  async (w) => {
    const e = await w.load();
    w.host = (x) => e.panic(x);
    same(e.catching(7), 1007);
    isA(
      thrown(() => e.careful(7)),
      w.loader.PanicError,
    );
    w.healthy();
  },
  { needs: ["exceptions"] },
);

// First rule: never harm a healthy instance

test("raw calls beside the loader", async (w) => {
  const e = await w.load();
  const raw = w.loader.unwrap;
  raw(e.add)(1, 2);
  w.host = () => {
    raw(e.step)();
    thrown(() => raw(e.big)(1));
    return raw(e.count)();
  };
  same(e.call(1), 2);
  w.healthy();
  w.host = () => {
    raw(e.step)();
    throw new Error("foreign");
  };
  if (w.about.dialect !== "none") {
    same(thrown(() => raw(e.careful)(1)).message, "foreign");
    same(thrown(() => e.careful(1)).message, "foreign");
    w.healthy();
  }
});

test(
  "a raw call that aborts, unseen, is not blamed on the next",
  async (w) => {
    const e = await w.load();
    thrown(() => w.loader.unwrap(e.trap)());
    same(e.add(2, 3), 5);
    w.host = () => {
      throw new Error("foreign");
    };
    if (w.about.dialect !== "none") same(thrown(() => e.call(1)).message, "foreign");
    isA(
      thrown(() => e.big(1)),
      TypeError,
    );
    same(w.guard.terminated, false);
    w.aborted(thrown(() => e.trap()));
  },
  { needs: ["host"] },
);

test(
  "under notice=wasm a raw call that aborts is seen at the next",
  async (w) => {
    const e = await w.load();
    thrown(() => w.loader.unwrap(e.trap)());
    const error = thrown(() => e.add(2, 3));
    // Without exceptions, a refusal and what a frame dies of look alike.
    isA(error, w.about.dialect === "none" ? w.loader.AbortError : w.loader.TerminatedError);
    same(w.aborts.length, 1, "onAbort");
    w.dead();
  },
  { needs: ["wasm"] },
);

test(
  "under notice=wasm an abort swallowed behind a door is seen there",
  async (w) => {
    const e = await w.load();
    w.host = () => {
      thrown(() => w.loader.unwrap(e.trap)());
      return 1;
    };
    w.aborted(thrown(() => e.call(1)));
  },
  { needs: ["wasm"] },
);

test("a raw call that an outer one dies of", async (w) => {
  const e = await w.load();
  w.host = () => w.loader.unwrap(e.trap)();
  w.aborted(thrown(() => e.careful(1)));
});

test("the host terminates", async (w) => {
  await w.load();
  w.guard.terminate();
  w.dead();
  same(w.aborts.length, 0, "onAbort");
});

test("the host terminates, and the loader is not told", async (w) => {
  const e = await w.load();
  e.__wasmir_set_on_abort(e.step);
  e.__wasmir_state.value = 2;
  const error = thrown(() => e.add(2, 3));
  isA(error, w.about.dialect === "none" ? w.loader.AbortError : w.loader.TerminatedError);
  same(w.aborts.length, 1, "onAbort");
  w.dead();
});

test("the host terminates below a call", async (w) => {
  const e = await w.load();
  w.host = () => {
    w.guard.terminate();
    return 1;
  };
  isA(
    thrown(() => e.careful(1)),
    w.loader.TerminatedError,
  );
  same(w.aborts.length, 0, "onAbort");
});

test("a function that the module only passes on says nothing about it", async (w) => {
  const inner = new World(w);
  await inner.load();
  // (module (import "m" "f" (func)) (export "f" (func 0)) …) is not what program.py makes, so the
  // table has to do: a function of another instance in it.
  const e = await w.load();
  e.table.set(6, inner.exports.trap);
  inner.aborted(thrown(() => e.table.get(6)()));
  w.healthy();
  e.table.set(6, strangeTrap());
  isA(
    thrown(() => e.table.get(6)()),
    WebAssembly.RuntimeError,
  );
  w.healthy();
});

// Resets

test(
  "reset: in-place",
  async (w) => {
    const e = await w.load({ reset: "in-place" });
    const { memory } = e;
    const { buffer } = memory;
    e.step();
    new Uint8Array(buffer)[1] = 9;
    e.table.set(6, e.add);
    isA(
      thrown(() => e.trap()),
      w.loader.AbortError,
    );
    same(w.guard.terminated, true, "until the next call");
    same(e.count(), 100, "from _initialize");
    same(e.memory, memory);
    same(memory.buffer, buffer);
    same(new Uint8Array(buffer)[1], 0, "memory");
    same(e.table.get(6), null, "table");
    same(e.table.get(1), e.add, "identity");
    w.healthy();
    isA(
      thrown(() => e.trap()),
      w.loader.AbortError,
    );
    same(w.aborts.length, 2);
    w.healthy();
  },
  { needs: ["reset"] },
);

test(
  "reset: in-place, of a module that has none",
  async (w) => {
    isA(await rejected(w.load({ reset: "in-place" })), TypeError);
    const e = await w.load();
    isA(
      thrown(() => w.loader.guard(w.guard.instance, { reset: "in-place" })),
      TypeError,
    );
    same(e.add(1, 2), 3);
  },
  { needs: ["no reset"] },
);

test(
  "reset: reinstantiate",
  async (w) => {
    const e = await w.load({ reset: "reinstantiate" });
    const { memory, table, step } = e;
    const { buffer } = memory;
    const hidden = table.get(2);
    const first = w.guard.instance;
    e.step();
    isA(
      thrown(() => e.trap()),
      w.loader.AbortError,
    );
    same(e.count(), 100, "from _initialize");
    same(w.guard.exports, e);
    same(e.memory === memory, false, "another memory");
    same(buffer.byteLength, 0, "the old buffer is detached");
    same(new Uint8Array(e.memory.buffer)[0], 42);
    same(w.guard.instance === first, false);
    same(w.guard.instance.exports, e);
    same(e.table.get(5), step, "identity");
    isA(
      thrown(() => hidden(1)),
      w.loader.TerminatedError,
      "an old handle",
    );
    isA(
      thrown(() => table.get(3)(1)),
      w.loader.TerminatedError,
      "out of the old table",
    );
    same(e.table.get(2)(4), 8, "a new handle");
    w.healthy();
    isA(
      thrown(() => e.trap()),
      w.loader.AbortError,
    );
    same(e.count(), 100);
    same(w.aborts.length, 2);
  },
  { needs: ["exceptions"] },
);

test("reset: reinstantiate needs imports that are not shared", async (w) => {
  const instance = new WebAssembly.Instance(w.module, w.imports());
  isA(
    thrown(() => w.loader.guard(instance, { reset: "reinstantiate" })),
    TypeError,
  );
  // (module (import "e" "m" (memory 1)))
  const module = new WebAssembly.Module(
    new Uint8Array([...EMPTY, 2, 8, 1, 1, 101, 1, 109, 2, 0, 1]),
  );
  const imports = { e: { m: new WebAssembly.Memory({ initial: 1 }) } };
  const options = { reset: "reinstantiate", module, imports };
  isA(
    thrown(() => w.loader.guard(instance, options)),
    TypeError,
  );
  const made = [];
  const e = await w.load({ reset: "reinstantiate" }, () => made.push(1) && w.imports());
  isA(
    thrown(() => e.trap()),
    w.loader.AbortError,
  );
  same(e.add(1, 2), 3);
  same(made.length, 2, "imports made");
});

test("reset by hand, also asynchronously", async (w) => {
  const e = await w.load();
  e.step();
  w.guard.reset();
  same(e.count(), 100);
  isA(
    thrown(() => e.trap()),
    w.loader.AbortError,
  );
  await w.guard.resetAsync();
  same(e.count(), 100);
  w.loader.guard(w.guard.instance, { reset: "reinstantiate" });
  isA(
    thrown(() => e.trap()),
    w.loader.AbortError,
  );
  await w.guard.resetAsync();
  same(e.count(), 100);
  w.healthy();
});

test("a reset from onAbort", async (w) => {
  const e = await w.load({ reset: "reinstantiate" });
  w.onAbort = (_, guard) => guard.reset();
  isA(
    thrown(() => e.trap()),
    w.loader.AbortError,
  );
  same(w.guard.terminated, false);
  w.healthy();
  isA(
    thrown(() => e.trap()),
    w.loader.AbortError,
  );
  same(w.aborts.length, 2);
});

test("errors have their names, whatever a minifier calls the classes", async (w) => {
  for (const name of ["PanicError", "AbortError", "TerminatedError"]) {
    same(w.loader[name].name, name);
    same(`${new w.loader[name]("why")}`, `${name}: why`);
    same(Object.keys(new w.loader[name]("why")).length, 0);
  }
});

test("unknown resets", async (w) => {
  isA(await rejected(w.load({ reset: "often" })), TypeError);
});

test(
  "a frame that a reset left behind dies at its door",
  async (w) => {
    for (const how of ["return", "throw"]) {
      const world = new World(w);
      const e = await world.load();
      let inner;
      world.host = () => {
        inner = thrown(() => e.trap());
        world.guard.reset();
        same(e.count(), 100);
        if (how === "throw") throw new Error("late");
        return 1;
      };
      same(
        thrown(() => e.careful(1)),
        inner,
        "what the outer call died of",
      );
      world.healthy();
      same(world.aborts.length, 1);
    }
  },
  { needs: ["exceptions"] },
);

test(
  "a reset of a healthy instance below a call",
  async (w) => {
    const e = await w.load();
    w.host = () => {
      w.guard.reset();
      return 1;
    };
    const error = thrown(() => e.careful(1));
    isA(error, w.loader.TerminatedError);
    isA(error.cause, WebAssembly.RuntimeError);
    same(error.message, "the instance was reset meanwhile");
    w.healthy();
    same(w.aborts.length, 0);
    const foreign = new WebAssembly.RuntimeError("the host's");
    e.schedule();
    w.host = () => {
      throw foreign;
    };
    if (w.about.dialect !== "none") same(thrown(() => e.call(1)), foreign, "reset at the gate");
  },
  { needs: ["reset"] },
);

test(
  "the module schedules its reset",
  async (w) => {
    const e = await w.load();
    e.step();
    e.schedule();
    same(e.count(), 100, "reset at the next call");
    w.healthy();
    e.schedule();
    isA(
      thrown(() => e.trap()),
      w.loader.AbortError,
    );
    e.__wasmir_schedule_reinit();
    same(e.count(), 100);
    w.healthy();
    e.schedule();
    w.host = () => {
      throw new Error("foreign");
    };
    if (w.about.dialect !== "none") {
      same(thrown(() => e.call(1)).message, "foreign", "in the call that reset");
      w.healthy();
      e.schedule();
      isA(
        thrown(() => e.panic(1)),
        w.loader.PanicError,
      );
    }
    e.schedule();
    w.aborted(
      thrown(() => e.trap()),
      2,
    );
  },
  { needs: ["reset"] },
);

test(
  "an instance that reset itself meanwhile is not reset again",
  async (w) => {
    for (const reset of ["in-place", "reinstantiate"]) {
      const world = new World(w);
      const e = await world.load({ reset });
      isA(
        thrown(() => e.trap()),
        w.loader.AbortError,
      );
      e.__wasmir_schedule_reinit();
      const first = world.guard.instance;
      w.loader.unwrap(e.step)();
      same(e.count(), 101);
      same(world.guard.instance, first);
      world.healthy();
      isA(
        thrown(() => e.trap()),
        w.loader.AbortError,
      );
      world.guard.terminate();
      world.dead();
    }
  },
  { needs: ["reset"] },
);

test(
  "an abort in the call that reset, depth having been raised before",
  async (w) => {
    const e = await w.load();
    thrown(() => w.loader.unwrap(e.trap)());
    same(e.__wasmir_activation() >>> 0, 1, "depth");
    e.__wasmir_state.value = 2;
    e.__wasmir_schedule_reinit();
    w.aborted(thrown(() => e.trap()));
  },
  { needs: ["reset"] },
);

test(
  "an init that throws",
  async (w) => {
    const e = await w.load({ reset: "in-place" });
    const own = new Error("boot");
    w.boot = () => {
      throw own;
    };
    isA(
      thrown(() => e.trap()),
      w.loader.AbortError,
    );
    for (let round = 0; round < 2; round++) {
      same(
        thrown(() => e.count()),
        own,
        "the exception goes on",
      );
      same(w.guard.terminated, true);
    }
    w.boot = () => {};
    same(e.count(), 100);
    w.healthy();
    same(w.aborts.length, 1);
  },
  { needs: ["reset", "exceptions"] },
);

test(
  "an init that throws, in another instance",
  async (w) => {
    const e = await w.load({ reset: "reinstantiate" });
    const own = new Error("boot");
    w.boot = () => {
      throw own;
    };
    isA(
      thrown(() => e.trap()),
      w.loader.AbortError,
    );
    same(
      thrown(() => e.count()),
      own,
    );
    same(w.guard.terminated, true);
    w.boot = () => {};
    same(e.count(), 100);
    w.healthy();
  },
  { needs: ["exceptions"] },
);

test(
  "an init that aborts",
  async (w) => {
    const e = await w.load({ reset: "in-place" });
    const trap = strangeTrap();
    w.boot = trap;
    isA(
      thrown(() => e.trap()),
      w.loader.AbortError,
    );
    const error = thrown(() => e.count());
    isA(error, w.loader.AbortError);
    same(w.aborts.length, 2);
    same(w.guard.terminated, true);
    w.boot = () => {};
    same(e.count(), 100);
    w.healthy();
  },
  { needs: ["reset"] },
);

test("an init that aborts, in another instance", async (w) => {
  const e = await w.load({ reset: "reinstantiate" });
  w.boot = strangeTrap();
  isA(
    thrown(() => e.trap()),
    w.loader.AbortError,
  );
  for (const count of [2, 3]) {
    const error = thrown(() => e.count());
    isA(error, w.loader.AbortError);
    same(w.aborts.length, count);
    same(w.aborts.at(-1), error);
    same(w.guard.terminated, true);
  }
  w.boot = () => {};
  same(e.count(), 100);
  w.healthy();
});

test("init exports are the caller's choice", async (w) => {
  const e = await w.load({ reset: "reinstantiate", init: ["step", "step"] });
  isA(
    thrown(() => e.trap()),
    w.loader.AbortError,
  );
  same(e.count(), 2);
});

test("destructors leave a terminated or reset instance alone", async (w) => {
  const e = await w.load({ reset: "reinstantiate" });
  e.__wbg_thing_free(1);
  same(e.count(), 1);
  isA(
    thrown(() => e.trap()),
    w.loader.AbortError,
  );
  same(e.__wbg_thing_free(1), undefined, "on a terminated instance");
  same(e.count(), 100);
  e.__wbg_thing_free(1);
  same(e.count(), 100, "on a newer instance");
});

test(
  "destructors leave an instance alone that was reset in place",
  async (w) => {
    const e = await w.load();
    e.schedule();
    same(e.count(), 100);
    e.__wbg_thing_free(1);
    same(e.count(), 100);
    const other = new World(w);
    const f = await other.load({ destructors: /^never$/ });
    f.schedule();
    f.__wbg_thing_free(1);
    same(f.count(), 101, "the caller's choice");
  },
  { needs: ["reset"] },
);

// Promises

test("async exports reject", async (w) => {
  const e = await w.load({ async: ["trap", "add", "big"] });
  same(await e.add(1, 2), 3);
  isA(await rejected(e.big(1)), TypeError);
  isA(await rejected(e.trap()), w.loader.AbortError);
  isA(await rejected(e.add(1, 2)), w.loader.TerminatedError);
  same(e.add.length, 2, "length");
});

/** A host function that suspends; each call waits for its own promise. */
function suspending(w) {
  w.suspending = true;
  const waiting = [];
  w.wait = (x) => new Promise((resolve, reject) => waiting.push({ x, resolve, reject }));
  return waiting;
}

test(
  "promising calls that interleave",
  async (w) => {
    const waiting = suspending(w);
    const e = await w.load({ promising: ["suspend", "call"] });
    const first = e.suspend(1);
    const second = e.suspend(2);
    same(e.add(1, 2), 3, "a call meanwhile");
    isA(
      thrown(() => e.big(1)),
      TypeError,
    );
    waiting[0].resolve(10);
    same(await first, 11);
    same(e.add(1, 2), 3);
    waiting[1].resolve(20);
    same(await second, 21);
    same(await e.call(5), 5, "one that never suspends");
    w.healthy();
    same(w.aborts.length, 0);
  },
  { needs: ["jspi"] },
);

test(
  "foreign exceptions and panics while calls are suspended",
  async (w) => {
    const waiting = suspending(w);
    const e = await w.load({ promising: ["suspend"] });
    const first = e.suspend(1);
    const own = new Error("foreign");
    w.host = () => {
      throw own;
    };
    same(
      thrown(() => e.careful(1)),
      own,
    );
    isA(
      thrown(() => e.panic(1)),
      w.loader.PanicError,
    );
    const second = e.suspend(2);
    same(
      thrown(() => e.careful(1)),
      own,
    );
    waiting[1].resolve(1);
    waiting[0].resolve(1);
    await Promise.all([first, second]);
    w.healthy();
  },
  { needs: ["jspi", "exceptions"] },
);

test(
  "a promising call that throws before it suspends",
  async (w) => {
    suspending(w);
    const e = await w.load({ promising: ["careful", "panic"] });
    const own = new Error("foreign");
    w.host = () => {
      throw own;
    };
    same(await rejected(e.careful(1)), own);
    isA(await rejected(e.panic(1)), w.loader.PanicError);
    w.healthy();
  },
  { needs: ["jspi", "exceptions"] },
);

test(
  "a promising call that aborts at once, others being suspended",
  async (w) => {
    const waiting = suspending(w);
    const e = await w.load({ promising: ["suspend", "trap"] });
    const first = e.suspend(1);
    const error = await rejected(e.trap());
    w.aborted(error);
    waiting[0].resolve(1);
    same(await rejected(first), error, "the suspended one dies of it");
  },
  { needs: ["jspi"] },
);

test(
  "a synchronous abort, others being suspended",
  async (w) => {
    const waiting = suspending(w);
    const e = await w.load({ promising: ["suspend"], reset: "reinstantiate" });
    const first = e.suspend(1);
    const error = thrown(() => e.trap());
    isA(error, w.loader.AbortError);
    same(e.count(), 100, "reset");
    const second = e.suspend(2);
    waiting[0].resolve(1);
    same(await rejected(first), error);
    same(e.count(), 100);
    waiting[1].resolve(5);
    same(await second, 6);
    w.healthy();
    same(w.aborts.length, 1);
  },
  { needs: ["jspi"] },
);

test(
  "the same, reset in place",
  async (w) => {
    const waiting = suspending(w);
    const e = await w.load({ promising: ["suspend"], reset: "in-place" });
    const first = e.suspend(1);
    const error = thrown(() => e.trap());
    isA(error, w.loader.AbortError);
    const second = e.suspend(2);
    waiting[0].reject(new Error("late"));
    same(await rejected(first), error);
    same(e.count(), 100);
    waiting[1].resolve(5);
    same(await second, 6);
    w.healthy();
    same(w.aborts.length, 1);
  },
  { needs: ["jspi", "reset"] },
);

test(
  "a suspending import that rejects",
  async (w) => {
    const waiting = suspending(w);
    const e = await w.load({ promising: ["suspend"] });
    const promise = e.suspend(1);
    const other = e.suspend(2);
    const own = new Error("rejected");
    waiting[0].reject(own);
    const error = await rejected(promise);
    if (w.guard.terminated) {
      w.aborted(error);
      same(error.cause, own);
      waiting[1].resolve(1);
      same(await rejected(other), error);
    } else {
      same(error, own); // where the engine lets the module catch it
      waiting[1].resolve(1);
      same(await other, 2);
      w.healthy();
    }
  },
  { needs: ["jspi"] },
);

test(
  "a suspended call is no reason to terminate",
  async (w) => {
    const waiting = suspending(w);
    const e = await w.load({ promising: ["suspend"] });
    const promises = [1, 2, 3].map((x) => e.suspend(x));
    w.host = () => e.add(1, 1);
    same(e.call(1), 2);
    waiting[2].resolve(1);
    await promises[2];
    waiting[0].resolve(1);
    await promises[0];
    waiting[1].resolve(1);
    await promises[1];
    w.healthy();
  },
  { needs: ["jspi"] },
);

test(
  "promising calls in random order",
  async (w) => {
    let seed = 1;
    const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
    for (let round = 0; round < 40; round++) {
      const world = new World(w);
      const waiting = suspending(world);
      const e = await world.load({ promising: ["suspend", "careful"] });
      const own = new Error("foreign");
      const running = [];
      world.host = (x) => {
        if (x === 1) throw own;
        return x === 2 ? e.add(1, 1) : e.call(x - 1);
      };
      // Every second round one call aborts, sooner or later.
      const fatal = round % 2 ? random(12) : -1;
      let death;
      for (let step = 0; step < 12 && !death; step++) {
        const pending = waiting.filter((each) => !each.done);
        const pick = pending[random(pending.length || 1)];
        if (step === fatal) death = thrown(() => e.trap());
        else if (random(3) === 0) running.push(e.suspend(random(9)));
        else if (random(3) === 0) same(await rejected(e.careful(1)), own);
        else if (random(3) === 0) same(e.call(2 + random(3)), 2);
        else if (random(3) === 0) isA(thrown(() => e.panic(1)), w.loader.PanicError);
        else if (pick) {
          pick.done = true;
          pick.resolve(step);
          await Promise.race([...running, new Promise((go) => setTimeout(go))]);
        }
      }
      for (const each of waiting) each.resolve(1);
      for (const { status, reason } of await Promise.allSettled(running)) {
        if (status === "rejected") same(reason, death, "what it died of");
      }
      if (death) world.aborted(death);
      else world.healthy();
    }
  },
  { needs: ["jspi", "exceptions"] },
);

test(
  "promising, where the engine has none",
  async (w) => {
    isA(await rejected(w.load({ promising: ["add"] })), TypeError);
  },
  { needs: ["no jspi"] },
);

// install

const EMPTY = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);

test("install guards recovered modules, whatever way they are made", async (w) => {
  const { Instance } = WebAssembly;
  const uninstall = w.loader.install({ isAbort: () => false });
  try {
    const ways = [
      async () => new WebAssembly.Instance(w.module, w.imports()),
      async () => WebAssembly.instantiate(w.module, w.imports()),
      async () => (await WebAssembly.instantiate(w.bytes, w.imports())).instance,
      async () => {
        const headers = { "content-type": "application/wasm" };
        const response = new Response(w.bytes, { headers });
        return (await WebAssembly.instantiateStreaming(response, w.imports())).instance;
      },
    ];
    for (const way of ways) {
      const instance = await way();
      same(instance instanceof WebAssembly.Instance, true);
      same(instance instanceof Instance, true);
      const { exports: e } = instance;
      same(e.add(1, 2), 3);
      same(e.table.get(1), e.add);
      isA(
        thrown(() => e.trap()),
        w.loader.AbortError,
      );
      isA(
        thrown(() => e.add(1, 2)),
        w.loader.TerminatedError,
      );
      w.loader.guard(instance).reset();
      same(e.count(), 100);
      same(instance.exports, e);
    }
    const other = (await WebAssembly.instantiate(EMPTY)).instance;
    same(Object.hasOwn(other, "exports"), false, "another module");
    same(new WebAssembly.Instance(new WebAssembly.Module(EMPTY)) instanceof Instance, true);
  } finally {
    uninstall();
  }
  same(WebAssembly.Instance, Instance, "uninstalled");
  const { exports: e } = new WebAssembly.Instance(w.module, w.imports());
  same(thrown(() => e.trap()) instanceof w.loader.AbortError, false);
});

test("install lets glue use what it was given as if it were the module's", async (w) => {
  const uninstall = w.loader.install();
  try {
    const { exports: e } = new WebAssembly.Instance(w.module, w.imports());
    const table = new WebAssembly.Table({ element: "anyfunc", initial: 1 }, e.add);
    same(table.get(0), e.add, "the constructor's");
    table.set(0, e.call);
    same(table.get(0), e.call, "set");
    table.grow(1, e.step);
    same(table.get(1), e.step, "grow");
    same(table instanceof WebAssembly.Table, true);
    const imports = w.imports({ host: e.call });
    const { exports: f } = await WebAssembly.instantiate(w.module, imports);
    w.host = (x) => x + 1;
    same(f.call(1), 2, "an import");
    const frozen = Object.freeze({ ...w.imports().env, host: e.call });
    same(new WebAssembly.Instance(w.module, { env: frozen }).exports.call(1), 2, "frozen imports");
    if (WebAssembly.promising) same(await WebAssembly.promising(e.add)(1, 2), 3, "promising");
    if (WebAssembly.promising) {
      isA(await rejected(WebAssembly.promising(e.trap)()), w.loader.AbortError);
      isA(
        thrown(() => WebAssembly.promising(3)),
        TypeError,
      );
    }
    isA(
      thrown(() => new WebAssembly.Instance(w.module, {})),
      TypeError,
      "imports that are missing",
    );
    isA(await rejected(WebAssembly.instantiate(w.module)), TypeError);
  } finally {
    uninstall();
  }
});

test("installed twice, and taken away in any order", async (w) => {
  const before = { ...Object.getOwnPropertyDescriptors(WebAssembly) };
  const first = w.loader.install();
  const second = w.loader.install();
  const { exports: e } = new WebAssembly.Instance(w.module, w.imports());
  isA(
    thrown(() => e.trap()),
    w.loader.AbortError,
  );
  first();
  const { exports: f } = new WebAssembly.Instance(w.module, w.imports());
  isA(
    thrown(() => f.trap()),
    w.loader.AbortError,
  );
  second();
  first();
  const { exports: g } = new WebAssembly.Instance(w.module, w.imports());
  same(thrown(() => g.trap()) instanceof w.loader.AbortError, false);
  for (const [name, { value }] of Object.entries(before))
    Object.defineProperty(WebAssembly, name, { value });
});

test("guard for an instance that other glue made", async (w) => {
  const instance = new WebAssembly.Instance(w.module, w.imports());
  const seen = [];
  w.guard = w.loader.guard(instance);
  w.exports = w.guard.exports;
  same(
    w.loader.guard(instance, { onAbort: (error) => w.aborts.push(error) && seen.push(error) }),
    w.guard,
  );
  w.healthy();
  w.aborted(thrown(() => instance.exports.trap()));
  same(seen.length, 1);
  const other = new WebAssembly.Instance(new WebAssembly.Module(EMPTY));
  isA(
    thrown(() => w.loader.guard(other)),
    TypeError,
  );
});

test("instantiate takes bytes, a module, a response, and promises of these", async (w) => {
  const headers = { "content-type": "application/wasm" };
  for (const source of [
    w.bytes,
    w.bytes.buffer.slice(w.bytes.byteOffset, w.bytes.byteOffset + w.bytes.byteLength),
    w.module,
    new Response(w.bytes, { headers }),
    Promise.resolve(new Response(w.bytes)),
    WebAssembly.compile(w.bytes),
  ]) {
    const { exports } = await w.loader.instantiate(source, w.imports());
    same(exports.add(1, 2), 3);
  }
  isA(await rejected(w.loader.instantiate(EMPTY)), TypeError);
  isA(await rejected(w.loader.instantiate(w.bytes, {})), TypeError);
});

/** Runs what applies, and says for each case: null, or what went wrong, or {skipped: reason}. */
export async function run({ loader, bytes, about, only = "" }) {
  const has = {
    exceptions: about.dialect !== "none",
    reset: about.reset,
    jspi: typeof WebAssembly.promising === "function",
  };
  const holds = (need) =>
    need.startsWith("no ") ? !has[need.slice(3)] : (has[need] ?? about.notice === need);
  const results = {};
  for (const [name, { body, needs }] of cases) {
    if (only && only !== name) continue;
    const missing = needs.filter((need) => !holds(need));
    if (missing.length) {
      results[name] = { skipped: missing.join() };
      continue;
    }
    try {
      await body(new World({ bytes, loader, about }));
      results[name] = null;
    } catch (error) {
      results[name] = `${error?.stack ?? error}`;
    }
  }
  return results;
}
