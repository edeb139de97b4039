// Who notices an abort, for a host that has no loader: a function that returned or threw counted itself
// out, and one that a trap removed couldn't, so the depth stays raised. As little as can be of what
// wasmir/runtime/recover.mjs does, and called like it.

/** Stands in front of an instance: the same exports, and aborts are noticed. Errors are as they come. */
export function guard(instance) {
  const raw = instance.exports;
  const { __wasmir_activation: activation, __wasmir_state: state, __wasmir_terminate: terminate } = raw;
  const noticing = (called) =>
    function (...all) {
      const before = activation();
      try {
        return called(...all);
      } catch (error) {
        const now = activation();
        const stood = epochOf(now) === epochOf(before) ? depthOf(before) : 0;
        if (state.value !== 2 && depthOf(now) > stood) terminate();
        throw error;
      }
    };
  const exports = {};
  for (const [name, value] of Object.entries(raw)) {
    const isGate = typeof value === "function" && !name.startsWith("__wasmir_");
    exports[name] = isGate ? noticing(value) : value instanceof WebAssembly.Table ? seen(value) : value;
  }
  function seen(table) {
    return { length: table.length, get: (index) => noticing(table.get(index)) };
  }
  return { exports };
}

const depthOf = (activation) => activation >>> 0;
const epochOf = (activation) => (activation - depthOf(activation)) / 2 ** 32;
