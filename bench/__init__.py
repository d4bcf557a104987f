"""Measurements of the server and its parts, as ratios against baselines of the same run."""

import kuntur  # noqa: F401  (switches telemetry off, which has to come before ONNX Runtime is loaded)
