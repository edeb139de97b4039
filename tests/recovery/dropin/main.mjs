// Runs one program of this folder on modules of it, under its own published glue.
//
// Standard input: {"program": name, "folder": of the glue, "modules": {file name: path, …},
//   "originals": {file name: path, …}, "loader": path or null, "options": the loader's,
//   "abort": one of the program's, or null}
// Standard output: what was seen, as JSON, is the last line; the glue may say something before.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const request = JSON.parse(readFileSync(0, "utf8"));
const { program, folder, modules, originals, loader, options, abort } = request;

// What the engine makes, before a loader sees it.
const instances = [];
const { Instance, instantiate, Module, Table } = WebAssembly;
const getFromTable = Table.prototype.get;
function record(instance, module, imports, tables) {
  const exports = { ...instance.exports };
  const visible = new Map(tables);
  for (const each of Object.values(exports)) if (each instanceof Table) visible.set(each, []);
  // The slots that instantiation filled.
  const own = [];
  for (const [table, before] of visible) {
    const after = slots(table);
    after.forEach((f, at) => f && f !== before[at] && own.push([table, at, f]));
  }
  const memory = exports.memory ?? Object.values(exports).find((each) => each instanceof WebAssembly.Memory) ?? imports?.env?.memory;
  instances.push({ instance, exports, module, own, memory });
}
function slots(table) {
  return Array.from({ length: table.length }, (_, at) => {
    try {
      return getFromTable.call(table, at);
    } catch {
      return null;
    }
  });
}
const tablesOf = (module, imports) =>
  Module.imports(module)
    .filter(({ kind }) => kind === "table")
    .map(({ module, name }) => imports[module][name])
    .map((table) => [table, slots(table)]);
WebAssembly.Instance = new Proxy(Instance, {
  construct(Class, [module, imports], target) {
    const before = tablesOf(module, imports);
    const instance = Reflect.construct(Class, [module, imports], target);
    record(instance, module, imports, before);
    return instance;
  },
});
WebAssembly.instantiate = async (source, imports) => {
  const module = source instanceof Module ? source : await WebAssembly.compile(source);
  const before = tablesOf(module, imports);
  const instance = await instantiate(module, imports);
  record(instance, module, imports, before);
  return source instanceof Module ? instance : { module, instance };
};

// Which exports are functions that stand in a table that the host can see, and where.
function identities({ exports, own }) {
  const places = new Map();
  for (const [, at, f] of own) places.set(f, [...(places.get(f) ?? []), at]);
  const named = Object.entries(exports).filter(([name]) => !name.startsWith("__wasmir_"));
  return Object.fromEntries(named.filter(([, f]) => places.has(f)).map(([name, f]) => [name, places.get(f)]));
}
const digest = (value) => createHash("sha256").update(JSON.stringify(value)).digest("hex");
const isOurs = (description) => / __wasmir_/.test(description);
const descriptions = (list) => list.map(({ module, name, kind }) => `${kind} ${module ?? ""} ${name}`);
const hash = (memory) => createHash("sha256").update(new Uint8Array(memory.buffer)).digest("hex");
const name = (error) => error?.constructor?.name ?? String(error);

// A function of a module's, that a hook has to be.
const relay = new Module(new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 2, 7, 1, 1, 109, 1, 102, 0, 0, 7, 5, 1, 1, 102, 0, 0,
]));

// Everything that the host can call, called: what it threw, and whether memory is as it was.
function callEverything({ exports, own, memory }) {
  const before = hash(memory);
  const thrown = {};
  const functions = Object.entries(exports)
    .filter(([name, f]) => typeof f === "function" && !name.startsWith("__wasmir_"))
    .map(([, f]) => f);
  for (const f of new Set([...functions, ...own.map((slot) => slot[2])])) {
    let what = "nothing";
    try {
      f(...Array.from({ length: f.length }, () => 0));
    } catch (error) {
      const terminated = exports.__wasmir_terminated;
      what = error instanceof WebAssembly.Exception && terminated && error.is(terminated) ? "terminated" : name(error);
      // Zero is no BigInt: the call never began.
      if (what === "TypeError" || what === "SyntaxError") what = "conversion";
    }
    thrown[what] = (thrown[what] ?? 0) + 1;
  }
  return { thrown, memory: hash(memory) === before };
}

const seen = { works: [] };
const { open } = await import(`./${program}.mjs`);
const told = [];
if (loader) {
  const { install } = await import(pathToFileURL(loader));
  install({ ...options, onAbort: (error) => told.push(name(error)) });
}
const context = { folder, modules, original: (file) => originals[file], instances };
const attempt = async (action) => {
  try {
    return { returned: String(await action()) };
  } catch (error) {
    return { thrown: name(error), cause: name(error.cause), message: String(error.message).slice(0, 200) };
  }
};

const opened = await open(context);
const recorded = () => instances.filter(({ exports }) => exports.__wasmir_activation || !loader);
seen.works.push(await opened.work());
seen.modules = instances
  .filter(({ module }) => Module.exports(module).length > 3)
  .map((each) => ({
    imports: digest(descriptions(Module.imports(each.module))),
    exports: digest(descriptions(Module.exports(each.module)).filter((each) => !isOurs(each))),
    ours: descriptions(Module.exports(each.module)).filter(isOurs).sort(),
    identities: digest(identities(each)),
    identical: Object.keys(identities(each)).length,
    filled: each.own.length,
    seen: sameOutside(each),
  }));
// What the host gets: under a loader, stand-ins. Identities hold for them, too.
function sameOutside({ instance, own }) {
  const outside = new Set(Object.values(instance.exports));
  return own.filter(([table, at]) => outside.has(table.get(at))).length;
}
if (abort) await survive();
// The glue may leave timers behind.
process.stdout.write(`\n${JSON.stringify(seen)}`, () => process.exit(0));

async function survive() {
  const [first] = recorded().filter(({ exports }) => exports.__wasmir_set_on_abort);
  let hooked = 0;
  const f = () => void hooked++;
  first.exports.__wasmir_set_on_abort(new Instance(relay, { m: { f } }).exports.f);
  let collected;
  if (opened.litter) {
    collected = opened.litter();
  }
  seen.abort = await attempt(() => opened.aborts[abort]());
  if (!loader) seen.next = await attempt(() => opened.work());
  seen.hooked = hooked;
  seen.told = [...told];
  seen.state = first.exports.__wasmir_state.value;
  if (seen.state !== 2) {
    // Nothing was lost: an overflow in frames of JavaScript's, which the glue caught.
    seen.works.push(await opened.work());
    return;
  }
  if (options.reset !== "in-place") {
    seen.after = callEverything(first);
    seen.refused = await attempt(() => opened.work());
    seen.toldAfter = told.length;
    const fresh = await open(context);
    seen.works.push(await fresh.work());
    return;
  }
  for (let round = 0; round < 3; round++) {
    await opened.again?.();
    seen.works.push(await opened.work());
    if (round < 2) await attempt(() => opened.aborts[abort]());
  }
  if (opened.litter) {
    // What was made before: the finalizers run, and free nothing in the new heap.
    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc");
    for (let round = 0; round < 5; round++) {
      gc();
      await new Promise((done) => setTimeout(done, 10));
    }
    seen.works.push(await opened.work());
  }
  seen.told = told.length;
  seen.activation = first.exports.__wasmir_activation();
}
