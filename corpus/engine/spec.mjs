// Runs the commands of the specification's tests (wast2json's format), one JSON file at a time.
//
// Standard input: {"files": [{"json": path, "modules": {filename: path, …} or absent}, …]}; `modules`
// puts other files in the place of some, for example converted ones.
// Standard output: [[{"line", "type", "ok", "detail"}, …], …], one list a file.
// Assertions about modules that must not load (invalid, malformed, unlinkable) are not run: they say
// nothing about a converted module.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const RUN = new Set(["assert_return", "assert_exception", "assert_trap", "assert_exhaustion"]);

function spectest() {
  const nothing = () => {};
  return {
    print: nothing,
    print_i32: nothing,
    print_i64: nothing,
    print_f32: nothing,
    print_f64: nothing,
    print_i32_f32: nothing,
    print_f64_f64: nothing,
    global_i32: new WebAssembly.Global({ value: "i32" }, 666),
    global_i64: new WebAssembly.Global({ value: "i64" }, 666n),
    global_f32: new WebAssembly.Global({ value: "f32" }, 666.6),
    global_f64: new WebAssembly.Global({ value: "f64" }, 666.6),
    table: new WebAssembly.Table({ element: "anyfunc", initial: 10, maximum: 20 }),
    memory: new WebAssembly.Memory({ initial: 1, maximum: 2 }),
  };
}

function runFile({ json, modules = {} }) {
  const folder = dirname(json);
  const registry = { spectest: spectest() };
  const named = new Map();
  let current = null;
  const results = [];

  function perform(action) {
    const { exports } = action.module ? named.get(action.module) : current;
    if (action.type === "get") return exports[action.field].value;
    return exports[action.field](...action.args.map(read));
  }

  for (const command of JSON.parse(readFileSync(json, "utf8")).commands) {
    const { type, line } = command;
    const report = (ok, detail = "") => results.push({ line, type, ok, detail });
    try {
      if (type === "module") {
        const path = modules[command.filename] ?? join(folder, command.filename);
        current = null;
        current = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path)), registry);
        if (command.name) named.set(command.name, current);
      } else if (type === "register") {
        registry[command.as] = (command.name ? named.get(command.name) : current).exports;
      } else if (type === "action") {
        perform(command.action);
      } else if (RUN.has(type)) {
        check(command, perform, report);
      }
    } catch (error) {
      report(false, String(error));
    }
  }
  return results;
}

function check(command, perform, report) {
  let value;
  try {
    value = perform(command.action);
  } catch (error) {
    if (command.type === "assert_exception") {
      report(error instanceof WebAssembly.Exception, String(error));
    } else if (command.type === "assert_trap") {
      report(error instanceof WebAssembly.RuntimeError, String(error));
    } else if (command.type === "assert_exhaustion") {
      report(error instanceof RangeError, String(error));
    } else {
      report(false, String(error));
    }
    return;
  }
  if (command.type !== "assert_return") {
    report(false, `returned ${value}`);
    return;
  }
  const values = value === undefined ? [] : Array.isArray(value) ? value : [value];
  const { expected } = command;
  report(
    values.length === expected.length && expected.every((want, i) => matches(values[i], want)),
    `returned ${values}`,
  );
}

const scratch = new DataView(new ArrayBuffer(8));

function read({ type, value }) {
  switch (type) {
    case "i32":
      return Number(value) | 0;
    case "i64":
      return BigInt(value);
    case "f32":
      scratch.setUint32(0, Number(value));
      return scratch.getFloat32(0);
    case "f64":
      scratch.setBigUint64(0, BigInt(value));
      return scratch.getFloat64(0);
    case "externref":
      return value === "null" ? null : Number(value);
    default:
      if (value === "null") return null;
      throw new Error(`a ${type} can't be passed from JavaScript`);
  }
}

function matches(value, want) {
  switch (want.type) {
    case "i32":
      return value === (Number(want.value) | 0);
    case "i64":
      return value === BigInt.asIntN(64, BigInt(want.value));
    case "f32":
    case "f64":
      // JavaScript may change a NaN's bits, so all that can be asked is that it is one.
      if (want.value.startsWith("nan:")) return Number.isNaN(value);
      return Object.is(value, read(want)) || (Number.isNaN(value) && Number.isNaN(read(want)));
    default:
      if (want.value === "null") return value === null;
      if (want.value === undefined) return value !== null;
      return value === Number(want.value);
  }
}

const { files } = JSON.parse(readFileSync(0, "utf8"));
writeFileSync(1, JSON.stringify(files.map(runFile)));
