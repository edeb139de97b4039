"""Bytes that are no modules, nearly modules, or modules that nobody would write."""
