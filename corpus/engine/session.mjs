// One instance of a module, and all that can be seen of it from outside: results, what was thrown
// (tag, payload, which object), traps, the order of logged values, exported globals and memories.

import { createHash } from "node:crypto";

// The values for one parameter, by the number of parameters.
const GRIDS = [
  [],
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 17, -1, -2147483648],
  [0, 1, 2, 3, 4, 5, 6, 7, -1],
  [0, 1, 2, 3, 4],
  [0, 1, 3],
];
const MAXIMUM_ARITY = GRIDS.length - 1;
// A call that logs more than this is in an endless loop.
const MAXIMUM_LOG = 10000;

// What `env.throw_js` throws: one fixed value for a number. An object's identity is compared.
class HostError extends Error {}
const hostValues = [
  new HostError("host error"),
  { a: "plain object" },
  "a string",
  12345.5,
  null,
  undefined,
  () => {},
  Symbol("a symbol"),
];
const hostValue = (n) => hostValues[(n >>> 0) % hostValues.length];

export class Session {
  // A log that throws does so when it is called for the time `logThrowsAt` in a call.
  constructor(module, path, logThrowsAt) {
    this.module = module;
    this.path = path;
    this.logThrowsAt = logThrowsAt;
    this.log = [];
    this.tags = new Map(); // tag object -> name
    this.passed = []; // exceptions that went through the host, of the current call
    this.objects = new Map(); // opaque object (a struct, an array) -> label
    this.digests = new Map(); // exported memory's name -> its MemoryDigest
    this.hostExceptions = new Map(); // number -> the one WebAssembly.Exception for it
    const tag = new WebAssembly.Tag({ parameters: ["i32"] });
    const other = new WebAssembly.Tag({ parameters: ["i32"] });
    this.hostTag = tag;
    this.tags.set(tag, "env.tag").set(other, "env.other_tag");
    const log = (value) => {
      this.log.push(this.show(value));
      if (this.log.length > MAXIMUM_LOG) {
        // Not by an exception: the module could catch it.
        console.error(`endless loop in ${this.path}: ${this.current}`);
        process.exit(1);
      }
      if (this.log.length === this.logThrowsAt) throw hostValue(0);
    };
    this.imports = {
      WebAssembly: { JSTag: WebAssembly.JSTag },
      env: {
        log,
        // The same for references: a name may be imported with one type only where modules are put
        // into a component.
        log_ref: log,
        throw_js: (n) => {
          throw hostValue(n);
        },
        throw_wasm: (n) => {
          throw this.hostException(n);
        },
        call_back: (n) => {
          try {
            return this.instance.exports.callback(n);
          } catch (error) {
            // Whether it is the same one that gets out in the end can be told by what passed here.
            this.passed.push(error);
            throw error;
          }
        },
        call_back_catching: (n) => {
          try {
            return this.instance.exports.callback(n);
          } catch (error) {
            this.log.push(this.thrown(error));
            return -1;
          }
        },
        tag,
        // Another name for it, as a module may import one twice.
        tag_again: tag,
        other_tag: other,
        js_tag: WebAssembly.JSTag,
      },
      // One of each kind, for modules to which somebody added an import that nothing uses. Made when
      // asked for, because a memory reserves much of the address space.
      get extra() {
        return {
          func: () => {},
          table: new WebAssembly.Table({ element: "anyfunc", initial: 1 }),
          memory: new WebAssembly.Memory({ initial: 1 }),
          global: 1,
          tag: new WebAssembly.Tag({ parameters: ["i32"] }),
        };
      },
    };
  }

  start() {
    // Traps of the start function are the module's own affair: instantiation fails, and says so.
    this.instance = new WebAssembly.Instance(this.module, this.imports);
    this.stackPointer = this.instance.exports.__stack_pointer?.value;
    for (const { name, kind } of WebAssembly.Module.exports(this.module)) {
      const value = this.instance.exports[name];
      if (name.startsWith("__wasmir_")) continue; // tags that have no name of their own
      if (kind === "tag" && !this.tags.has(value)) this.tags.set(value, `export ${name}`);
    }
  }

  *grid() {
    for (const { name, kind } of WebAssembly.Module.exports(this.module)) {
      if (kind !== "function" || name.startsWith("_")) continue;
      const { length } = this.instance.exports[name];
      // An arity beyond the grid would silently test nothing.
      if (length > MAXIMUM_ARITY) throw new Error(`${name} has ${length} parameters`);
      for (const args of tuples(GRIDS[length], length)) yield [name, args];
    }
  }

  call(name, args) {
    this.log = [];
    this.passed = [];
    this.current = `${name}(${args})`;
    let outcome;
    try {
      const result = this.instance.exports[name](...args);
      const results = result === undefined ? [] : Array.isArray(result) ? result : [result];
      outcome = { returned: results.map((value) => this.show(value)) };
    } catch (error) {
      outcome = this.thrown(error);
    }
    const state = this.state();
    // What left the module, or trapped in it, left its frames too; so an embedder has to do this.
    if (this.stackPointer !== undefined) this.instance.exports.__stack_pointer.value = this.stackPointer;
    return { export: name, arguments: args, outcome, log: this.log, state };
  }

  thrown(error) {
    const host = hostValues.findIndex((value) => Object.is(value, error));
    if (host >= 0) return { thrown: `host value ${host}` };
    if (error instanceof WebAssembly.Exception) {
      for (const [n, exception] of this.hostExceptions) {
        if (exception === error) return { thrown: `host exception ${n}` };
      }
      const passed = this.passed.indexOf(error);
      const identity = passed < 0 ? {} : { passed };
      for (const [tag, name] of this.tags) {
        if (error.is(tag)) return { thrown: name, payload: this.payload(error, tag), ...identity };
      }
      return { thrown: "a tag that is not exported", ...identity };
    }
    if (error instanceof WebAssembly.RuntimeError) return { trap: error.message };
    // The depth at which the stack overflows is nobody's promise; that it does is.
    if (error instanceof RangeError) return { trap: "stack overflow" };
    return { thrown: `unknown ${typeof error}: ${String(error)}` };
  }

  payload(exception, tag) {
    const values = [];
    for (let index = 0; ; index++) {
      try {
        values.push(this.show(exception.getArg(tag, index)));
      } catch (error) {
        // Past the end: a RangeError or a TypeError, by engine. A value that JavaScript can't hold
        // (v128) throws too; the tags of the corpus that carry one are not exported.
        if (error instanceof RangeError || error instanceof TypeError) return values;
        throw error;
      }
    }
  }

  hostException(n) {
    if (!this.hostExceptions.has(n)) {
      this.hostExceptions.set(n, new WebAssembly.Exception(this.hostTag, [n]));
    }
    return this.hostExceptions.get(n);
  }

  state() {
    const state = {};
    for (const [name, value] of Object.entries(this.instance.exports)) {
      if (name.startsWith("__wasmir_")) continue; // what recovery adds
      if (value instanceof WebAssembly.Global) {
        state[name] = this.global(value);
      } else if (value instanceof WebAssembly.Memory) {
        if (!this.digests.has(name)) this.digests.set(name, new MemoryDigest());
        state[name] = this.digests.get(name).of(value);
      }
    }
    return state;
  }

  global(global) {
    try {
      return this.show(global.value);
    } catch (error) {
      // A v128, or a reference to an exception.
      if (error instanceof TypeError) return "not for JavaScript";
      throw error;
    }
  }

  // A text for a value: what compares equal is the same to WebAssembly, as far as JavaScript can tell.
  show(value) {
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
    const host = hostValues.findIndex((other) => Object.is(other, value));
    if (host >= 0) return `host value ${host}`;
    if (typeof value === "function") return `function ${value.name}/${value.length}`;
    if (typeof value === "object") {
      if (value instanceof WebAssembly.Exception) return this.thrown(value);
      if (!this.objects.has(value)) this.objects.set(value, `object ${this.objects.size}`);
      return this.objects.get(value);
    }
    return `${typeof value} ${String(value)}`;
  }
}

// A hash of a memory after each call. A call changes little of it: the rest is compared with what was
// there before, which takes a tenth of the time of hashing it.
class MemoryDigest {
  static PAGE = 4096;
  seen = Buffer.alloc(0);
  pages = [];

  of(memory) {
    const bytes = Buffer.from(memory.buffer);
    const before = this.seen.length;
    if (before < bytes.length) this.seen = Buffer.concat([this.seen], bytes.length);
    for (let start = 0; start < bytes.length; start += MemoryDigest.PAGE) {
      const end = Math.min(start + MemoryDigest.PAGE, bytes.length);
      if (start < before && bytes.compare(this.seen, start, end, start, end) === 0) continue;
      bytes.copy(this.seen, start, start, end);
      const page = createHash("sha1").update(bytes.subarray(start, end)).digest("hex");
      this.pages[start / MemoryDigest.PAGE] = page;
    }
    const digest = createHash("sha1").update(this.pages.join()).digest("hex");
    return `${bytes.length}:${digest}`;
  }
}

function* tuples(values, length) {
  if (length === 0) {
    yield [];
    return;
  }
  for (const first of values) {
    for (const rest of tuples(values, length - 1)) yield [first, ...rest];
  }
}
