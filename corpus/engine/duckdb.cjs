// Runs SQL in DuckDB with its own glue code, and tells what came back.
//
// Standard input: {"glue": path of duckdb-node-blocking.cjs, "module": path, "queries": [sql, …]}
// Standard output: [{"data": base64 of the Arrow stream} or {"error": message}, …]

const Module = require("node:module");
const { readFileSync, writeFileSync } = require("node:fs");

// The glue turns results into tables with apache-arrow. The bytes that the module gave are what is
// asked for here, so a package that is only there for that isn't needed.
const load = Module._load;
Module._load = function (request, ...rest) {
  return request === "apache-arrow" ? {} : load.call(this, request, ...rest);
};

async function main() {
  const { glue, module, queries } = JSON.parse(readFileSync(0, "utf8"));
  const duckdb = require(glue);
  const bundle = { mainModule: module, mainWorker: "" };
  const db = await duckdb.createDuckDB(
    { mvp: bundle, eh: bundle },
    new duckdb.VoidLogger(),
    duckdb.NODE_RUNTIME,
  );
  await db.instantiate(() => {});
  db.open({ path: ":memory:" });
  db.registerFileText("people.csv", "name,born\nAda,1815\nGrace,1906\nBarbara,1939\n");
  const connection = db.connect();
  // Else a name that it doesn't know makes it ask a server for an extension.
  db.runQuery(connection._conn, "SET autoinstall_known_extensions = false");
  db.runQuery(connection._conn, "SET autoload_known_extensions = false");
  const answers = [];
  for (const sql of queries) {
    try {
      const data = db.runQuery(connection._conn, sql);
      answers.push({ data: Buffer.from(data).toString("base64") });
    } catch (error) {
      answers.push({ error: String(error.message ?? error) });
    }
  }
  writeFileSync(1, JSON.stringify(answers));
}

main().then(
  // The glue leaves timers behind.
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
