// Calls exports without arguments, each in an instance of its own, with nothing behind the imports, and
// tells which imports they call.
//
// Standard input: {"path": …, "exports": [name, …], "until": the name of an import at which a call ends}.
// Standard output: {export: [[module, name, [argument, …]], …], …}

import { readFileSync, writeFileSync } from "node:fs";

const { path, exports, until } = JSON.parse(readFileSync(0, "utf8"));
const module = new WebAssembly.Module(readFileSync(path));
const ended = Symbol("ended");

function described(name) {
  const calls = [];
  const imports = {};
  for (const { module: from, name: what } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][what] = (...args) => {
      calls.push([from, what, args]);
      if (what === until) throw ended;
    };
  }
  const instance = new WebAssembly.Instance(module, imports);
  try {
    instance.exports[name]();
  } catch (error) {
    if (error !== ended) throw error;
  }
  return calls;
}

writeFileSync(1, JSON.stringify(Object.fromEntries(exports.map((name) => [name, described(name)]))));
