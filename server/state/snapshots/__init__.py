"""Snapshots of the history: from them and the journal behind them a server makes its history anew.

A process of its own takes them, from the journal: the server is not looked at, let alone stopped. There are
two files, each a region that was closed in order, and the older one is brought up to date in turn.
"""

from server.state.snapshots.files import SnapshotFiles
from server.state.snapshots.keeper import SnapshotKeeper, snapshots_beside

__all__ = ["SnapshotFiles", "SnapshotKeeper", "snapshots_beside"]
