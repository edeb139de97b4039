// What recover.d.mts lets a program write; each line that is wrong has to be refused.

import {
  AbortError,
  PanicError,
  TerminatedError,
  guard,
  install,
  instantiate,
  unwrap,
  type Guard,
} from "./recover.mjs";

const uninstall: () => void = install({
  reset: "in-place",
  onAbort: (error, of) => of.terminated || error.cause,
});
const made: Guard = await instantiate(
  WebAssembly.compileStreaming(fetch("module.wasm")),
  () => ({ env: { memory: new WebAssembly.Memory({ initial: 1 }) } }),
  { async: ["run"], compile: { builtins: ["js-string"] }, destructors: /^$/ },
);
guard(made.instance, {
  isAbort: (error) => error instanceof Error,
  panic: { message: ([code], instance) => `${code} ${instance.exports}` },
});
try {
  (made.exports.run as () => void)();
} catch (error) {
  if (error instanceof AbortError || error instanceof PanicError) throw error.cause;
  if (error instanceof TerminatedError) made.reset();
}
await made.resetAsync();
made.terminate();
const same: number = unwrap(3) + made.degraded;
uninstall();

// @ts-expect-error no such reset
install({ reset: "often" });
// @ts-expect-error a list of names
await instantiate(same, {}, { async: "run" });
// @ts-expect-error read only
made.exports = {};
