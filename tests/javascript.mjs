// Runs a piece of JavaScript over some modules: JSON in, what it returns as JSON out.

import { createHash } from "node:crypto";
import { Session } from "../corpus/engine/session.mjs";

// What the host sees of an instance: memories, tables and globals among its exports, those that `like`
// has, in the sizes that it has there: what is behind must be zero or null (or something, in a table
// that knows no null), and is told if it isn't.
function state(instance, like = instance) {
  const found = {};
  for (const [name, other] of Object.entries(like.exports)) {
    const value = instance.exports[name];
    if (value instanceof WebAssembly.Global) found[name] = globalOf(value);
    else if (value instanceof WebAssembly.Memory) {
      const bytes = Buffer.from(value.buffer);
      const size = other.buffer.byteLength;
      const digest = createHash("sha1").update(bytes.subarray(0, size)).digest("hex");
      found[name] = `${size}:${digest}${bytes.subarray(size).some((byte) => byte) ? " and more" : ""}`;
    } else if (value instanceof WebAssembly.Table) {
      const all = Array.from({ length: Number(value.length) }, (_, at) => slot(value, at));
      const rest = all.splice(Number(other.length));
      const empty = rest.every((each) => each === "null") || !takesNull(value);
      found[name] = empty ? all : [...all, "and more"];
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

function takesNull(table) {
  try {
    table.grow(typeof table.length === "bigint" ? 0n : 0, null);
    return true;
  } catch {
    return false;
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
const scope = { ...values, state, show, outcome, Session };
for (const [name, data] of Object.entries(modules)) {
  scope[name] = new WebAssembly.Module(Buffer.from(data, "base64"));
}
const AsyncFunction = (async () => {}).constructor;
const result = await new AsyncFunction(...Object.keys(scope), code)(...Object.values(scope));
process.stdout.write(JSON.stringify(result ?? null));
