"""wasmir in Pyodide: CPython as WebAssembly, here in Node, elsewhere in browsers."""
