// SQLite: C by Emscripten, its table exported.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);

export async function open({ folder, modules }) {
  const path = join(folder, "sql-wasm.js");
  delete require.cache[path];
  const SQL = await require(path)({ wasmBinary: readFileSync(modules["sql-wasm.wasm"]) });
  return {
    work() {
      const answers = [];
      const ask = (db, sql, values) => {
        try {
          answers.push(db.exec(sql, values).map((each) => each.values));
        } catch (error) {
          answers.push(String(error));
        }
      };
      const db = new SQL.Database();
      ask(db, "create table t (a integer primary key, b text, c real)");
      ask(db, "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) insert into t select i, 'row ' || i, i / 7.0 from n");
      ask(db, "create index by_b on t (b)");
      ask(db, "select count(*), sum(a), avg(c), min(b), max(b) from t");
      ask(db, "select b from t where b like 'row 49%' order by c desc limit 3");
      ask(db, "select nonsense from nowhere");
      db.create_function("twice", (text) => `${text}${text}`);
      // From SQL into JavaScript, and into SQL again.
      db.create_function("rows", (least) => db.exec("select count(*) from t where a > ?", [least])[0].values[0][0]);
      db.create_function("fails", () => {
        throw new Error("from JavaScript");
      });
      ask(db, "select twice(b), rows(a) from t where a in (1, 2500, 5000)");
      ask(db, "select fails()");
      db.create_aggregate("longest", {
        init: () => "",
        step: (state, text) => (text.length > state.length ? text : state),
        finalize: (state) => state,
      });
      ask(db, "select longest(b) from t where a < 100");
      const statement = db.prepare("select a, b from t where a between ? and ?");
      statement.bind([10, 12]);
      while (statement.step()) answers.push(statement.get());
      statement.free();
      const copy = new SQL.Database(db.export());
      ask(copy, "select count(*) from t; pragma integrity_check");
      copy.close();
      db.close();
      return answers;
    },
    aborts: {
      "out of bounds": () => {
        const db = new SQL.Database();
        db.db = 0x7ffffff0;
        return db.getRowsModified();
      },
      // The glue catches what is thrown in a callback: an overflow of the stack, too.
      "an overflow that the glue swallows": () => {
        const db = new SQL.Database();
        db.create_function("deeper", () => db.exec("select deeper()")[0].values[0][0]);
        return db.exec("select deeper()");
      },
    },
  };
}
