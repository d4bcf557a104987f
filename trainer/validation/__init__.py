"""What a validator asks beyond the test window: earlier folds, a benchmark, misses, sensitivity, fairness."""

from trainer.validation.case import Case
from trainer.validation.run import Validation, validate

__all__ = ["Case", "Validation", "validate"]
