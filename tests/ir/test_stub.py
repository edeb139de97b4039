"""The stub says what the constructors are, and type checkers understand it."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wasmir.isa.signature import CONSTRUCTIBLE, REQUIRED, parameters, python_path
from wasmir.isa.stub import STUBS
from wasmir.isa.table import Trait

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", STUBS)
def test_stub_is_up_to_date(name: str) -> None:
    written = (ROOT / "wasmir" / name).read_text(encoding="utf-8")
    assert written == STUBS[name](), "the table changed: run `python -m wasmir.isa.stub`"


def definitions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Each constructor by its dotted name, found as a type checker finds it."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    pending: list[tuple[str, list[ast.stmt]]] = [("", tree.body)]
    while pending:
        path, statements = pending.pop()
        for node in statements:
            if isinstance(node, ast.FunctionDef):
                yield path + node.name, node
            elif isinstance(node, ast.AnnAssign):
                assert isinstance(node.target, ast.Name)
                assert isinstance(node.annotation, ast.Name)
                pending.append((f"{path}{node.target.id}.", classes[node.annotation.id].body))


def test_stub_has_the_parameters() -> None:
    found = dict(definitions(ast.parse(STUBS["ops.pyi"]())))
    assert set(found) == {".".join(python_path(row)) for row in CONSTRUCTIBLE}
    for row in CONSTRUCTIBLE:
        path = python_path(row)
        arguments = found[".".join(path)].args
        positional = arguments.args[len(path) > 1 :]
        expected = parameters(row)
        assert [each.arg for each in positional + arguments.kwonlyargs] == [
            each.name for each in expected
        ]
        assert len(arguments.kwonlyargs) == sum(each.keyword_only for each in expected)
        defaults = [*arguments.defaults, *arguments.kw_defaults]
        assert [ast.literal_eval(each) for each in defaults if each is not None] == [
            each.default for each in expected if each.default is not REQUIRED
        ]


def test_the_emitters_stub_has_the_same() -> None:
    """The parameters are the constructors'; blocks aren't there, and each gives the builder."""
    tree = ast.parse(STUBS["ir/emit.pyi"]())
    emitter = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Emitter"
    )
    others = [node for node in tree.body if node is not emitter]
    found = dict(definitions(ast.Module([*others, *emitter.body], [])))
    own = {"_emit", "_declare", "local.__call__"}
    expected = dict(definitions(ast.parse(STUBS["ops.pyi"]())))
    blocks = {".".join(python_path(row)) for row in CONSTRUCTIBLE if Trait.OPENS in row.traits}
    assert set(found) == set(expected) - blocks | own
    for name in set(found) - own:
        arguments = found[name].args
        if "." not in name:
            del arguments.args[0]  # self
        assert ast.unparse(arguments) == ast.unparse(expected[name].args)
        result = found[name].returns
        assert isinstance(result, ast.Name)
        assert result.id == "CodeBuilder"


SAMPLE = """
from wasmir import Module, NumType, RefType
from wasmir import ops
from wasmir.ir.code import Block, Body, BrOn, Catch, Clause, If, Instr, Item, Try
from wasmir.types import AbstractHeap

module = Module()
body: Body = module.functions[0].body
block: Block = ops.block(NumType.I32)
block.items += [ops.i32.const(1), ops.i32.load(offset=8, align=4), ops.br(block)]
anyref, eqref = RefType(True, AbstractHeap.ANY), RefType(True, AbstractHeap.EQ)
branch: BrOn = ops.br_on_cast(block, anyref, eqref)
items: list[Item] = [ops.i64.atomic.rmw16.add_u(), ops.f32.const(bits=1), ops.f64.const(1.5)]
either: If = ops.if_(module.block_type(), items, [ops.call(module.functions[0])])
tried: Try = ops.try_(items=[ops.throw(module.tags[0])], catches=[Catch(None)])
table = ops.try_table(None, [Clause(None, body)], [ops.nop(), b"run", tried])
shuffled: Instr = ops.i8x16.shuffle(range(16))
body.seq.append(ops.memory.copy())
body.seq[1:2] = [ops.select_t([NumType.I64]), ops.global_.get(module.globals[0]), block]
first: Instr | object = body.seq[0]
with module.build("f", {"n": NumType.I64}, [NumType.I64], exported="f") as f:
    n, = f.params
    total = f.local(NumType.I64, "total")
    with f.block() as done, f.loop() as again:
        f.local.get(n).i64.eqz().br_if(done).call(f.function).br(again)
match body.seq[0]:
    case Instr("call", (callee,)):
        callee.name
    case Block(type_, inside):
        inside.append(b"")
        type_.nonsense  # error: [attr-defined]
    case BrOn(_, label) if label is body:
        pass

ops.i32.const("1")  # error: [arg-type]
ops.i32.load(offset="8")  # error: [arg-type]
ops.local.get()  # error: [call-arg]
ops.br(1)  # error: [arg-type]
ops.call(module.tags[0])  # error: [arg-type]
ops.i32.nand()  # error: [attr-defined]
ops.end()  # error: [attr-defined]
body.seq.append(b"run")  # error: [arg-type]
f.br(1)  # error: [arg-type]
f.local("i32")  # error: [arg-type]
f.local.get(n).nonsense()  # error: [attr-defined]
"""


def test_mypy_understands_it(tmp_path: Path) -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed; it comes with the extra `dev`")
    sample = tmp_path / "sample.py"
    sample.write_text(SAMPLE, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file="]
    # What is wrong in the library is for its own check to say.
    command.append("--follow-imports=silent")
    done = subprocess.run(
        [*command, f"--cache-dir={tmp_path}", str(sample)],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    expected = {
        (number, line.partition("# error: ")[2])
        for number, line in enumerate(SAMPLE.splitlines(), 1)
        if "# error: " in line
    }
    found = set()
    for line in done.stdout.splitlines():
        place, _, rest = line.partition(": error: ")
        if rest:
            assert place.startswith("sample.py:"), done.stdout
            found.add((int(place.split(":")[1]), rest[rest.rindex("[") :]))
    assert found == expected, done.stdout + done.stderr
