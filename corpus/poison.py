"""One bad request and its siblings: a C++ ledger as it is, and recovered, side by side in Node."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from corpus.engine import run_script
from corpus.manifest import find

__all__ = ["show_poison"]

_NAME: Final = "cpp-requests-exnref-O2"
_PANIC, _UNREACHABLE, _MEMORY = 1, 2, 7
"""What the program is told to do: ``Failure`` there."""
_BUSY: Final = 1
"""Why it panics: ``Reason``."""

Step = list[Any]


def _transfer(from_: int, to: int, amount: int, failure: int = 0, part: object = None) -> Step:
    return ["call", "transfer", "export", [from_, to, amount, failure, -1], part, True]


def _ask(what: str) -> Step:
    return ["call", what, "export", [], None, True]


@dataclass(frozen=True)
class _Row:
    """Requests of which the last one is shown."""

    text: str
    steps: tuple[Step, ...]
    should: str


_FAILS: Final = "fails"
_AFTERWARDS: Final = (
    _Row("  all the money", (_ask("total"),), "800"),
    _Row("  accounts that are locked", (_ask("locked"),), "0"),
    _Row("  requests that run", (_ask("running"),), "0"),
)
_SWALLOWED: Final = {"steps": [_transfer(2, 3, 40, _UNREACHABLE)], "end": "return"}
_AROUND: Final = _transfer(0, 1, 1, 0, _SWALLOWED)
_ROWS: Final = (
    _Row("transfer 30 from 0 to 1", (_transfer(0, 1, 30),), "70"),
    _Row("transfer 20 from 0 to 1, panics half way", (_transfer(0, 1, 20, _PANIC),), _FAILS),
    _Row("transfer 10 from 0 to 1", (_transfer(0, 1, 10),), "60"),
    *_AFTERWARDS,
    _Row("transfer 50 from 4 to 5, traps half way", (_transfer(4, 5, 50, _UNREACHABLE),), _FAILS),
    _Row("transfer 5 from 4 to 6", (_transfer(4, 6, 5),), "95"),
    *_AFTERWARDS,
    _Row(
        "transfer 1 from 0 to 1, while another one traps",
        (_transfer(0, 1, 1, 0, _SWALLOWED),),
        _FAILS,
    ),
    _Row("transfer 5 from 2 to 7", (_transfer(2, 7, 5),), "95"),
    *_AFTERWARDS,
    _Row("a request that takes all memory", (_transfer(6, 7, 1, _MEMORY),), _FAILS),
    _Row("pages of memory", (_ask("pages"),), "3"),
    _Row(
        "transfer 5 from 3 to 1, after 300 that panic",
        (*[_transfer(3, 1, 1, _PANIC)] * 300, _transfer(3, 1, 5)),
        "95",
    ),
)


def show_poison() -> int:
    """Run and print both; 1 if a request of the recovered module is not answered as it should."""
    from wasmir import Module, runtime
    from wasmir.passes import Recover

    entry = find(_NAME)
    module = Module.from_file(entry.path)
    Recover().run(module)
    steps = [step for row in _ROWS for step in row.steps]
    with tempfile.TemporaryDirectory(prefix="wasmir-demo-") as folder:
        recovered = Path(folder) / "recovered.wasm"
        module.save(recovered)
        runs = [
            {"module": "unmodified", "guard": False, "schedules": [steps]},
            {"module": "recovered", "guard": True, "reset": "in-place", "schedules": [steps]},
        ]
        answers = run_script(
            "requests.mjs",
            {
                "modules": {"unmodified": str(entry.path), "recovered": str(recovered)},
                "loader": str(Path(str(runtime.__file__)).parent / "recover.mjs"),
                "runs": runs,
            },
        )
    [unmodified], [guarded] = answers
    columns = [_shown(unmodified), _shown(guarded)]
    print(
        "\nRequests to a ledger in C++, which keeps its state in the instance: as it is, and after"
    )
    print("`wasmir recover`, behind the loader, which resets it after an abort.\n")
    print(f"  {'request':50}{'should be':12}{'unmodified':32}recovered")
    wrong = [0, 0]
    for number, row in enumerate(_ROWS):
        cells = []
        for which, column in enumerate(columns):
            answer = column[number]
            right = answer.startswith(row.should) if row.should == _FAILS else answer == row.should
            wrong[which] += not right
            cells.append(answer if right else f"{answer}  <- wrong")
        print(f"  {row.text:50}{row.should:12}{cells[0]:32}{cells[1]}")
    print(f"\nWrong answers: {wrong[0]} unmodified, {wrong[1]} recovered.")
    return 1 if wrong[1] or not wrong[0] else 0


def _shown(ended: list[list[Any]]) -> list[str]:
    """A word for the last answer of each row; what the host sent in between ended before it."""
    told: list[str] = []
    at = 0
    for row in _ROWS:
        at += len(row.steps) + sum(len(step[4]["steps"]) for step in row.steps if step[4])
        told.append(_word(*ended[at - 1]))
    return told


def _word(kind: str, *rest: Any) -> str:  # noqa: ANN401 - as JSON has it
    if kind == "returned":
        return str(rest[0])
    if kind == "panicked":
        reason = "locked" if rest[0] // 100 == _BUSY else "panic"
        return f"fails ({reason})"
    return f"fails ({kind})"
