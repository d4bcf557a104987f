"""Why a witness does not cosign, in its own terms."""

from __future__ import annotations


class RefusalError(Exception):
    """A checkpoint that is not cosigned, and why."""


class MalformedRequestError(RefusalError):
    """It is none of the protocol, or its old size is beyond its checkpoint."""


class UnknownLogError(RefusalError):
    """The origin is that of no log that this witness was told of."""


class UnsignedCheckpointError(RefusalError):
    """No key of the log signed it, or a signature that names one of them is not its."""


class OtherSizeError(RefusalError):
    """The old size is not that of the checkpoint that was cosigned last, which `size` tells."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the last checkpoint that was cosigned is of {size:,} entries")
        self.size = size


class InconsistentCheckpointError(RefusalError):
    """The log does not go on from where it was: it was cut, forked or put back."""
