"""Flat memory for the records of entities: layout, tables, checksums, undo log."""
