// Runs groups of modules that should behave alike, and tells which don't. It stays until its input
// ends: a line is a request, and has a line as its answer.
//
// Request: [{"modules": [base64, …], "calls": [[export, [argument…]], …], "fuel": number}, …]
// Answer: [{"outcomes": {"returned": count, …}, "calls": how many, "differences": […]}, …]
//
// The first module of a group says what is right, and the outcomes are its own. A difference is
// {"module": its number in the group, "error": …} or {"module", "before": call, "after": call}, with
// the first call that differs. Before each call the exported global `fuel` is set.

import { createInterface } from "node:readline";

import { Session } from "./session.mjs";

function opened(text, name) {
  const session = new Session(new WebAssembly.Module(Buffer.from(text, "base64")), name);
  session.start();
  return session;
}

function called(session, [name, args], fuel) {
  session.instance.exports.fuel.value = fuel;
  return session.call(name, args);
}

function compare({ modules, calls, fuel }) {
  const [first, ...others] = modules;
  const outcomes = {};
  const found = [];
  let right;
  try {
    const session = opened(first, "module 0");
    right = calls.map((call) => called(session, call, fuel));
  } catch (error) {
    return { outcomes, calls: 0, differences: [{ module: 0, error: String(error) }] };
  }
  for (const { outcome } of right) {
    const kind = Object.keys(outcome)[0];
    outcomes[kind] = (outcomes[kind] ?? 0) + 1;
  }
  const wanted = right.map((call) => JSON.stringify(call));
  others.forEach((text, index) => {
    const module = index + 1;
    try {
      const session = opened(text, `module ${module}`);
      for (const [number, call] of calls.entries()) {
        const after = called(session, call, fuel);
        if (JSON.stringify(after) !== wanted[number]) {
          found.push({ module, before: right[number], after });
          break;
        }
      }
    } catch (error) {
      found.push({ module, error: String(error) });
    }
  });
  return { outcomes, calls: right.length, differences: found };
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  process.stdout.write(JSON.stringify(JSON.parse(line).map(compare)) + "\n");
}
