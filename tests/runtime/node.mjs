// Runs the cases in this engine. Standard input: {"loader": path, "programs": [{"path", "about"}, …],
// "without": [names in WebAssembly to delete first], "only": a case}. Standard output: a list of
// {case: null or what went wrong}.

import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { loader: path, programs, without = [], only } = JSON.parse(readFileSync(0, "utf8"));
for (const name of without) delete WebAssembly[name];
const loader = await import(pathToFileURL(path));
const { run } = await import("./cases.mjs");
const results = [];
for (const { path: program, about } of programs) {
  results.push(await run({ loader, bytes: new Uint8Array(readFileSync(program)), about, only }));
}
writeFileSync(1, JSON.stringify(results));
