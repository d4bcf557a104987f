"""Candidates: estimators behind one face, each with its search space, its fit and its ONNX form."""

from trainer.models.base import FittedModel, Parameters
from trainer.models.families import FAMILIES, SearchSpace

__all__ = ["FAMILIES", "FittedModel", "Parameters", "SearchSpace"]
