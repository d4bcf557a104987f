"""Models: checked, loaded, watched for and listed."""

from server.models.listing import ModelListing, ModelRecord, ModelState
from server.models.live import LiveModel, LiveSlot, compile_decisions
from server.models.onnx_c import compile_run
from server.models.trust import Trust
from server.models.watcher import ModelWatcher

__all__ = [
    "LiveModel",
    "LiveSlot",
    "ModelListing",
    "ModelRecord",
    "ModelState",
    "ModelWatcher",
    "Trust",
    "compile_decisions",
    "compile_run",
]
