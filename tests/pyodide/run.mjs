// Runs a Python program in Pyodide.
//
// Standard input: {"pyodide": folder, "wheels": [path, …], "shared": folder, "program": text}.
// The wheels are unpacked into site-packages, as an installer does; nothing is downloaded. The shared
// folder is /shared for the program. What the program prints goes to standard error. If Pyodide's
// module was instrumented to count its blocks, the counters are in the end in the shared folder's
// file `counters`.
// Standard output: the value of its last expression, a string.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

let counters;
const { instantiate } = WebAssembly;
WebAssembly.instantiate = async (...args) => {
  const made = await instantiate(...args);
  counters ??= (made.instance ?? made).exports.__wasmir_counters;
  return made;
};

async function main() {
  const { pyodide: folder, wheels, shared, program } = JSON.parse(readFileSync(0, "utf8"));
  const { loadPyodide } = await import(pathToFileURL(join(folder, "pyodide.mjs")));
  const pyodide = await loadPyodide({ indexURL: folder, stdout: (text) => console.error(text) });
  const extractDir = pyodide.runPython("import site; site.getsitepackages()[0]");
  for (const wheel of wheels) {
    pyodide.unpackArchive(new Uint8Array(readFileSync(wheel)), "wheel", { extractDir });
  }
  pyodide.FS.mkdir("/shared");
  pyodide.mountNodeFS("/shared", shared);
  const answer = await pyodide.runPythonAsync(program);
  if (counters) writeFileSync(join(shared, "counters"), new Uint8Array(counters.buffer));
  return answer;
}

try {
  writeFileSync(1, await main());
} catch (error) {
  // Not uncaught: Node would print the line of Pyodide that it comes from, which has a megabyte.
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
}
