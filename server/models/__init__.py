"""Models: checked, loaded, watched for and listed."""

from server.models.listing import ModelListing, ModelRecord, ModelState
from server.models.live import Live, LiveModel, LiveSlot
from server.models.loader import load_model
from server.models.watcher import ModelWatcher, Refusal

__all__ = [
    "Live",
    "LiveModel",
    "LiveSlot",
    "ModelListing",
    "ModelRecord",
    "ModelState",
    "ModelWatcher",
    "Refusal",
    "load_model",
]
