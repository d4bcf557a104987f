"""The kinds of fraud, one module each, and how they are planned over the whole time."""

from __future__ import annotations

from trainer.synthetic.schemes.plan import fraud_counts, plan

__all__ = ["fraud_counts", "plan"]
