"""Writes evidence: the JSON, the page, and what checks the JSON, each for its owner alone."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from kuntur.files.private import make_private
from kuntur.files.whole import replace_whole
from kuntur.transparency.standalone import VERIFIER
from server.evidence.document import Evidence
from server.evidence.page import render

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 60


def name_of(institution_id: str, transaction_id: str) -> str:
    """Returns what the files of a transaction are called, whatever its ids are made of."""
    plain = _NOT_PLAIN.sub("_", f"{institution_id}-{transaction_id}").strip("_.-")[:_LONGEST]
    digest = sha256(f"{institution_id}\0{transaction_id}".encode()).hexdigest()[:12]
    return f"evidence-{plain}-{digest}"


def write_files(evidence: Evidence, folder: Path) -> list[Path]:
    """Writes the files of evidence into a folder, over those of the same transaction, and returns them.

    Raises OSError.
    """
    make_private(folder)
    name = name_of(evidence.institution_id, evidence.transaction_id)
    page = folder / f"{name}.html"
    contents = {
        folder / f"{name}.json": (evidence.model_dump_json(indent=1) + "\n").encode(),
        page: render(evidence, f"{name}.json").encode(),
    }
    if evidence.checkpoint is not None:
        contents[folder / VERIFIER.name] = VERIFIER.read_bytes()
    for path, content in contents.items():
        replace_whole(path, content)
    return list(contents)
