"""What a server has counted, by its metrics."""

from __future__ import annotations

import urllib.request

import numpy as np
import numpy.typing as npt


def refused_and_failed(port: int) -> npt.NDArray[np.float64]:
    """Returns the calls that were refused for load, and those that ended with another error, so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    refused = [
        line for line in lines if line.startswith("kuntur_calls_refused_total{") and "OVERLOADED" in line
    ]
    others = [line for line in lines if line.startswith("kuntur_errors_total{") and "OVERLOADED" not in line]
    return np.array([sum(float(line.split()[-1]) for line in mine) for mine in (refused, others)])
