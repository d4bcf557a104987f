"""What every calibration is: an increasing function of the margin, here and as ONNX operators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Nodes = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


class Calibration(ABC):
    """probability = 1 / (1 + exp(−log-odds)), with log-odds that grow with the margin, in double precision.

    rationale: why this kind was taken, in words.
    """

    rationale: str

    @abstractmethod
    def log_odds(self, margin: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Returns calibrated log-odds, float64 [n]."""

    @abstractmethod
    def moved(self, log_odds: float, rationale: str) -> Calibration:
        """Returns it with this much added to all log-odds, and another rationale."""

    @abstractmethod
    def log_odds_nodes(self) -> Nodes:
        """Returns the operators from `margin_64` to `log_odds`, both double [n]."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Returns kind, numbers and rationale, ready for JSON."""

    def probability(self, margin: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns calibrated probabilities, float32 [n]."""
        z = self.log_odds(margin.astype(np.float64))
        with np.errstate(over="ignore"):  # exp of a large number is inf, and its inverse 0, as it should be
            return (1.0 / (1.0 + np.exp(-z))).astype(np.float32)

    def nodes(self) -> Nodes:
        """Returns the operators from `margin` to `probability`, float32 [n].

        Spelt out in double precision: the Sigmoid operator in float32 cuts off far from 0, where the order
        of many legitimate transactions would be lost.
        """
        before = [helper.make_node("Cast", ["margin"], ["margin_64"], to=TensorProto.DOUBLE)]
        middle, numbers = self.log_odds_nodes()
        after = [
            helper.make_node("Neg", ["log_odds"], ["negative"]),
            helper.make_node("Exp", ["negative"], ["odds_against"]),
            helper.make_node("Add", ["odds_against", "one_64"], ["whole"]),
            helper.make_node("Div", ["one_64", "whole"], ["probability_64"]),
            helper.make_node("Cast", ["probability_64"], ["probability"], to=TensorProto.FLOAT),
        ]
        return before + middle + after, numbers + constants({"one_64": np.array(1.0)})


def constants(values: Mapping[str, npt.NDArray[Any]]) -> list[onnx.TensorProto]:
    """Returns numbers of a graph by name."""
    return [numpy_helper.from_array(value, name) for name, value in values.items()]
