"""The process that signs the journal's checkpoints, as the server starts it, watches it and ends it."""

from server.signing.keeper import SigningKeeper, open_signing
from server.signing.metrics import SigningMetrics

__all__ = ["SigningKeeper", "SigningMetrics", "open_signing"]
