"""Synthetic frauds between neighbouring ones: SMOTE (Chawla and others, 2002) for features that may be unset.

SMOTE itself takes no unset values. Unset ones are filled with the median of the frauds, and a column of 0 and
1 that says where stands beside: it keeps frauds with and without a value apart when neighbours are sought,
and from it each synthetic value is known to come from two parents with a value, from one, or from none.
"""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from trainer.dataset.rows import TrainingRows

_NEIGHBOURS = 5
_PER_FRAUD = 5  # synthetic frauds for each real one, where the legitimate rows outweigh them all
_MOST = 50_000


def smote(rows: TrainingRows, seed: int) -> TrainingRows:
    """Returns the rows and synthetic frauds behind them.

    Together the synthetic ones weigh five times as much as the real ones, less where all frauds would
    outweigh the legitimate rows; so weight decides, and thinned rows are treated as all rows are. A synthetic
    value whose nearer parent has none is unset; where one parent has a value, it is that one's. The age is
    unknown. Rows with fewer than two frauds, or that frauds outweigh, stay as they are.
    """
    fraud = rows.label == 1
    real, weight = np.flatnonzero(fraud), rows.weight.astype(np.float64)
    heavy, others = weight[fraud].sum(), weight[~fraud].sum()
    wanted = min(_PER_FRAUD * heavy, others - heavy)
    if len(real) < 2 or wanted <= 0:
        return rows
    count = min(max(round(len(real) * wanted / heavy), 1), _MOST)
    made = TrainingRows(
        _synthetic(rows.take(real).features, count, seed),
        np.ones(count, dtype=np.float32),
        np.full(count, wanted / count, dtype=np.float32),
        np.full(count, np.nan, dtype=np.float32),
    )
    return rows.with_rows(made)


def _synthetic(frauds: npt.NDArray[np.float32], count: int, seed: int) -> npt.NDArray[np.float32]:
    """Returns float32 [count, columns] between frauds, float32 [n, columns]; n is 2 at least."""
    # Imported here because it takes seconds, which every process of a search would spend.
    from imblearn.over_sampling import SMOTE

    exact = frauds.astype(np.float64)
    exact[~np.isfinite(exact)] = np.nan
    unset = np.isnan(exact)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns without any value
        fill = np.nan_to_num(np.nanmedian(exact, axis=0))
    filled = np.where(unset, fill, exact)
    centre, spread = filled.mean(axis=0), filled.std(axis=0)
    spread[spread == 0] = 1
    # Distances are between standardised values: an amount must not drown an hour. The sampler wants a second
    # class, which one row of nothing is enough for.
    given = np.column_stack([(filled - centre) / spread, unset])
    label = np.append(np.ones(len(given), dtype=np.int8), np.int8(0))
    sampler = SMOTE(
        sampling_strategy={1: len(given) + count},
        k_neighbors=min(_NEIGHBOURS, len(given) - 1),
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of frauds outnumbering the one row
        drawn, _ = sampler.fit_resample(np.vstack([given, np.zeros(given.shape[1])]), label)
    made, share_unset = np.split(drawn[len(given) + 1 :], 2, axis=1)
    values = made * spread + centre
    known = np.minimum(share_unset, 0.5)  # beyond, the nearer parent has no value
    values = (values - known * fill) / (1 - known)
    return np.where(share_unset > 0.5, np.nan, values).astype(np.float32)
