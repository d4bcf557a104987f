"""Declared checks of the data: what the canonical table must be, and what is expected of it as a whole.

The reader refuses single rows of a file by the API's rules and says how to mend them. What is declared here
begins where that ends. `contract` states what holds of every row of a canonical table whatever it came from,
a journal and a frame in memory too, so that nothing downstream has to ask; in data that the reader let
through it fails only by a fault of the program. `expectations` are of the whole, where each row may be
right: frauds far too many, days that were not delivered, a column gone empty, an account number that stands
for many. A broken contract stops a run; an unmet expectation is a warning, or stops it too by checks.strict.
"""

from __future__ import annotations

from trainer.checks.report import CheckReport, CheckResult, DataCheckError
from trainer.checks.run import check_table

__all__ = ["CheckReport", "CheckResult", "DataCheckError", "check_table"]
