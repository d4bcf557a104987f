"""The files of a journal: how records are laid out, read, found again behind damage, and repaired.

What is written when, and the reader of a whole journal, are in `kuntur.journal.file`; `v1` is generated.
"""
