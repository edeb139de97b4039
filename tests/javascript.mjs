// Runs a piece of JavaScript over some modules: JSON in, what it returns as JSON out.

import { createHash } from "node:crypto";

// What the host sees of an instance: memories, tables and globals among its exports. Sizes are those
// of `like`, where it is given: what is behind must be zero or null, and is told if it isn't.
function state(instance, like = instance) {
  const found = {};
  for (const [name, value] of Object.entries(instance.exports)) {
    const other = like.exports[name];
    if (value instanceof WebAssembly.Global) found[name] = globalOf(value);
    else if (value instanceof WebAssembly.Memory) {
      const bytes = Buffer.from(value.buffer);
      const size = other.buffer.byteLength;
      const digest = createHash("sha1").update(bytes.subarray(0, size)).digest("hex");
      found[name] = `${size}:${digest}${bytes.subarray(size).some((byte) => byte) ? " and more" : ""}`;
    } else if (value instanceof WebAssembly.Table) {
      const all = Array.from({ length: Number(value.length) }, (_, at) => slot(value, at));
      const rest = all.splice(Number(other.length));
      found[name] = rest.some((each) => each !== "null") ? [...all, "and more"] : all;
    }
  }
  return found;
}

function globalOf(global) {
  try {
    return show(global.value);
  } catch (error) {
    return `unreadable: ${error.constructor.name}`; // v128, exnref
  }
}

function slot(table, at) {
  try {
    return show(table.get(typeof table.length === "bigint" ? BigInt(at) : at));
  } catch (error) {
    return `unreadable: ${error.constructor.name}`;
  }
}

// Functions are called by their index, objects of the module are opaque.
function show(value) {
  if (typeof value === "function") return `function ${value.name}`;
  if (typeof value === "bigint") return `${value}n`;
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "object" && value !== null) return "object";
  return String(value);
}

// How a call ends, in words.
function outcome(call) {
  try {
    const result = call();
    return Array.isArray(result) ? result.map(show).join() : show(result);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return `trap: ${error.message}`;
    if (error instanceof WebAssembly.Exception) return "exception";
    if (error instanceof RangeError) return "trap: stack overflow";
    return `${error.constructor?.name}: ${error.message}`;
  }
}

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { code, modules, values } = JSON.parse(Buffer.concat(chunks).toString());
const scope = { ...values, state, show, outcome };
for (const [name, data] of Object.entries(modules)) {
  scope[name] = new WebAssembly.Module(Buffer.from(data, "base64"));
}
const AsyncFunction = (async () => {}).constructor;
const result = await new AsyncFunction(...Object.keys(scope), code)(...Object.values(scope));
process.stdout.write(JSON.stringify(result ?? null));
