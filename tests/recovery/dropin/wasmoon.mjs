// Lua: C by Emscripten, whose longjmp is an exception that JavaScript throws and catches.
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);

const PROGRAM = `
local answers = {}
local function note(...)
  local all = {...}
  for i = 1, select("#", ...) do all[i] = tostring(all[i]) end
  answers[#answers + 1] = table.concat(all, " ")
end
note(pcall(error, "raised"))
note(pcall(function() return nil + 1 end))
note(xpcall(function() error({code = 7}) end, function(e) return e.code end))
local co = coroutine.wrap(function(a) for i = 1, 3 do a = a + coroutine.yield(a * i) end return a end)
note(co(2), co(3), co(4))
local deep = 0
local function deeper() deep = deep + 1 return 1 + deeper() end
note((pcall(deeper)), deep > 1000)
note(("%5.2f %s %q"):format(3.14159, #("x"):rep(100), "a\\nb"), pcall(string.rep))
local sum = 0
for i = 1, 2000 do
  local ok, problem = pcall(function() if i % 3 == 0 then error(i, 0) end return i end)
  sum = sum + (ok and problem or -problem)
end
note(sum, double(21), pcall(fails))
return table.concat(answers, "|")
`;

export async function open({ folder, modules }) {
  const path = join(folder, "index.js");
  delete require.cache[path];
  const { LuaFactory } = require(path);
  const factory = new LuaFactory(modules["glue.wasm"]);
  let lua;
  return {
    async work() {
      lua = await factory.createEngine();
      lua.global.set("double", (x) => 2 * x);
      lua.global.set("fails", () => {
        throw new Error("from JavaScript");
      });
      const answers = [await lua.doString(PROGRAM)];
      for (const wrong of ["error('out of Lua')", "this is no Lua", "fails()", "local t = nil; t.x = 1"]) {
        try {
          answers.push(await lua.doString(wrong));
        } catch (error) {
          answers.push(String(error.message).split("\n")[0]);
        }
      }
      return answers;
    },
    aborts: {
      "out of bounds": () => lua.global.lua.lua_gettop(0x7ffffff0),
    },
  };
}
