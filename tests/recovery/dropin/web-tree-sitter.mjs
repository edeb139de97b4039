// tree-sitter: a main module, and a side module that its glue loads. Both import memory and table.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const SOURCE = `
// A comment.
const pattern = /ab+c/gi, text = \`one \${1 + 2} two\`;
export async function* f({ a, b = 2 }, ...rest) {
  for await (const x of rest) { yield x?.y ?? a ** b }
  label: while (true) { break label }
  return <div className="x">{rest.map((e) => <b key={e}>{e}</b>)}</div>
}
class A extends B { #private = 1; static { this.x = 2 } get y() { return super.y } }
`;

let started = 0;
// A parser's finalizer would call the terminated module, and what it throws would end the process.
const kept = [];

export async function open({ folder, modules }) {
  const url = `${pathToFileURL(join(folder, "web-tree-sitter.mjs"))}?${started++}`;
  const { Language, Parser, Query } = await import(url);
  await Parser.init({ wasmBinary: readFileSync(modules["web-tree-sitter.wasm"]) });
  let language = await Language.load(readFileSync(modules["tree-sitter-javascript.wasm"]));
  return {
    work() {
      const parser = new Parser();
      parser.setLanguage(language);
      const answers = [];
      const tree = parser.parse(SOURCE);
      answers.push(tree.rootNode.toString(), tree.rootNode.hasError);
      // By pieces, which the module asks JavaScript for.
      const lines = SOURCE.split("\n").map((line) => `${line}\n`);
      const pieces = parser.parse((_, { row, column }) => lines[row]?.slice(column));
      answers.push(pieces.rootNode.toString() === answers[0]);
      // Another text, which what is known of the first one helps to parse.
      const at = SOURCE.indexOf("2 }");
      tree.edit({
        startIndex: at, oldEndIndex: at + 1, newEndIndex: at + 3,
        startPosition: { row: 3, column: 38 }, oldEndPosition: { row: 3, column: 39 }, newEndPosition: { row: 3, column: 41 },
      });
      const edited = parser.parse(`${SOURCE.slice(0, at)}3 +${SOURCE.slice(at + 1)}`, tree);
      answers.push(edited.rootNode.toString(), edited.rootNode.hasError, tree.getChangedRanges(edited).length);
      const query = new Query(language, "(identifier) @name (property_identifier) @property");
      answers.push(query.captures(tree.rootNode).map(({ name, node }) => `${name} ${node.text}`));
      try {
        new Query(language, "(no_such_node) @x");
      } catch (error) {
        answers.push(String(error));
      }
      for (const each of [tree, pieces, edited, query, parser]) each.delete();
      return answers;
    },
    /** The language once more, in an instance that was reset. */
    async again() {
      language = await Language.load(readFileSync(modules["tree-sitter-javascript.wasm"]));
    },
    aborts: {
      "out of bounds": () => {
        const parser = new Parser();
        kept.push(parser);
        parser[0] = 0x7ffffff0;
        return parser.reset();
      },
      // Past the parser's frames, which have no handlers.
      "an exception of the host's": () => {
        const parser = new Parser();
        kept.push(parser);
        parser.setLanguage(language);
        return parser.parse(() => {
          throw new Error("no text");
        });
      },
    },
  };
}
