"""The scoring server: transactions in over gRPC, scores out, models swapped while it serves."""

import kuntur  # noqa: F401  (switches telemetry off, which has to come before ONNX Runtime is loaded)
