"""The part about accounts that were known to be compromised when the test rows took place."""

from __future__ import annotations

from trainer.card.schema.figures import Figures
from trainer.card.schema.part import Part


class KnownAccounts(Part):
    """Test rows of accounts with a fraud that was known by then."""

    rows: int
    """Their transactions in the test window."""
    frauds: int
    """Frauds among these."""
    with_them: Figures
    """Figures of the whole test window, as in `evaluation.metrics`."""
    without_them: Figures | None
    """The same figures without these rows; null where the rest is of one kind only."""
