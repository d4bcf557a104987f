"""What is done about frauds being one row in hundreds: part of the search, not an article of faith."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from trainer.dataset.rows import TrainingRows
from trainer.models.smote import smote

STRATEGIES = ("none", "weight", "weight_sqrt", "undersample", "smote")
_KEPT_PER_FRAUD = 20  # legitimate rows kept a fraud by undersampling


def balanced(rows: TrainingRows, strategy: str, seed: int) -> TrainingRows:
    """Returns the rows as a strategy wants them. Raises ValueError for one that is not in STRATEGIES.

    none: as they are. weight: frauds weighted up until both classes weigh the same. weight_sqrt: by the
    square root of that. undersample: legitimate rows weigh 20 times the frauds, unless they weigh less as it
    is; of more than 20 a fraud, 20 are drawn at random. smote: synthetic frauds that weigh five times the
    real ones, at most until frauds weigh as much as the rest. Weight decides, so that rows by `thinned` are
    balanced as all rows are.
    """
    if strategy == "none":
        return rows
    frauds = rows.label == 1
    if strategy in ("weight", "weight_sqrt"):
        ratio = rows.weight[~frauds].sum(dtype=np.float64) / max(
            rows.weight[frauds].sum(dtype=np.float64), 1.0
        )
        factor = np.sqrt(ratio) if strategy == "weight_sqrt" else ratio
        weight = np.where(frauds, rows.weight * factor, rows.weight).astype(np.float32)
        return replace(rows, weight=weight)
    if strategy == "undersample":
        return _undersampled(rows, frauds, seed)
    if strategy == "smote":
        return smote(rows, seed)
    raise ValueError(f"{strategy!r} is none of {', '.join(STRATEGIES)}")


def _undersampled(rows: TrainingRows, frauds: npt.NDArray[np.bool_], seed: int) -> TrainingRows:
    wanted = _KEPT_PER_FRAUD * rows.weight[frauds].sum(dtype=np.float64)
    if rows.weight[~frauds].sum(dtype=np.float64) <= wanted:
        return rows
    fraud_count = int(frauds.sum())
    kept = np.arange(len(rows))
    if fraud_count * _KEPT_PER_FRAUD < len(rows) - fraud_count:
        # Imported here because it takes seconds, which every process of a search would spend.
        from imblearn.under_sampling import RandomUnderSampler

        sampler = RandomUnderSampler(sampling_strategy=1 / _KEPT_PER_FRAUD, random_state=seed)
        numbers, _ = sampler.fit_resample(kept[:, None], rows.label)
        kept = np.sort(numbers[:, 0])
    weight, others = rows.weight[kept].astype(np.float64), ~frauds[kept]
    weight[others] *= wanted / weight[others].sum()
    return replace(rows.take(kept), weight=weight.astype(np.float32))


def thinned(rows: TrainingRows, limit: int, seed: int) -> TrainingRows:
    """Returns at most `limit` rows: all frauds and a sample of the rest, weighted up to stand for it."""
    chosen, factor = drawn(rows.label, limit, seed)
    if len(chosen) == len(rows):
        return rows
    few = rows.take(chosen)
    return replace(few, weight=few.weight * factor)


def drawn(
    label: npt.NDArray[np.float32], limit: int, seed: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Returns the numbers of the rows that `thinned` keeps, intp, ascending, and by what they weigh more.

    label: float32 [n]. There are more than `limit` where frauds and as many others are more.
    """
    frauds, others = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    kept = max(limit - len(frauds), len(frauds))
    if len(label) <= limit or kept >= len(others):
        return np.arange(len(label), dtype=np.intp), np.ones(len(label), dtype=np.float32)
    sample = np.random.default_rng(seed).choice(others, size=kept, replace=False)
    chosen = np.sort(np.concatenate([frauds, sample]))
    factor = np.where(label[chosen] == 0, len(others) / kept, 1.0)
    return chosen, factor.astype(np.float32)
