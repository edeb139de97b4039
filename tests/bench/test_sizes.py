from __future__ import annotations

import pytest

from corpus.manifest import CORPUS, CorpusError, Module
from tests.bench import sizes
from tests.bench.rivals import wasm_opt
from tests.bench.sizes import Sizes, main, measured, programs


def _named(entry: Module) -> str:
    return entry.name


def test_every_program_is_compared() -> None:
    sources = {path.stem for path in (CORPUS / "cpp").glob("*.cpp")} - {"runtime", "sjlj"}
    assert {entry.source.stem for entry in programs()} == sources


@pytest.mark.parametrize("entry", programs(), ids=_named)
def test_smaller_than_what_the_compiler_makes(entry: Module) -> None:
    found = measured(entry, None)
    assert found.legacy < found.wasmir < found.compiler


@pytest.mark.parametrize("entry", programs(), ids=_named)
def test_smaller_than_what_binaryen_makes(entry: Module) -> None:
    rival = wasm_opt()
    if rival is None:
        pytest.skip(
            "no wasm-opt: `python -m tests.bench.sizes --rivals` gets Binaryen's from npm (23 MB), "
            "or name one in WASM_OPT"
        )
    found = measured(entry, rival[1])
    assert found.binaryen is not None
    assert found.stack_ir is not None
    assert found.wasmir < min(found.binaryen, found.stack_ir)


def test_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {
        "one": Sizes("one", 1000, 1100, 1200, 1300, 1250),
        "two": Sizes("two", 2000, 2050, 2000, 2600, 2500),
    }
    monkeypatch.setattr(sizes, "programs", lambda: list(rows))
    monkeypatch.setattr(sizes, "measured", lambda entry, _rival: rows[entry])
    monkeypatch.setattr(sizes, "wasm_opt", lambda: ("wasm-opt 0", ["wasm-opt"]))
    assert main([]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:4] == [
        [
            "one",
            "1,000",
            "1,100",
            "+10.0%",
            "1,200",
            "+20.0%",
            "1,300",
            "+30.0%",
            "1,250",
            "+25.0%",
        ],
        ["two", "2,000", "2,050", "+2.5%", "2,000", "+0.0%", "2,600", "+30.0%", "2,500", "+25.0%"],
        ["all", "3,000", "3,150", "+5.0%", "3,200", "+6.7%", "3,900", "+30.0%", "3,750", "+25.0%"],
    ]
    assert lines[-1] == ["Binaryen:", "wasm-opt", "0"]


def test_failure_of_the_rival_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    failing = [sys.executable, "-c", "import sys; sys.exit('no such option')"]
    with pytest.raises(CorpusError, match="no such option"):
        measured(programs()[0], failing)
    monkeypatch.setattr(sizes, "wasm_opt", lambda: ("failing", failing))
    assert main([]) == 1
    assert "error: " in capsys.readouterr().err
