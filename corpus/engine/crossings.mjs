// What it costs to cross a module's boundary.
//
// Standard input: {"modules": [path, …], "caller": path, "count": n, "rounds": r}. A module exports
// `gate`, `table`, and loops that take a count; the caller has loops that cross from outside.
// Standard output: for each module {row: nanoseconds of one crossing, the least of the rounds}: what
// else the machine does only adds.
// The modules take turns.

import { readFileSync } from "node:fs";

const { modules, caller, count, rounds } = JSON.parse(readFileSync(0, "utf8"));
const compiled = (path) => new WebAssembly.Module(readFileSync(path));
const outside = compiled(caller);

// Engines share what they learn of a loop among all functions of one text, and the first module then
// would be the only one whose gate is compiled into it: each module has a text of its own.
const fromJavaScript = (gate, number) =>
  new Function("gate", `return (n) => { for (let i = 0; i < n; i++) gate(i); /* ${number} */ }`)(gate);
// And one for all of them: who calls many gates at one place.
const fromOnePlace = (gate, n) => {
  for (let i = 0; i < n; i++) gate(i);
};
const subjects = modules.map((path, number) => {
  const env = { host: new WebAssembly.Instance(outside, { m: { gate: (x) => x } }).exports.plain };
  const { exports } = new WebAssembly.Instance(compiled(path), { env });
  const around = new WebAssembly.Instance(compiled(caller), { m: { gate: exports.gate } });
  exports.table.set(1, around.exports.plain);
  return {
    "gate, from Wasm": around.exports.call,
    "gate, from JavaScript": fromJavaScript(exports.gate, number),
    "gate, among many": (n) => fromOnePlace(exports.gate, n),
    "import door": exports.imports,
    "indirect door": exports.foreign,
    "indirect door and gate": exports.own,
  };
});
const times = subjects.map((each) => Object.fromEntries(Object.keys(each).map((row) => [row, []])));
for (let round = -2; round < rounds; round++) {
  for (const row of Object.keys(subjects[0])) {
    for (const [number, subject] of subjects.entries()) {
      const start = process.hrtime.bigint();
      subject[row](count);
      const taken = Number(process.hrtime.bigint() - start) / count;
      // The first rounds are for the compiler.
      if (round >= 0) times[number][row].push(taken);
    }
  }
}
const least = (rows) => Object.fromEntries(Object.entries(rows).map(([row, all]) => [row, Math.min(...all)]));
process.stdout.write(JSON.stringify(times.map(least)));
