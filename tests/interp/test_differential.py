"""Random modules do the same here, in wasmtime and in Node."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.interp.random_modules import Compared, beside_node, beside_wasmtime
from tests.modules import SCALE

if TYPE_CHECKING:
    from pathlib import Path

MODULES = 40 * SCALE
FIRST = int(os.environ.get("WASMIR_SEED", "0"))
# As many run in one process.
BATCH = 20


def _check(compared: Compared) -> None:
    print(compared)
    assert not compared.wrong, "\n".join(compared.wrong[:5])
    assert compared.unusable < MODULES / 2
    assert compared.outcomes > MODULES


def test_the_same_as_wasmtime() -> None:
    wasmtime = pytest.importorskip("wasmtime", reason="pip install wasmtime: the engine")
    _check(beside_wasmtime(wasmtime, range(FIRST, FIRST + MODULES)))


@pytest.mark.usefixtures("engine")
def test_the_same_as_node(tmp_path: Path) -> None:
    compared = Compared()
    for first in range(FIRST, FIRST + MODULES, BATCH):
        compared += beside_node(range(first, min(first + BATCH, FIRST + MODULES)), tmp_path)
    _check(compared)
