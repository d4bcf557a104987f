"""Long histories: in frames as served, at once as replayed, and by Polars as the third opinion."""

from __future__ import annotations

import numpy as np
import polars as pl

from kuntur.features import FEATURE_NAMES, FeatureEngine
from kuntur.transaction import IntColumn, KeyColumn, OutcomeBatch, TransactionBatch
from tests.property.histories import HOUR_US

ENTITIES = ("account", "merchant", "device", "category")
_WINDOWS = (("1h", 300, 12), ("24h", 3_600, 24), ("7d", 86_400, 7), ("30d", 86_400, 30))


def serve(batch: TransactionBatch, outcomes: OutcomeBatch, seed: int) -> np.ndarray:
    """Processes frame by frame, reporting what an hour brought before the first frame of the next one."""
    chance = np.random.default_rng(seed)
    engine = FeatureEngine(1)
    reports = outcomes.rows(np.argsort(outcomes.reported_time_us, kind="stable"))
    hours = np.maximum.accumulate(batch.ints[:, IntColumn.EVENT_TIME_US] // HOUR_US)
    report_hours = reports.reported_time_us // HOUR_US
    hour_ends = np.append(np.flatnonzero(np.diff(hours)) + 1, len(batch))
    out, start, known = [], 0, 0
    while start < len(batch):
        until = np.searchsorted(report_hours, hours[start], side="left")
        if until > known:
            engine.report(reports.rows(slice(known, until)))
            known = until
        hour_end = hour_ends[np.searchsorted(hour_ends, start, side="right")]
        end = min(start + int(chance.choice((1, 3, 17, 64, 512))), int(hour_end))
        out.append(engine.process(batch.rows(slice(start, end))))
        start = end
    return np.concatenate(out)


def _windows_by_polars(batch: TransactionBatch, entity: str, hop_s: int, hops: int) -> pl.DataFrame:
    """Returns count and sum of the earlier rows in the hops (h - hops, h], in the order of the batch.

    All hops by Polars' rolling aggregate, less what the row's own hop holds from the row on.
    """
    rows = pl.DataFrame(
        {
            "key": batch.keys[:, KeyColumn[entity.upper()]],
            "hop": batch.ints[:, IntColumn.EVENT_TIME_US] // 1_000_000 // hop_s,
            "cents": batch.ints[:, IntColumn.AMOUNT_CENTS],
        }
    ).with_row_index("row")
    by_hop = (
        rows.group_by("key", "hop").agg(n=pl.len().cast(pl.Int64), s=pl.col("cents").sum()).sort("key", "hop")
    )
    rolled = by_hop.rolling("hop", period=f"{hops}i", group_by="key").agg(
        n=pl.col("n").sum(), s=pl.col("s").sum(), own_n=pl.col("n").last(), own_s=pl.col("s").last()
    )
    own = ("key", "hop")
    return (
        rows.with_columns(
            before_n=pl.int_range(pl.len()).over(own),
            before_s=pl.col("cents").cum_sum().over(own) - pl.col("cents"),
        )
        .join(rolled, on=own, how="left")
        .sort("row")
        .select(
            "key",
            count=pl.col("n") - pl.col("own_n") + pl.col("before_n"),
            sum=pl.col("s") - pl.col("own_s") + pl.col("before_s"),
        )
    )


def assert_windows_are_those_of_polars(batch: TransactionBatch, replayed: np.ndarray, entity: str) -> None:
    """Compares counts, means and sums of all windows of one kind of entity."""
    for window, hop_s, hops in _WINDOWS:
        expected = _windows_by_polars(batch, entity, hop_s, hops)
        known = expected["key"].to_numpy() != 0
        count, total = expected["count"].to_numpy(), expected["sum"].to_numpy()
        with np.errstate(invalid="ignore"):
            mean = (total / 100.0 / count).astype(np.float32)
        columns = {f"{entity}_count_{window}": count.astype(np.float32), f"{entity}_mean_{window}": mean}
        if entity == "account":
            columns[f"account_sum_{window}"] = (total / 100.0).astype(np.float32)
        for name, values in columns.items():
            found = replayed[:, FEATURE_NAMES.index(name)]
            np.testing.assert_array_equal(found[known], values[known], err_msg=name)
            assert np.isnan(found[~known]).all()
