"""The gate before publishing: the exported model must take the same branches and give the same scores.

Compared on every validation row, on rows that reach each comparison of the model and lie on its threshold,
one step of float32 to either side or have no value there, and on rows with each feature unset in turn. Tree
by tree the leaf values must be the same number; only their sum may differ, by the order in which it is taken.
Besides, each comparison must be in the graph as it is in the model, with its branch for unset values, since
some change no score of these rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trainer.calibration import Calibration
from trainer.confined.model import CHUNK_ROWS
from trainer.confined.session import run, session
from trainer.export.graph import build_tree_values, read_comparisons
from trainer.models.base import FittedModel, Splits

PROBABILITY_TOLERANCE = 2e-6
_NEIGHBOURS = 20_000  # comparisons tested at the most, drawn with a fixed seed


class ParityError(Exception):
    """The exported model does not agree with the fitted one."""


def _edge_rows(model: FittedModel, sample: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Returns rows on the comparisons of a model, one step beside, unset there, and with features unset."""
    generator = np.random.default_rng(0)
    columns = sample.shape[1]
    unset = np.repeat(sample[:4], columns, axis=0)
    unset[np.arange(len(unset)), np.tile(np.arange(columns), 4)[: len(unset)]] = np.nan
    rows = [unset, np.full((1, columns), np.nan, dtype=np.float32)]
    splits = model.splits()
    if splits is not None and len(splits.column):
        count = min(len(splits.column), _NEIGHBOURS)
        chosen = generator.choice(len(splits.column), size=count, replace=False)
        column, threshold = splits.column[chosen], splits.threshold[chosen]
        base = _reaching(splits, chosen, sample[generator.integers(0, len(sample), size=count)])
        beside = np.nextafter(threshold, -np.inf), np.nextafter(threshold, np.inf)
        for value in (threshold, *beside, np.float32(np.nan)):
            at = base.copy()
            at[np.arange(count), column] = value
            rows.append(at)
    return np.concatenate(rows).astype(np.float32)


def _reaching(
    splits: Splits, chosen: npt.NDArray[np.intp], rows: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Returns the rows changed so that each takes the branches down to its comparison.

    A row laid on a threshold that it never meets would prove nothing. From the root down, the column of
    each comparison on the way is set to one step beside the threshold: thresholds lie within each other's
    branches, so that a later step keeps the earlier ones.
    """
    way, below = [], chosen
    while (splits.parent[below] >= 0).any():
        at_root = splits.parent[below] < 0
        way.append((np.where(at_root, -1, splits.parent[below]), splits.right[below]))
        below = np.where(at_root, below, splits.parent[below])
    reaching = rows.copy()
    for above, right in reversed(way):
        moved = np.flatnonzero(above >= 0)
        step = np.where(right[moved], np.float32(np.inf), np.float32(-np.inf))
        beside = np.nextafter(splits.threshold[above[moved]], step)
        reaching[moved, splits.column[above[moved]]] = beside
    return reaching


def check_parity(
    model: FittedModel, calibration: Calibration, exported: bytes, validation: npt.NDArray[np.float32]
) -> dict[str, float]:
    """Compares, and returns what was compared and the largest differences. Raises ParityError.

    validation: float32 [n, columns], at least one row.
    """
    rows = np.concatenate([validation, _edge_rows(model, validation)])
    served = session(exported)
    given = run(served, rows)
    wanted = np.concatenate(
        [
            calibration.probability(model.margin(rows[start : start + CHUNK_ROWS]))
            for start in range(0, len(rows), CHUNK_ROWS)
        ]
    )
    difference = np.abs(given.astype(np.float64) - wanted)
    if not np.isfinite(given).all() or difference.max() > PROBABILITY_TOLERANCE:
        worst = int(np.nanargmax(np.where(np.isfinite(difference), difference, np.inf)))
        raise ParityError(f"row {worst} of {len(rows)}: exported {given[worst]!r}, fitted {wanted[worst]!r}")
    _check_comparisons(model, exported)
    leaves = _check_leaves(model, exported, rows)
    single = np.concatenate([run(served, rows[i : i + 1]) for i in range(min(len(rows), 512))])
    if not np.array_equal(single.view(np.uint32), given[: len(single)].view(np.uint32)):
        raise ParityError("a row scored alone differs from the same row in a frame")
    return {
        "rows": float(len(rows)),
        "leaves": float(leaves),
        "max_probability_difference": float(difference.max()),
    }


def _check_comparisons(model: FittedModel, exported: bytes) -> None:
    splits = model.splits()
    if splits is None:
        return
    found = read_comparisons(exported)
    if len(found.column) != len(splits.column):
        raise ParityError(f"{len(found.column)} comparisons were exported, {len(splits.column)} fitted")
    mode = "BRANCH_LEQ" if splits.equal_left else "BRANCH_LT"
    if found.modes - {mode}:
        raise ParityError(f"comparisons are {mode}, exported {', '.join(sorted(found.modes))}")
    # Where no unset value meets a comparison, what the export would do with one does not matter.
    unset_left = found.unset_left if splits.unset_left is None else splits.unset_left
    given = np.lexsort((found.unset_left, found.threshold, found.column))
    wanted = np.lexsort((unset_left, splits.threshold, splits.column))
    same = found.column[given] == splits.column[wanted]
    same &= found.threshold[given] == splits.threshold[wanted]
    if not same.all():
        place = int(np.argmin(same))
        raise ParityError(
            f"column {splits.column[wanted[place]]}: a threshold is {splits.threshold[wanted[place]]!r}, "
            f"exported {found.threshold[given[place]]!r}"
        )
    if splits.unset_left is not None and not np.array_equal(found.unset_left[given], unset_left[wanted]):
        place = int(np.argmax(found.unset_left[given] != unset_left[wanted]))
        raise ParityError(
            f"column {splits.column[wanted[place]]}, threshold {splits.threshold[wanted[place]]!r}: "
            "an unset value takes the other branch in the exported model"
        )


def _check_leaves(model: FittedModel, exported: bytes, rows: npt.NDArray[np.float32]) -> int:
    """Compares what each tree adds; returns how many leaf values were compared."""
    first = model.tree_values(rows[:1])
    if first is None:
        return 0
    opened = session(build_tree_values(exported, first.shape[1]))
    for start in range(0, len(rows), CHUNK_ROWS):
        part = rows[start : start + CHUNK_ROWS]
        wanted, given = model.tree_values(part), run(opened, part)
        if wanted is None or not np.array_equal(wanted, given):
            row, tree = np.argwhere(wanted != given)[0]
            raise ParityError(f"row {start + row}: tree {tree} reaches another leaf in the exported model")
    return len(rows) * int(first.shape[1])
