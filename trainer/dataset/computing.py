"""Features of a history into parts: by this process, or by tasks of Ray that share the work by entity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.features import CATALOGUE, FeatureEngine, FeatureMatrix
from kuntur.features.engine import latest_hours
from kuntur.features.label_changes import label_changes
from kuntur.time_zone import TimeZone
from kuntur.transaction import OutcomeBatch, TransactionBatch
from trainer.cluster.connection import ClusterError
from trainer.dataset.parts import PartStore
from trainer.dataset.shards import History, Shard, columns_of, history, replay_shard, shard_rows, shards

Progress = Callable[[int], None] | None
Attributes = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Served:
    """Transactions in the order in which they were served, and what became known of them.

    row: int64 [n], of each the number that its features have in the end; None where that is the order.
    """

    batch: TransactionBatch
    outcomes: OutcomeBatch
    zone: TimeZone
    row: npt.NDArray[np.int64] | None = None


def blocks_here(served: Served, block_rows: int, progress: Progress = None) -> Iterator[FeatureMatrix]:
    """Yields the features of served transactions, float32 [rows, catalogue], in the order of their numbers.

    Beside the block, those blocks are in memory of which some rows were served later than others.
    """
    engine, batch = FeatureEngine(zone=served.zone), served.batch
    computed = engine.replay_blocks(
        batch, label_changes(served.outcomes), latest_hours(batch), block_rows, progress=progress
    )
    if served.row is None:
        yield from computed
        return
    waiting: dict[int, FeatureMatrix] = {}
    missing: dict[int, int] = {}
    first = done = 0
    for block in computed:
        rows = served.row[done : done + len(block)]
        done += len(block)
        for number in np.unique(rows // block_rows):
            here = rows // block_rows == number
            start = int(number) * block_rows
            if number not in waiting:
                height = min(block_rows, len(batch) - start)
                waiting[number] = np.empty((height, block.shape[1]), dtype=np.float32)
                missing[number] = height
            waiting[number][rows[here] - start] = block[here]
            missing[number] -= int(here.sum())
        while missing.get(first) == 0:
            yield waiting.pop(first)
            del missing[first]
            first += 1


def matrix_here(served: Served, progress: Progress = None) -> FeatureMatrix:
    """Returns the features of served transactions, float32 [n, catalogue], by their numbers."""
    (matrix,) = blocks_here(served, max(len(served.batch), 1), progress) if len(served.batch) else (_NONE,)
    return matrix


_NONE = np.empty((0, len(CATALOGUE)), dtype=np.float32)


def write_here(served: Served, attributes: Attributes, store: PartStore, progress: Progress) -> None:
    """Computes the features in this process and writes the parts that are missing.

    attributes: float32 [n, names], the columns behind the catalogue's, by number.
    """
    for number, block in enumerate(blocks_here(served, store.part_rows, progress)):
        if not store.has(number):
            store.write(number, _beside(block, attributes[slice(*store.bounds(number))]))


def write_sharded(served: Served, attributes: Attributes, store: PartStore, progress: Progress) -> None:
    """The same by tasks of the Ray that is connected, for transactions served in the order of their numbers.

    No process has the whole matrix: what the shards give stays in the object stores of the nodes, which
    spill to their disks, until a task puts one part together and writes it. What is lost with a node is
    computed again. Raises ClusterError.
    """
    import ray

    if served.row is not None:
        raise ValueError("shards are cut from transactions in the order of their numbers")
    cut = shards(len(served.batch), max(1, int(ray.cluster_resources().get("CPU", 1))))
    batch = TransactionBatch(served.batch.keys, served.batch.ints, served.batch.floats, {})
    whole = ray.put(history(batch, served.outcomes, served.zone))
    behind = ray.put(attributes)
    replayed = ray.remote(num_cpus=1, num_returns=len(store))(shard_parts)
    written = ray.remote(num_cpus=1)(write_part)
    given = [replayed.remote(whole, shard, store.part_rows) for shard in cut]
    blocks = [of_shard if isinstance(of_shard, list) else [of_shard] for of_shard in given]
    missing = [number for number in range(len(store)) if not store.has(number)]
    try:
        waiting = [
            written.remote(store, number, whole, behind, cut, *(of_shard[number] for of_shard in blocks))
            for number in missing
        ]
        del blocks, given
        for place, reference in enumerate(waiting):
            ray.get(reference)
            if progress is not None:
                progress(min((place + 1 + len(store) - len(missing)) * store.part_rows, store.rows))
    except ray.exceptions.RayError as error:
        raise ClusterError(f"Ray could not compute the features: {error}") from error


def shard_parts(whole: History, shard: Shard, part_rows: int) -> list[FeatureMatrix] | FeatureMatrix:
    """Returns what `replay_shard` gives, cut where the parts end; runs in a worker of Ray.

    Of a history of one part it is not a list, as Ray wants it of a task with one result.
    """
    given = replay_shard(whole, shard)
    ends = np.arange(part_rows, len(whole.hours), part_rows)
    parts = np.split(given, np.searchsorted(shard_rows(whole.batch.keys, shard), ends))
    return parts if len(parts) > 1 else given


def write_part(
    store: PartStore, number: int, whole: History, attributes: Attributes, cut: tuple[Shard, ...], *given: Any
) -> None:
    """Puts one part together from what the shards gave for it, and writes it; runs in a worker of Ray."""
    start, end = store.bounds(number)
    matrix = np.empty((end - start, len(CATALOGUE)), dtype=np.float32)
    for shard, part in zip(cut, given, strict=True):
        theirs = shard_rows(whole.batch.keys, shard)
        within = theirs[slice(*np.searchsorted(theirs, [start, end]))] - start
        matrix[np.ix_(within, np.arange(len(CATALOGUE))[columns_of(shard.kind)])] = part
    store.write(number, _beside(matrix, attributes[start:end]))


def _beside(block: FeatureMatrix, attributes: Attributes) -> FeatureMatrix:
    return np.column_stack([block, attributes]) if attributes.shape[1] else block
