"""The trainer: from transactions with outcomes to a published bundle."""

import kuntur  # noqa: F401  (switches telemetry off, which has to come before ONNX Runtime is loaded)
