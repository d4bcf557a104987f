"""Callers of every manner: polite, hurried, silent, and those that do not read their answers."""
