"""The validator's file of a bundle: a document for programs and a page for people, of the same content."""

from __future__ import annotations

from trainer.card.document import as_json, validation_document
from trainer.card.evidence import Evidence, TestWindow
from trainer.card.page import model_card
from trainer.card.schema import ValidationDocument


def documents(evidence: Evidence) -> dict[str, bytes]:
    """Returns `validation.json` and `model_card.html` for the documents of a bundle."""
    document = validation_document(evidence)
    return {"validation.json": as_json(document), "model_card.html": model_card(document)}


__all__ = [
    "Evidence",
    "TestWindow",
    "ValidationDocument",
    "documents",
    "model_card",
    "validation_document",
]
