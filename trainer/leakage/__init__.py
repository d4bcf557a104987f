"""Whether a column gives the label away, or looks into the future: then nothing is learnt from it."""

from trainer.leakage.columns import ColumnFinding, LeakageError, LeakageReport, check

__all__ = ["ColumnFinding", "LeakageError", "LeakageReport", "check"]
