/**
 * Runs modules that `wasmir recover` (or `guard-aborts`) rewrote: notices when one aborts, keeps
 * anybody from going on with what is left of it, and puts it back where that is asked for.
 *
 * An *abort* is what no code can clean up after: a trap, a stack overflow, and anything else that
 * removed the module's frames without asking them. A *panic* is an exception of the module's own; it
 * lives on. Any other exception that crosses the module is *foreign*: it comes out as the very object
 * that was thrown.
 */

/** An exception of the module's own reached the host: outside of every other call of the module. */
export class PanicError extends Error {
  /** The exception as the module threw it, a `WebAssembly.Exception`. */
  readonly cause: unknown;
}

/**
 * The module aborted, in this call or (where the host swallowed that) in one below it. All calls
 * that were going on when it did end with the same object. `cause` is what the engine threw.
 */
export class AbortError extends WebAssembly.RuntimeError {
  readonly cause: unknown;
}

/** The call did not happen, or was cut short: the instance is terminated, or was replaced. */
export class TerminatedError extends Error {
  readonly cause: unknown;
}

/** What puts an aborted instance right before the next call. */
export type Reset =
  /** Nothing: calls are refused, until `reset()` or the module itself resets it. */
  | "never"
  /**
   * The module's `__wasmir_reset_state`: same instance, same memory object. What the host kept from
   * before (pointers, handles) is stale.
   */
  | "in-place"
  /**
   * A new instance behind the same `exports`. Needs the module, and imports that are not shared
   * with the old one: with memories, tables or globals among them, a function that makes new ones.
   * Functions out of the old instance's tables throw; buffers of its memories are detached, so
   * that glue which caches views of them looks for the new memory.
   */
  | "reinstantiate";

export type Imports = Record<string, Record<string, unknown>>;

export interface Options {
  /** Default: `"never"`. */
  reset?: Reset;
  /**
   * Called once for each abort, when the module is terminated and before any reset; calls are
   * refused meanwhile, but `guard.reset()` works. What it throws goes to `console.error`. An abort
   * that was noticed by somebody else (the module under `notice=wasm`, another loader, a host that
   * wrote 2 to `__wasmir_state`) is told when the next call is refused.
   */
  onAbort?: (error: AbortError, guard: Guard) => void;
  /**
   * Whether a foreign error that left an export counts as an abort. Default: a
   * `WebAssembly.RuntimeError`, which is what Emscripten's `abort()` throws.
   */
  isAbort?: (error: unknown) => boolean;
  panic?: {
    /** The message of a PanicError. The payload ends before a value that JavaScript can't have. */
    message?: (payload: unknown[], instance: WebAssembly.Instance) => string;
  };
  /** Exports that return promises and reject, in place of throwing. */
  async?: string[];
  /** Exports that `WebAssembly.promising` is to be applied to. */
  promising?: string[];
  /**
   * Exports that free what a handle stands for, called by finalizers: they do nothing on a
   * terminated instance, or after a reset, because the handle may be one of the time before.
   * Default: wasm-bindgen's. Glue that knows the times apart can have `/^$/`.
   */
  destructors?: RegExp;
  /**
   * Exports to call after `reinstantiate`. Default: `_initialize`, or else `__wasm_call_ctors`; and
   * `__wbindgen_start`.
   */
  init?: string[];
  /** What the instance was made from: `instantiate` and `install` know it, `guard` can be told. */
  module?: WebAssembly.Module;
  imports?: Imports | (() => Imports);
}

export interface Guard {
  /**
   * The instance's exports, guarded. Names, order, `length` and `name` of functions are the
   * module's; the object, its functions and their identity outlive resets.
   */
  readonly exports: WebAssembly.Exports;
  /** The instance, whose own `exports` are the guarded ones; after `reinstantiate`, the new one. */
  readonly instance: WebAssembly.Instance;
  /** Whether calls are refused. A reset that is due comes with the next call. */
  readonly terminated: boolean;
  /** How many panics unwound nothing (`panics-to-exceptions`). */
  readonly degraded: number;
  /** Refuses calls from now on. Nothing is called: neither `onAbort` nor the module's hook. */
  terminate(): void;
  /** Resets now, by the way of the options, or else in place, or else by another instance. */
  reset(): void;
  /** The same; large modules can't be instantiated synchronously in a browser's main thread. */
  resetAsync(): Promise<void>;
}

/**
 * Instantiates a recovered module. Throws a TypeError if it is none, or if the options can't be had.
 *
 * A response that is to be compiled while it arrives is passed as
 * `WebAssembly.compileStreaming(fetch(…))`.
 */
export function instantiate(
  source: Source | PromiseLike<Source>,
  imports?: Imports | (() => Imports),
  options?: Options & { /** For `WebAssembly.compile`, as for `builtins`. */ compile?: object },
): Promise<Guard>;

export type Source = BufferSource | WebAssembly.Module | Response | Blob;

/**
 * Guards an instance that others made; its `exports` become the guarded ones. Functions that were
 * taken from it before stay unguarded: they run, and aborts in them go unnoticed. The second time,
 * changes the options: all but `async`, `promising`, `destructors`, `module` and `imports`.
 */
export function guard(instance: WebAssembly.Instance, options?: Options): Guard;

/**
 * From now on, guards every recovered module that is instantiated, whoever does it; others are left
 * alone. Has WebAssembly's classes and functions take guarded exports where they want functions of
 * a module. Returns what undoes that; what was guarded stays so.
 */
export function install(options?: Options): () => void;

/**
 * The module's own function that a guarded export stands for; anything else as it is. For interfaces
 * that want a module's function where `install` is not used, as `new WebAssembly.Table` does.
 */
export function unwrap<T>(value: T): T;
