"""The binary format: what :class:`wasmir.ir.codec.Codec` asks for.

Each function is loaded, with the module it stands in, when it is first asked for: a module that is
only copied never loads the instruction table.
"""

from __future__ import annotations

import importlib

_HOMES = {
    "wasmir.binary.blocks": "block_offsets block_sizes",
    "wasmir.binary.customs": "tracking",
    "wasmir.binary.decode": (
        "read_data read_elements read_exports read_functions read_globals read_imports "
        "read_memories read_start read_tables read_tags read_types"
    ),
    "wasmir.binary.duties": "declarations_lost",
    "wasmir.binary.encode": "encode_module",
    "wasmir.binary.names": "read_names",
    "wasmir.binary.offsets": "code_frames moved_labels note_origin respelled_moves trace_moves",
    "wasmir.binary.sections": "read_sections section_entries section_name",
    "wasmir.binary.decode_code": (
        "count_instructions declared_locals decode_body dissolve expand local_groups split"
    ),
    "wasmir.binary.decode_outline": "having may_throw opened_arity outline_effect survey",
    "wasmir.binary.encode_code": "encode_body encode_instrs encode_items",
    "wasmir.binary.mentions": "code_mentions",
    "wasmir.binary.memo": "run_effects",
    "wasmir.binary.shift": "renumbered_types renumbering",
    "wasmir.binary.shift_locals": "shift_locals",
    "wasmir.binary.scan_code": "distinct_instructions raw_instructions",
    "wasmir.binary.insertion": "locals_end splice splice_entry",
    "wasmir.binary.substitute": "substitute",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'wasmir.binary' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value
