// What a guarded call costs. Standard input: {"loader", "plain", "guarded": paths, "count": calls in a
// round, "rounds"}. Standard output: {export: {way: nanoseconds}}, the medians over the rounds, in which
// the ways take turns: the module as it was compiled, the gates alone, and the loader.

import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { loader: path, plain, guarded, count, rounds } = JSON.parse(readFileSync(0, "utf8"));
const { guard } = await import(pathToFileURL(path));
const env = { host: (x) => x, wait: (x) => x, boot() {} };
const wasmir = { schedule_reinit() {} };
const made = (file) => {
  const module = new WebAssembly.Module(readFileSync(file));
  return new WebAssembly.Instance(module, { env, wasmir });
};
const ways = {
  "as compiled": made(plain).exports,
  "gates alone": made(guarded).exports,
  "through the loader": guard(made(guarded)).exports,
};
const loops = {
  step: (f) => {
    for (let index = 0; index < count; index++) f();
  },
  call: (f) => {
    for (let index = 0; index < count; index++) f(index);
  },
  add: (f) => {
    for (let index = 0; index < count; index++) f(index, index);
  },
  five: (f) => {
    for (let index = 0; index < count; index++) f(index, 1n, 2, 3, 4);
  },
};
const times = {};
for (let round = -3; round < rounds; round++) {
  for (const [name, loop] of Object.entries(loops)) {
    for (const [way, exports] of Object.entries(ways)) {
      const start = process.hrtime.bigint();
      loop(exports[name]);
      const taken = Number(process.hrtime.bigint() - start) / count;
      // The first rounds are for the compiler.
      if (round >= 0) ((times[name] ??= {})[way] ??= []).push(taken);
    }
  }
}
const median = (all) => all.sort((a, b) => a - b)[all.length >> 1];
const medians = (of) => Object.fromEntries(Object.entries(of).map(([way, all]) => [way, median(all)]));
writeFileSync(
  1,
  JSON.stringify(Object.fromEntries(Object.entries(times).map(([name, of]) => [name, medians(of)]))),
);
