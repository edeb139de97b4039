"""The proposals that make up WebAssembly as wasmir reads it.

Names are spelled as ``wasm-tools validate --features`` spells them; it has no
name for ``branch-hinting`` and ``fp16``, which are spelled as in other tools.

Sources: https://github.com/WebAssembly/proposals and the change history in the appendix of the
specification, release 3.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wasmir.suggest import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ALL",
    "BRANCH_HINTING",
    "BULK_MEMORY",
    "COMPACT_IMPORTS",
    "CUSTOM_DESCRIPTORS",
    "CUSTOM_PAGE_SIZES",
    "EXCEPTIONS",
    "EXTENDED_CONST",
    "FEATURES",
    "FP16",
    "FUNCTION_REFERENCES",
    "GC",
    "LEGACY_EXCEPTIONS",
    "MEMORY64",
    "MULTI_MEMORY",
    "MULTI_VALUE",
    "MUTABLE_GLOBAL",
    "MVP",
    "REFERENCE_TYPES",
    "RELAXED_SIMD",
    "SATURATING_FLOAT_TO_INT",
    "SIGN_EXTENSION",
    "SIMD",
    "STACK_SWITCHING",
    "TAIL_CALL",
    "THREADS",
    "WIDE_ARITHMETIC",
    "Feature",
    "feature_set",
]


@dataclass(frozen=True, slots=True)
class Feature:
    """A proposal; ``standard`` says whether it is part of WebAssembly 3.0."""

    name: str
    description: str
    standard: bool

    def __str__(self) -> str:
        return self.name


MVP = Feature("mvp", "WebAssembly 1.0", True)
MUTABLE_GLOBAL = Feature("mutable-global", "imported and exported globals may be mutable", True)
SATURATING_FLOAT_TO_INT = Feature(
    "saturating-float-to-int", "conversions that saturate where others trap", True
)
SIGN_EXTENSION = Feature("sign-extension", "i32.extend8_s and its kin", True)
MULTI_VALUE = Feature("multi-value", "several results; blocks with parameters", True)
BULK_MEMORY = Feature(
    "bulk-memory", "copy, fill and initialize memories and tables; passive segments", True
)
REFERENCE_TYPES = Feature(
    "reference-types", "funcref and externref as values; several tables", True
)
SIMD = Feature("simd", "128-bit vectors", True)
RELAXED_SIMD = Feature("relaxed-simd", "vector instructions with some freedom of result", True)
TAIL_CALL = Feature("tail-call", "calls that replace the caller's frame", True)
EXTENDED_CONST = Feature("extended-const", "integer arithmetic in constant expressions", True)
MULTI_MEMORY = Feature("multi-memory", "several memories", True)
MEMORY64 = Feature("memory64", "memories and tables with 64-bit addresses", True)
FUNCTION_REFERENCES = Feature(
    "function-references", "typed and non-nullable references; call_ref", True
)
GC = Feature("gc", "structs, arrays, i31, casts, recursive types", True)
EXCEPTIONS = Feature("exceptions", "tags, try_table, throw, throw_ref, exnref", True)
BRANCH_HINTING = Feature("branch-hinting", "a custom section of likely branches", True)
LEGACY_EXCEPTIONS = Feature("legacy-exceptions", "try, catch, catch_all, delegate, rethrow", False)
THREADS = Feature("threads", "shared memories, atomic accesses, wait and notify", False)
WIDE_ARITHMETIC = Feature("wide-arithmetic", "128-bit sums and products of 64-bit integers", False)
STACK_SWITCHING = Feature("stack-switching", "continuations: cont.new, suspend, resume", False)
CUSTOM_DESCRIPTORS = Feature(
    "custom-descriptors", "structs that carry a descriptor; exact reference types", False
)
CUSTOM_PAGE_SIZES = Feature("custom-page-sizes", "memories with pages of one byte", False)
COMPACT_IMPORTS = Feature(
    "compact-imports", "an import section that spells each module name once", False
)
FP16 = Feature("fp16", "half-precision floats in memory and in vectors", False)

FEATURES: dict[str, Feature] = {
    feature.name: feature
    for feature in (
        MVP,
        MUTABLE_GLOBAL,
        SATURATING_FLOAT_TO_INT,
        SIGN_EXTENSION,
        MULTI_VALUE,
        BULK_MEMORY,
        REFERENCE_TYPES,
        SIMD,
        RELAXED_SIMD,
        TAIL_CALL,
        EXTENDED_CONST,
        MULTI_MEMORY,
        MEMORY64,
        FUNCTION_REFERENCES,
        GC,
        EXCEPTIONS,
        BRANCH_HINTING,
        LEGACY_EXCEPTIONS,
        THREADS,
        WIDE_ARITHMETIC,
        STACK_SWITCHING,
        CUSTOM_DESCRIPTORS,
        CUSTOM_PAGE_SIZES,
        COMPACT_IMPORTS,
        FP16,
    )
}
"""Every feature by its name, in the order in which they came about."""

ALL: frozenset[Feature] = frozenset(FEATURES.values())
"""Everything that wasmir knows."""

_FIRST = {MVP}
_SECOND = _FIRST | {
    BULK_MEMORY,
    MULTI_VALUE,
    MUTABLE_GLOBAL,
    REFERENCE_TYPES,
    SATURATING_FLOAT_TO_INT,
    SIGN_EXTENSION,
    SIMD,
}

_GROUPS: dict[str, frozenset[Feature]] = {
    "all": ALL,
    "wasm1": frozenset(_FIRST),
    "wasm2": frozenset(_SECOND),
    # Threads, because wasm-tools has them there.
    "wasm3": frozenset({feature for feature in ALL if feature.standard} | {THREADS}),
}
"""Versions of the specification, by their names for ``wasm-tools validate --features``, and as that
understands them."""


def feature_set(features: Iterable[Feature | str] | str) -> frozenset[Feature]:
    """Features from their names: a text with commas, or names and features one by one.

    ``all``, ``wasm1``, ``wasm2`` and ``wasm3`` are groups; ``-`` in front takes something out of
    what was named before it, or of everything where nothing was. Raises ValueError for a name that
    there isn't.
    """
    words = features.split(",") if isinstance(features, str) else list(features)
    chosen: set[Feature] = {MVP}
    for place, word in enumerate(words):
        if isinstance(word, Feature):
            chosen.add(word)
            continue
        if not isinstance(word, str):
            raise TypeError(f"a feature or its name expected, not {type(word).__name__}")
        name = word.strip()
        removed = name.startswith("-")
        name = name.removeprefix("-")
        named = _GROUPS.get(name) or ({FEATURES[name]} if name in FEATURES else None)
        if named is None:
            known = [*_GROUPS, *FEATURES]
            hint = suggestion(name, known) or f"; there are: {', '.join(known)}"
            raise ValueError(f"unknown feature {name!r}{hint}")
        if not removed:
            chosen |= named
        else:
            if place == 0:
                chosen |= ALL
            chosen -= named
    return frozenset(chosen | {MVP})
