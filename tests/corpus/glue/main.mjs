// Runs one program of this folder on its modules, under their own published glue.
//
// Standard input: {"program": name, "folder": where the glue is, "modules": {file name: path, …}}
// Standard output: the last line is JSON: what the program answers, and the sha256 of all modules
// that were compiled for it; the glue may say something before.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const request = JSON.parse(readFileSync(0, "utf8"));
const compiled = [];
const note = (source) => {
  if (source instanceof WebAssembly.Module) return;
  const bytes = ArrayBuffer.isView(source) ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength) : new Uint8Array(source);
  compiled.push(createHash("sha256").update(bytes).digest("hex"));
};
for (const name of ["compile", "instantiate"]) {
  const original = WebAssembly[name];
  WebAssembly[name] = (source, ...rest) => {
    note(source);
    return original(source, ...rest);
  };
}
WebAssembly.Module = new Proxy(WebAssembly.Module, {
  construct(Class, [source, ...rest], target) {
    note(source);
    return Reflect.construct(Class, [source, ...rest], target);
  },
});

// What an action answers: its value, or what it throws, as text.
const tell = async (action) => {
  try {
    return (await action()) ?? null;
  } catch (error) {
    return `thrown: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`;
  }
};
const { work } = await import(new URL(`${request.program}.mjs`, import.meta.url));
const answers = await work({ ...request, url: (name) => pathToFileURL(`${request.folder}/${name}`).href, tell });
console.log(`\n${JSON.stringify({ answers, compiled })}`);
