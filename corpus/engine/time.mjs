// How long calls take.
//
// Standard input: {"modules": [path, …], "exports": [name, …], "count": n, "rounds": r}. Each export
// takes a number of repetitions.
// Standard output: [[nanoseconds, …], …]: for each module, for each export, the median over the rounds
// of what one repetition took. The modules take turns.

import { readFileSync, writeFileSync } from "node:fs";

const { modules, exports, count, rounds } = JSON.parse(readFileSync(0, "utf8"));
const instances = modules.map(
  (path) => new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path)), {}),
);
const times = modules.map(() => exports.map(() => []));
for (let round = -1; round < rounds; round++) {
  for (const [which, name] of exports.entries()) {
    for (const [number, instance] of instances.entries()) {
      const start = process.hrtime.bigint();
      instance.exports[name](count);
      const taken = Number(process.hrtime.bigint() - start) / count;
      // The first round is for the compiler.
      if (round >= 0) times[number][which].push(taken);
    }
  }
}
const median = (all) => all.sort((a, b) => a - b)[all.length >> 1];
writeFileSync(1, JSON.stringify(times.map((of) => of.map(median))));
