"""Reasons: what moved a score, by how much, and in words."""

from kuntur.reasons.explanation import Explanation, ExplanationError, largest_gap
from kuntur.reasons.file import read_explanation, write_explanation
from kuntur.reasons.linear import LinearExplanation
from kuntur.reasons.reason import Reasoner
from kuntur.reasons.smallest import smallest_explanations
from kuntur.reasons.trees import TreeExplanation, Trees

__all__ = [
    "Explanation",
    "ExplanationError",
    "LinearExplanation",
    "Reasoner",
    "TreeExplanation",
    "Trees",
    "largest_gap",
    "read_explanation",
    "smallest_explanations",
    "write_explanation",
]
