"""Switches off the telemetry of libraries: what they report about their use to their makers."""

from __future__ import annotations

import os

SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: a device id and a database in ~/.cache, events over HTTPS
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray: a report each hour
    "MLFLOW_DISABLE_TELEMETRY": "true",  # MLflow: events of each run
    "DO_NOT_TRACK": "1",  # the common switch, which other libraries heed
}
"""The environment variable of each library; child processes inherit them."""


def switch_off() -> None:
    """Sets every switch, whatever its value was. Must be called before the libraries are loaded."""
    os.environ.update(SWITCHES)
