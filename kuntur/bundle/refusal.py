"""Why a bundle may not go live."""

from __future__ import annotations

from enum import StrEnum


class RefusalReason(StrEnum):
    """Why a bundle may not go live; the names are those of the protobuf enum."""

    INCOMPLETE = "INCOMPLETE"
    SIZE_MISMATCH = "SIZE_MISMATCH"
    HASH_MISMATCH = "HASH_MISMATCH"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    FEATURE_UNKNOWN = "FEATURE_UNKNOWN"
    FEATURE_CHANGED = "FEATURE_CHANGED"
    NOT_LOADABLE = "NOT_LOADABLE"
    GOLDEN_MISMATCH = "GOLDEN_MISMATCH"
    EXPLANATION_INVALID = "EXPLANATION_INVALID"
    TRIAL_FAILED = "TRIAL_FAILED"
    TOO_SLOW = "TOO_SLOW"
    SURPLUS_FILE = "SURPLUS_FILE"
    SIGNATURE_MISSING = "SIGNATURE_MISSING"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    SIGNATURE_KEY_UNKNOWN = "SIGNATURE_KEY_UNKNOWN"
    SIGNATURE_KEY_EXPIRED = "SIGNATURE_KEY_EXPIRED"
    SIGNATURE_BELOW_THRESHOLD = "SIGNATURE_BELOW_THRESHOLD"
    MODEL_ROLLED_BACK = "MODEL_ROLLED_BACK"


class BundleRefusedError(Exception):
    """A bundle that failed a check: which one, and what was found."""

    def __init__(self, reason: RefusalReason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
