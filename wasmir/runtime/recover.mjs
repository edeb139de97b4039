// The JavaScript half of recovery; recover.d.mts says what each name promises. What pages load is
// recover.min.mjs, made of this file by `python -m tests.runtime --minify`.
//
// A function that returns or throws counts itself out; one that a trap removes can't, so the
// module's depth stays raised. It is read before each call, and once more when an error leaves one.

// The originals, whatever install() puts in their place.
const W = WebAssembly;
const { Exception, Global, Instance, Memory, Module, RuntimeError, Table, promising } = W;
const { compile, instantiate: instantiateModule } = W;
const { get, set, grow } = Table.prototype;
const define = Object.defineProperty;
const exportsOf = Object.getOwnPropertyDescriptor(Instance.prototype, "exports").get;

export class PanicError extends Error {}
export class AbortError extends RuntimeError {} // hosts that look for traps go on finding them
export class TerminatedError extends Error {}
// Spelled out, because minifiers change the names of classes.
for (const [name, Class] of Object.entries({ PanicError, AbortError, TerminatedError })) {
  Class.prototype.name = name;
  define(Class, "name", { value: name });
}

const guards = new WeakMap(); // from an instance to what changes and gives its guard
const standIns = new WeakMap(); // from a module's function to what stands for it
const originals = new WeakMap(); // and back
const promisers = new WeakMap(); // from what stands for an export to what makes it promising
const isFunction = (value) => typeof value === "function";
const out = (value) => (isFunction(value) ? (standIns.get(value) ?? value) : value);
export const unwrap = (value) => (isFunction(value) ? (originals.get(value) ?? value) : value);

const isTrap = (error) => error instanceof RuntimeError && !(error instanceof AbortError);
const carries = (error, tag) => Exception && tag && error instanceof Exception && error.is(tag);
// What __wasmir_activation returns is epoch * 2^32 + depth.
const depthOf = (now) => now >>> 0;
const epochOf = (now) => Math.floor(now / 2 ** 32);

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
const current = (imports) => (isFunction(imports) ? imports() : imports);
const reading = (get) => new Proxy({}, { get: (_, name) => get(name) });
/** The imports, with modules' own functions in place of what stands for them. */
const linked = (imports) =>
  reading((space) => {
    const given = imports?.[space] ?? (space === "WebAssembly" ? { JSTag } : undefined);
    return Object(given) === given ? reading((name) => unwrap(given[name])) : given;
  });
/** What a module imports, each with its `value`. */
const importsOf = (module, imports) =>
  (module ? Module.imports(module) : []).map((each) => {
    return { ...each, value: imports?.[each.module]?.[each.name] };
  });

const patch = (object, name, value) =>
  define(object, name, { value, configurable: true, writable: true });

/** Has a table, or all, take what stands for functions, and give `from` of what is in it. */
function patchTable(table, from, patched = patch) {
  for (const method of [get, set, grow]) {
    patched(table, method.name, function (...all) {
      return from(method.apply(this, all.map(unwrap)));
    });
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
    for (const { module: space, name, value } of importsOf(module, imports)) {
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
  let options = {
    reset: "never",
    isAbort: isTrap,
    async: [],
    promising: [],
    destructors: /^__wbg_.*_free$/,
  };
  let raw, activation, state;
  // What calls note before they begin, replaced as a whole: the exports, how many of the guard's
  // promising calls are suspended in which epoch, how many resets it made, and the last abort.
  let mark = { resets: 0 };
  let due = false; // a reset, before the next call
  let instances = -1; // before this one
  let seen; // where the last abort was
  let unsaid; // an abort for whose telling the stack was too short
  const refusals = []; // the tags of this instance and those before it
  const revivals = []; // what has the exports' stand-ins call the next instance

  const exports = Object.create(null);
  const self = {
    exports,
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
      const reset = way();
      if (reset === "in-place") return renew(reset);
      check({ ...options, reset }, raw);
      const given = current(options.imports);
      renew(reset, given, await instantiateModule(options.module, linked(given)));
    },
  };
  const way = () => {
    if (options.reset !== "never") return options.reset;
    return raw.__wasmir_reset_state ? "in-place" : "reinstantiate";
  };

  function change(more) {
    const next = { ...options, ...more };
    check(next, raw);
    options = next;
    return self;
  }

  function adopt(next) {
    instance = next;
    instances++;
    raw = exportsOf.call(next);
    activation = raw.__wasmir_activation;
    state = raw.__wasmir_state;
    refusals.push(raw.__wasmir_terminated);
    mark = { ...mark, raw, epoch: 0, pending: 0, resets: mark.resets + 1 };
  }

  /** Has the instance, and the tables that the host can see, give what stands for functions. */
  function present(given) {
    guards.set(instance, change);
    define(instance, "exports", { value: exports, configurable: true });
    const imported = importsOf(options.module, given).map(({ value }) => value);
    for (const table of [...Object.values(raw), ...imported]) {
      const holdsFunctions = table instanceof Table && !succeeds(() => grow.call(table, 0, {}));
      if (holdsFunctions) patchTable(table, handle);
    }
  }

  const place = (now) => instances * 2 ** 32 + epochOf(now);
  /** Activations that no suspended call accounts for. */
  const running = (now, { epoch, pending }) =>
    depthOf(now) - (epoch === epochOf(now) ? pending : 0);
  /** Of these, what was there before a call. */
  const settled = (now, before, then) =>
    epochOf(now) === epochOf(before) ? running(before, then) : 0;

  function enter() {
    // Unless the module has reset itself meanwhile.
    if (due && (due = state.value === 2)) renew(options.reset);
    return activation();
  }

  /** What the caller gets in place of `error`. More than `most` left running make it an abort. */
  function failed(error, before, then, isGate, most) {
    const now = activation();
    const isSame = epochOf(now) === epochOf(before);
    const isCurrent = then.raw === raw;
    const isOver = then.resets !== mark.resets || state.value === 2;
    const isRefused = refusals.some((tag) => carries(error, tag));
    if (unsaid) noted(...unsaid);
    else if (isCurrent && state.value === 2) {
      // Who noticed is the module, or another loader.
      const isOther = !isRefused && !isTrap(error);
      const isNews = isSame && seen !== place(now) && mark.aborted === then.aborted;
      if (isSame || !isOther) noted(error, now);
      // An exception that ended the instance by leaving code without handlers comes out as it is.
      if (isNews && isOther) return error;
    } else if (isCurrent && !isRefused) {
      if (running(now, mark) > (most ?? settled(now, before, then))) abort(error, now);
    }
    if (!isRefused && mark.aborted !== then.aborted) return mark.aborted;
    if (isRefused || (isOver && isTrap(error))) {
      const what = state.value === 2 ? "is terminated" : "was reset meanwhile";
      return new TerminatedError(`the instance ${what}`, { cause: error });
    }
    if (isOver) return error;
    // Below another call of the module, its own handlers want their own exceptions.
    for (const name in running(now, mark) > 0 ? {} : raw) {
      if (name.startsWith("__wasmir_panic_") && carries(error, raw[name]))
        return panic(error, raw[name]);
    }
    return isSame && isGate && options.isAbort(error) ? abort(error, now) : error;
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
    if (!succeeds(raw.__wasmir_terminate) && epochOf(activation()) === epochOf(now))
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

  function renew(reset, given, next) {
    check({ ...options, reset }, raw);
    const wasDue = due;
    due = false;
    try {
      if (reset === "in-place") {
        standFor(raw.__wasmir_reset_state)[0]();
        mark = { ...mark, resets: mark.resets + 1 };
      } else {
        given ??= current(options.imports);
        replace(next ?? new Instance(options.module, linked(given)), given);
      }
    } catch (error) {
      due ||= wasDue;
      throw error;
    }
  }

  function replace(next, given) {
    const old = Object.values(raw);
    state.value = 2;
    adopt(next);
    for (const revive of revivals) revive();
    present(given);
    // A detached buffer is how glue learns to look for the memory again.
    for (const each of old) if (each instanceof Memory) succeeds(() => each.grow(0));
    const constructors = raw._initialize ? "_initialize" : "__wasm_call_ctors";
    try {
      for (const name of options.init ?? [constructors, "__wbindgen_start"]) exports[name]?.();
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
    const many = (...all) => {
      const v = enter(), m = mark;
      // In place: map would cost more than the call.
      for (let index = 0; index < all.length; index++) all[index] = unwrap(all[index]);
      try { return out(f(...all)); } catch (e) { throw fail(e, v, m); }
    };
    // By the number of parameters: that is faster than spreading them.
    const call = [
      () => {
        const v = enter(), m = mark;
        try { return out(f()); } catch (e) { throw fail(e, v, m); }
      },
      (a) => {
        const v = enter(), m = mark;
        try { return out(f(unwrap(a))); } catch (e) { throw fail(e, v, m); }
      },
      (a, b) => {
        const v = enter(), m = mark;
        try { return out(f(unwrap(a), unwrap(b))); } catch (e) { throw fail(e, v, m); }
      },
      (a, b, c) => {
        const v = enter(), m = mark;
        try { return out(f(unwrap(a), unwrap(b), unwrap(c))); } catch (e) { throw fail(e, v, m); }
      },
    ][f.length];
    return [like(f, call ?? many), (next) => (f = next)];
  }

  /** The same for a function that JSPI makes promising: while suspended, it keeps depth raised. */
  function standForPromising(f, isGate) {
    let start = promising(f);
    const call = async (...all) => {
      const v = enter(), m = mark;
      let now = v;
      let most; // once suspended: 0 where that left depth raised
      const count = (by) => {
        const epoch = epochOf(now);
        if (m.raw !== raw || epochOf(activation()) !== epoch) most = Infinity;
        const pending = (mark.epoch === epoch ? mark.pending : 0) + by;
        if (most === 0) mark = { ...mark, epoch, pending };
      };
      try {
        const promise = start(...all.map(unwrap));
        now = activation();
        most = running(now, mark) > settled(now, v, m) ? 0 : Infinity;
        count(1);
        const result = await promise;
        count(-1);
        return out(result);
      } catch (e) {
        if (most === 0) count(-1);
        throw failed(e, now, m, isGate, most);
      }
    };
    return [like(f, call), (next) => (start = promising(next))];
  }

  /** What stands for a function out of a table. */
  function handle(f) {
    if (isFunction(f) && !standIns.has(f)) {
      const [call] = standFor(f);
      standIns.set(f, call);
      originals.set(call, f);
    }
    return out(f);
  }

  adopt(instance);
  change(wishes);
  const given = isFunction(imports) ? undefined : imports;
  const needed = importsOf(options.module, given).filter(({ kind }) => kind === "function");
  const passedOn = new Set(needed.map(({ value }) => unwrap(value)));

  /** What stands for an export, whichever instance is behind it. */
  function standForExport(name, make) {
    const isPlain = make === standFor && !options.async.includes(name);
    if (isPlain && standIns.has(raw[name])) return standIns.get(raw[name]);
    // A function that the module only passes on says nothing about it. Names are indices.
    const isGate = raw[name].name >= needed.length && !passedOn.has(raw[name]);
    const [inner, become] = make(raw[name], isGate);
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
    if (isFunction(value) && (enumerable || name === "__wasmir_set_on_abort")) {
      const make = options.promising.includes(name) ? standForPromising : standFor;
      define(exports, name, { value: standForExport(name, make), enumerable });
    } else define(exports, name, { get: () => raw[name], enumerable });
  }
  Object.freeze(exports);
  present(given);
  return self;
}

export async function instantiate(source, imports, options) {
  source = await source;
  const bytes = await (source.arrayBuffer?.() ?? source);
  const module = bytes instanceof Module ? bytes : await compile(bytes, options?.compile);
  const given = current(imports);
  const instance = await instantiateModule(module, linked(given));
  return makeGuard(instance, { ...options, module, imports }, given);
}

export function install(options) {
  let active = true;
  const undo = [];
  const replace = (object, name, value) => {
    const old = object[name];
    patch(object, name, value);
    undo.push(() => object[name] === value && patch(object, name, old));
  };
  const take = (instance, module, imports) => {
    if (active && isRecovered(instance)) guard(instance, { ...options, module, imports });
    return instance;
  };
  const replaceClass = (name, construct) => replace(W, name, new Proxy(W[name], { construct }));
  replaceClass("Instance", (Class, [module, imports], target) =>
    take(Reflect.construct(Class, [module, linked(imports)], target), module, imports),
  );
  for (const name of ["Table", "Global"])
    replaceClass(name, (Class, all, target) => Reflect.construct(Class, all.map(unwrap), target));
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const method = W[name];
    if (!method) continue;
    replace(W, name, async (source, imports, ...more) => {
      const made = await method.call(W, source, linked(imports), ...more);
      take(made.instance ?? made, made.module ?? source, imports);
      return made;
    });
  }
  if (promising) replace(W, "promising", (f) => promisers.get(f)?.() ?? promising(f));
  patchTable(Table.prototype, out, replace);
  return () => {
    active = false;
    for (const each of undo) each();
  };
}
