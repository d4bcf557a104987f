"""Settings of the fit of the chosen setting, on all rows that it may learn from."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from kuntur.settings.section import Section


class FitSettings(Section):
    """The last fit, on all rows. Its memory is what it counts on for the rows in bins, 8 bytes a value."""

    driver_bytes: int = Field(default=2 << 30, ge=0)
    """Memory that it may take in this process. XGBoost that needs more is fitted by workers of Ray; another
    algorithm then learns from as many rows as fit, all frauds among them, and the run says so."""
    worker_bytes: int = Field(default=8 << 30, ge=64 << 20)
    """Memory that it may take in a worker. Rows in bins that need more are spilled to the worker's temporary
    folder, which takes several times as long."""
    workers: PositiveInt | None = None
    """Workers that share the rows, at the most one for each part of 131,072 rows. Unset: as many as
    worker_bytes asks for, at the most one a node."""
    threads: PositiveInt | None = None
    """Threads of a worker. Unset: the cores of the smallest node."""
