"""The form of `documents/validation.json`, which any program may read: versioned, every field explained.

`ValidationDocument.model_json_schema()` gives its JSON Schema. Null stands for what a run did not make.
"""

from __future__ import annotations

from trainer.card.schema.figures import (
    Curves,
    Drift,
    DriftBin,
    Evaluation,
    Interval,
    Search,
    Threshold,
    Trial,
)
from trainer.card.schema.inputs import Data, FeatureEntry, PersonalData
from trainer.card.schema.model import Change, Changes, Finding, Model, Verdict
from trainer.card.schema.validation import Gates, Validation, ValidationDocument

__all__ = [
    "Change",
    "Changes",
    "Curves",
    "Data",
    "Drift",
    "DriftBin",
    "Evaluation",
    "FeatureEntry",
    "Finding",
    "Gates",
    "Interval",
    "Model",
    "PersonalData",
    "Search",
    "Threshold",
    "Trial",
    "Validation",
    "ValidationDocument",
    "Verdict",
]
