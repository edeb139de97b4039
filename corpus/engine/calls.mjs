// Calls every exported function of each module with a grid of small integers, and tells all that can
// be seen from outside: results, what was thrown (tag, payload, which object), traps, the order of
// logged values, exported globals and memories. Two modules that behave alike give the same answer.
//
// Standard input: {"modules": [{"path": …, "calls": [[export, [argument…]], …] or absent,
//   "log_throws_at": number or absent}, …]}; a log that throws does so when it is called for that time.
//   An argument that is text is a BigInt.
// Standard output: [{"calls": [{"export", "arguments", "outcome", "log", "state"}, …]} or {"error"}, …]

import { readFileSync, writeFileSync } from "node:fs";

import { Session } from "./session.mjs";

function run({ path, calls, log_throws_at }) {
  let module;
  try {
    module = new WebAssembly.Module(readFileSync(path));
  } catch (error) {
    return { error: String(error) };
  }
  const session = new Session(module, path, log_throws_at);
  try {
    session.start();
  } catch (error) {
    return { error: `instantiation: ${error}` };
  }
  const value = (arg) => (typeof arg === "string" ? BigInt(arg) : arg);
  const made = [];
  for (const [name, args] of calls ?? session.grid()) {
    made.push({ ...session.call(name, args.map(value)), arguments: args });
  }
  return { calls: made };
}

const { modules } = JSON.parse(readFileSync(0, "utf8"));
writeFileSync(1, JSON.stringify(modules.map(run)));
