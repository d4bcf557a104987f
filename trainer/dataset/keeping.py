"""Where the features of a run go: into memory, or into the working directory, for this run and the next."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kuntur.features import catalogue_fingerprint
from trainer.cluster.connection import connected
from trainer.dataset.computing import Served, matrix_here, write_here, write_sharded
from trainer.dataset.features import Features
from trainer.dataset.parts import PART_ROWS, PartStore
from trainer.dataset.shards import shards_pay
from trainer.settings.searching import RaySettings


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where features are kept and who computes them.

    directory: of features alone; those of another history there that no run uses are taken away; note: says
    something once.
    """

    directory: Path
    ray: RaySettings
    note: Callable[[str], None]


def computed(
    served: Served,
    attributes: npt.NDArray[np.float32],
    names: tuple[str, ...],
    key: Sequence[str],
    keeping: Keeping | None,
    progress: Callable[[int], None],
) -> Features:
    """Returns the features of served transactions with the attributes beside them.

    attributes: float32 [n, attributes], by number of the row; key: what, beside the catalogue, the zone, the
    columns and the order of serving, the values follow from. Parts that an earlier run finished are taken as
    they are. Raises ClusterError.
    """
    if keeping is None:
        return Features.of(np.column_stack([matrix_here(served, progress), attributes]))
    store = PartStore(keeping.directory / _digest(served, names, key), len(served.batch), names)
    store.hold()
    if store.complete:
        keeping.note("The features of these data are there from an earlier run")
        return store.features()
    store.begin()
    if served.row is None and shards_pay(keeping.ray, len(served.batch)):
        with connected(keeping.ray):
            write_sharded(served, attributes, store, progress)
    else:
        write_here(served, attributes, store, progress)
    store.finish()
    return store.features()


def _digest(served: Served, names: tuple[str, ...], key: Sequence[str]) -> str:
    said = [*key, catalogue_fingerprint(), served.zone.name, list(names), PART_ROWS]
    digest = hashlib.sha256(json.dumps(said).encode())
    if served.row is not None:
        digest.update(served.row.tobytes())
    return digest.hexdigest()[:32]
