"""Vectors."""
from __future__ import annotations
from typing import Any
HELPERS: dict[str, Any] = {}
