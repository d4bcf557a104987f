"""Switches off what libraries report about their use to those who made them."""

from __future__ import annotations

import os

SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: a device id and a database in ~/.cache, events over HTTPS
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray: a report each hour
    "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow: events of each run
    "DO_NOT_TRACK": "1",  # what others agreed on
}
"""Environment variables by which each library is told; child processes inherit them."""


def switch_off() -> None:
    """Sets every switch, whatever it was. Has to come before the libraries are loaded."""
    os.environ.update(SWITCHES)
