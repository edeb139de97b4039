// The JavaScript half of recovery; recover.d.mts says what each name promises.
//
// A function that returns or throws counts itself out; one that a trap removes can't, so the
// module's depth stays raised. It is read before each call, and once more when an error leaves one.

// The originals, whatever install() puts in their place.
const W = WebAssembly;
const { Exception, Global, Instance, Memory, Module, RuntimeError, Table, compile, promising } = W;
const instantiateModule = W.instantiate;
const { defineProperty: define, getOwnPropertyDescriptor: described } = Object;
const exportsOf = described(Instance.prototype, "exports").get;
const { get, set, grow } = Table.prototype;

export class PanicError extends Error {}
// A RuntimeError, so that hosts that look for traps go on finding them.
export class AbortError extends RuntimeError {}
export class TerminatedError extends Error {}
PanicError.prototype.name = "PanicError";
AbortError.prototype.name = "AbortError";
TerminatedError.prototype.name = "TerminatedError";

const guards = new WeakMap(); // an instance to what changes and gives its guard
const standIns = new WeakMap(); // a module's function to what stands for it
const originals = new WeakMap(); // and back
const promisers = new WeakMap(); // what stands for an export to what makes it promising
const out = (value) => (typeof value === "function" ? (standIns.get(value) ?? value) : value);
export const unwrap = (value) =>
  typeof value === "function" ? (originals.get(value) ?? value) : value;

const isTrap = (error) => error instanceof RuntimeError && !(error instanceof AbortError);
const carries = (error, tag) => Exception && tag && error instanceof Exception && error.is(tag);
// What __wasmir_activation returns is epoch * 2^32 + depth.
const depthOf = (activation) => activation >>> 0;
const epochOf = (activation) => (activation - depthOf(activation)) / 2 ** 32;

function succeeds(action) {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

// Where an engine has no JSTag, no exception carries this one.
const JSTag = W.JSTag ?? (W.Tag && new W.Tag({ parameters: ["externref"] }));
const reading = (read) => new Proxy({}, { get: (_, name) => read(name) });
/** The imports, with modules' own functions in place of what stands for them. */
const linked = (imports) =>
  reading((space) => {
    const values = imports?.[space] ?? (space === "WebAssembly" ? { JSTag } : undefined);
    return Object(values) === values ? reading((name) => unwrap(values[name])) : values;
  });
const current = (imports) => (typeof imports === "function" ? imports() : imports);
const importsOf = (module) => (module ? Module.imports(module) : []);

/** Has a table, or all, take what stands for functions, and give `from` of what is in it. */
function patchTable(target, from, patch = define) {
  for (const method of [get, set, grow]) {
    const value = function (...all) {
      return from(method.apply(this, all.map(unwrap)));
    };
    patch(target, method.name, { value, configurable: true, writable: true });
  }
}

function check({ reset, module, imports, promising: names }, raw) {
  const need = (is, message) => {
    if (!is) throw new TypeError(message);
  };
  need(promising || !names.length, "the engine has no WebAssembly.promising");
  if (reset === "in-place")
    need(raw.__wasmir_reset_state, "the module has no __wasmir_reset_state");
  else if (reset === "reinstantiate") {
    need(module, "to reinstantiate takes the options module and imports");
    for (const { module: space, name } of importsOf(module)) {
      const value = imports?.[space]?.[name];
      const isShared = [Memory, Table, Global].some((Shared) => value instanceof Shared);
      need(!isShared, `${space}.${name} is not as it was at first: make imports a function`);
    }
  } else need(reset === "never", `there is no reset "${reset}"`);
}

const isRecovered = (instance) => "__wasmir_activation" in exportsOf.call(instance);
export const guard = (instance, options) =>
  guards.get(instance)?.(options) ?? makeGuard(instance, options, options?.imports);

function makeGuard(instance, wishes, imports) {
  if (!isRecovered(instance)) throw new TypeError("not a recovered module");
  let raw, activation, terminate, state;
  let options = {
    reset: "never",
    isAbort: isTrap,
    async: [],
    promising: [],
    destructors: /^__wbg_.*_free$/,
  };
  // What calls note before they begin, replaced as a whole: the instance, how many of the guard's
  // promising calls are suspended in which epoch, and the last abort.
  let mark = {};
  let due = false; // a reset, before the next call
  let instances = 0; // before this one
  let seen; // where the last abort was
  let unsaid; // an abort for whose telling the stack was too short
  const refusals = []; // the tags of this instance and those before it
  const revivals = []; // what has the exports' stand-ins call the next instance

  const self = {
    exports: Object.create(null),
    get instance() {
      return instance;
    },
    get terminated() {
      return state.value === 2;
    },
    get degraded() {
      return raw.__wasmir_degraded?.value ?? 0;
    },
    terminate() {
      seen = place(activation());
      due = false;
      state.value = 2;
    },
    reset: () => renew(way()),
    async resetAsync() {
      if (way() === "in-place") return renew("in-place");
      check({ ...options, reset: "reinstantiate" }, raw);
      const given = current(options.imports);
      const next = await instantiateModule(options.module, linked(given));
      renew("reinstantiate", () => next, given);
    },
  };
  const way = () =>
    options.reset !== "never"
      ? options.reset
      : raw.__wasmir_reset_state
        ? "in-place"
        : "reinstantiate";

  function change(more) {
    const next = { ...options, ...more };
    check(next, raw);
    options = next;
    return self;
  }

  function adopt(next) {
    instance = next;
    raw = exportsOf.call(next);
    ({
      __wasmir_activation: activation,
      __wasmir_terminate: terminate,
      __wasmir_state: state,
    } = raw);
    refusals.push(raw.__wasmir_terminated);
    mark = { ...mark, raw, epoch: 0, pending: 0 };
  }

  /** Has the instance, and the tables that the host can see, give what stands for functions. */
  function present(given) {
    guards.set(instance, change);
    define(instance, "exports", { value: self.exports, configurable: true });
    const imported = importsOf(options.module).map(({ module, name }) => given?.[module]?.[name]);
    for (const table of [...Object.values(raw), ...imported]) {
      const holdsFunctions = table instanceof Table && !succeeds(() => grow.call(table, 0, {}));
      if (holdsFunctions) patchTable(table, handle);
    }
  }

  const place = (now) => instances * 2 ** 32 + epochOf(now);
  /** Activations that no suspended call accounts for. */
  const running = (now, { epoch, pending }) =>
    depthOf(now) - (epoch === epochOf(now) ? pending : 0);

  function enter() {
    // Unless the module has reset itself meanwhile.
    if (due && (due = state.value === 2)) renew(options.reset);
    return activation();
  }

  /** What the caller gets in place of `error`. */
  function failed(error, before, then, isGate, limit) {
    const refused = refusals.some((tag) => carries(error, tag));
    const now = activation(),
      same = epochOf(now) === epochOf(before);
    const isOver = then.raw !== raw || state.value === 2;
    if (unsaid) noted(...unsaid);
    else if (state.value === 2) {
      // Who noticed is the module, or another loader.
      const isOther = !refused && !isTrap(error);
      const isNews = same && then.raw === raw && seen !== place(now) && mark.aborted === then.aborted;
      if (then.raw === raw && (same || !isOther)) noted(error, now);
      // An exception that ended the instance by leaving code without handlers comes out as it is.
      if (isNews && isOther) return error;
    } else if (then.raw === raw && !refused) {
      const most = limit ?? (same ? running(before, then) : 0);
      if (running(now, mark) > most) abort(error, now);
    }
    if (!refused && mark.aborted !== then.aborted) return mark.aborted;
    if (refused || (isOver && isTrap(error))) {
      return new TerminatedError("the instance is terminated", { cause: error });
    }
    if (isOver) return error;
    // Below another call of the module, its own handlers want their own exceptions.
    for (const name in running(now, mark) > 0 ? {} : raw) {
      if (/^__wasmir_panic_/.test(name) && carries(error, raw[name]))
        return panic(error, raw[name]);
    }
    if (same && isGate && options.isAbort(error)) return abort(error, now);
    return error;
  }

  function panic(cause, tag) {
    const payload = [];
    while (succeeds(() => payload.push(cause.getArg(tag, payload.length))));
    let message = "the module panicked";
    succeeds(() => (message = options.panic.message(payload, instance)));
    return new PanicError(message, { cause });
  }

  function abort(cause, now) {
    unsaid = [cause, now];
    // It fails where the hook traps, or where the stack is too short even for this.
    if (!succeeds(terminate) && state.value !== 2 && epochOf(activation()) === epochOf(now))
      state.value = 2;
    noted(cause, now);
    return mark.aborted;
  }

  /** Tells of an abort, unless it was told of. */
  function noted(cause, now) {
    if (seen === place(now)) return;
    const aborted = new AbortError(`the module aborted: ${cause?.message ?? cause}`, { cause });
    mark = { ...mark, aborted };
    seen = place(now);
    unsaid = undefined;
    try {
      options.onAbort?.(aborted, self);
    } catch (error) {
      console.error(error);
    }
    due = options.reset !== "never" && seen === place(activation());
  }

  function renew(reset, make = instantiateNow, given = undefined) {
    check({ ...options, reset }, raw);
    const wasDue = due;
    due = false;
    try {
      if (reset === "in-place") standFor(raw.__wasmir_reset_state)[0]();
      else replace(make, given ?? current(options.imports));
    } catch (error) {
      due ||= wasDue;
      throw error;
    }
  }

  const instantiateNow = (given) => new Instance(options.module, linked(given));

  function replace(make, given) {
    const next = make(given);
    const old = Object.values(raw);
    state.value = 2;
    adopt(next);
    instances++;
    for (const revive of revivals) revive();
    present(given);
    // A detached buffer is how glue learns to look for the memory again.
    for (const each of old) if (each instanceof Memory) succeeds(() => each.grow(0));
    const constructors = raw._initialize ? "_initialize" : "__wasm_call_ctors";
    try {
      for (const name of options.init ?? [constructors, "__wbindgen_start"]) self.exports[name]?.();
    } catch (error) {
      state.value = 2;
      throw error;
    }
  }

  const like = ({ name, length }, call) =>
    Object.defineProperties(call, { name: { value: name }, length: { value: length } });

  /** What is called in place of `f`, and what has it call another function from then on. */
  function standFor(f, isGate) {
    const fail = (error, before, then) => failed(error, before, then, isGate);
    const spread = (...all) => {
      const v = enter(),
        m = mark;
      // In place: map would cost more than the call.
      for (let index = 0; index < all.length; index++) all[index] = unwrap(all[index]);
      try {
        return out(f(...all));
      } catch (e) {
        throw fail(e, v, m);
      }
    };
    // By the number of parameters: that is faster than spreading them.
    const call = [
      () => {
        const v = enter(),
          m = mark;
        try {
          return out(f());
        } catch (e) {
          throw fail(e, v, m);
        }
      },
      (a) => {
        const v = enter(),
          m = mark;
        try {
          return out(f(unwrap(a)));
        } catch (e) {
          throw fail(e, v, m);
        }
      },
      (a, b) => {
        const v = enter(),
          m = mark;
        try {
          return out(f(unwrap(a), unwrap(b)));
        } catch (e) {
          throw fail(e, v, m);
        }
      },
      (a, b, c) => {
        const v = enter(),
          m = mark;
        try {
          return out(f(unwrap(a), unwrap(b), unwrap(c)));
        } catch (e) {
          throw fail(e, v, m);
        }
      },
    ][f.length];
    return [like(f, call ?? spread), (next) => (f = next)];
  }

  /** The same for a function that JSPI makes promising: while suspended, it keeps depth raised. */
  function standForPromising(f, isGate) {
    let start = promising(f);
    const call = async (...all) => {
      const v = enter(),
        m = mark;
      let now = v,
        raised,
        suspended;
      const count = (by) => {
        if (raised && m.raw === raw && epochOf(activation()) === epochOf(now)) {
          const pending = (mark.epoch === epochOf(now) ? mark.pending : 0) + by;
          mark = { ...mark, epoch: epochOf(now), pending };
        } else raised = false;
      };
      try {
        const promise = start(...all.map(unwrap));
        now = activation();
        raised = running(now, mark) > (epochOf(now) === epochOf(v) ? running(v, m) : 0);
        suspended = true;
        count(1);
        const result = await promise;
        count(-1);
        return out(result);
      } catch (e) {
        if (suspended) count(-1);
        throw failed(e, now, m, isGate, suspended ? (raised ? 0 : Infinity) : undefined);
      }
    };
    return [like(f, call), (next) => (start = promising(next))];
  }

  /** What stands for a function out of a table. */
  function handle(f) {
    if (typeof f === "function" && !standIns.has(f)) register(f, standFor(f)[0]);
    return out(f);
  }
  function register(f, call) {
    standIns.set(f, call);
    originals.set(call, f);
  }

  adopt(instance);
  change(wishes);
  const given = typeof imports === "function" ? undefined : imports;
  const needed = importsOf(options.module).filter(({ kind }) => kind === "function");
  const passedOn = new Set(needed.map(({ module, name }) => unwrap(given?.[module]?.[name])));

  /** What stands for an export, whichever instance is behind it. */
  function standForExport(name, make) {
    // A function that the module only passes on says nothing about it. Names are indices.
    const isGate = raw[name].name >= needed.length && !passedOn.has(raw[name]);
    const [inner, become] = make(raw[name], isGate);
    const isPlain = make === standFor && !options.async.includes(name);
    let call = isPlain ? inner : like(inner, async (...all) => inner(...all));
    if (options.destructors.test(name)) {
      // Which instance made what it is to free isn't known.
      const isFirst = () => state.value !== 2 && !instances && !epochOf(activation());
      call = like(inner, (...all) => (isFirst() ? inner(...all) : undefined));
    }
    const stand = () => {
      become(raw[name]);
      originals.set(call, raw[name]);
      // Out of a table comes what returns results, not promises.
      if (isPlain) standIns.set(raw[name], call);
    };
    stand();
    revivals.push(stand);
    promisers.set(call, () => standForExport(name, standForPromising));
    return call;
  }

  for (const [name, value] of Object.entries(raw)) {
    // Glue that goes through all exports (Emscripten's, for dynamic linking) finds only its own.
    const enumerable = !name.startsWith("__wasmir_");
    if (typeof value === "function" && (enumerable || name === "__wasmir_set_on_abort")) {
      const make = options.promising.includes(name) ? standForPromising : standFor;
      const isPlain = make === standFor && !options.async.includes(name);
      const call = (isPlain && standIns.get(value)) || standForExport(name, make);
      define(self.exports, name, { value: call, enumerable });
    } else define(self.exports, name, { get: () => raw[name], enumerable });
  }
  Object.freeze(self.exports);
  present(given);
  return self;
}

export async function instantiate(source, imports, options) {
  source = await source;
  const bytes = source.arrayBuffer ? await source.arrayBuffer() : source;
  const module = source instanceof Module ? source : await compile(bytes, options?.compile);
  const given = current(imports);
  const instance = await instantiateModule(module, linked(given));
  return makeGuard(instance, { ...options, module, imports }, given);
}

export function install(options) {
  let active = true;
  const undo = [];
  const patch = (object, name, changed) => {
    const old = described(object, name);
    define(object, name, { ...old, ...changed });
    undo.push(() => object[name] === changed.value && define(object, name, old));
  };
  const take = (instance, module, imports) => {
    if (active && isRecovered(instance)) guard(instance, { ...options, module, imports });
    return instance;
  };
  const patchClass = (name, construct) =>
    patch(W, name, { value: new Proxy(W[name], { construct }) });
  patchClass("Instance", (Class, [module, imports], target) =>
    take(Reflect.construct(Class, [module, linked(imports)], target), module, imports),
  );
  for (const name of ["Table", "Global"]) {
    patchClass(name, (Class, all, target) => Reflect.construct(Class, all.map(unwrap), target));
  }
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const method = W[name];
    const value = async (source, imports, ...more) => {
      const made = await method.call(W, source, linked(imports), ...more);
      take(made.instance ?? made, made.module ?? source, imports);
      return made;
    };
    patch(W, name, { value });
  }
  if (promising) patch(W, "promising", { value: (f) => promisers.get(f)?.() ?? promising(f) });
  patchTable(Table.prototype, out, patch);
  return () => {
    active = false;
    for (const each of undo) each();
  };
}
