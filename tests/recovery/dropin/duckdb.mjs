// DuckDB: C++ by Emscripten with exceptions, a main module for dynamic linking with 65,167 exports.
import NodeModule, { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);

// The glue turns results into tables with apache-arrow; the bytes that the module gave are enough.
const load = NodeModule._load;
NodeModule._load = function (request, ...rest) {
  return request === "apache-arrow" ? {} : load.call(this, request, ...rest);
};

const QUERIES = [
  "select 42",
  "select sum(i), avg(i * 0.5), count(distinct i % 7) from range(10000) t(i)",
  "create table t as select i, 'row ' || i as name, i % 13 as bucket from range(5000) t(i)",
  "select bucket, count(*), max(name) from t group by bucket order by bucket",
  "select a.name from t a join t b on a.i = b.i + 4990 order by 1",
  "select * from read_csv_auto('people.csv') where born > 1900 order by name",
  // Exceptions of C++: thrown, caught and told.
  "select nonsense",
  "select cast('x' as integer)",
  "insert into t select 1",
  "this is no SQL",
  "select count(*) from t",
];

export async function open({ folder, modules }) {
  const path = join(folder, "duckdb-node-blocking.cjs");
  delete require.cache[path];
  const duckdb = require(path);
  const bundle = { mainModule: modules["duckdb-eh.wasm"], mainWorker: "" };
  const db = await duckdb.createDuckDB({ mvp: bundle, eh: bundle }, new duckdb.VoidLogger(), duckdb.NODE_RUNTIME);
  await db.instantiate(() => {});
  const ask = (connection, sql) => {
    try {
      return Buffer.from(db.runQuery(connection, sql)).toString("base64");
    } catch (error) {
      if (["TerminatedError", "AbortError"].includes(error.name) || error instanceof WebAssembly.Exception) throw error;
      return String(error);
    }
  };
  return {
    work() {
      db.open({ path: ":memory:" });
      db.registerFileText("people.csv", "name,born\nAda,1815\nGrace,1906\nBarbara,1939\n");
      const connection = db.connect()._conn;
      // Else a name that it doesn't know makes it ask a server for an extension.
      ask(connection, "SET autoinstall_known_extensions = false");
      ask(connection, "SET autoload_known_extensions = false");
      const answers = QUERIES.map((sql) => ask(connection, sql));
      db.disconnect(connection);
      db.dropFiles(["people.csv"]);
      return answers;
    },
    aborts: {
      "out of bounds": () => db.runQuery(0x7ffffff0, "select 1"),
    },
  };
}
