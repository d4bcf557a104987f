"""From a fitted model to ONNX, and the proof that nothing was lost on the way."""

from trainer.export.explanation import build_explanation
from trainer.export.graph import build_onnx
from trainer.export.parity import ParityError, check_parity

__all__ = ["ParityError", "build_explanation", "build_onnx", "check_parity"]
