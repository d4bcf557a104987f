"""Scores rebuilt from history: what a published model says of each transaction, as it was known then.

The evidence for a past decision, and the proof that serving and replaying are the same computation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PolarsError

from kuntur.bundle.bundle import read_bundle
from kuntur.features import FeatureSelection
from trainer.confined.model import ModelRunError, RunLimits, confined_scores
from trainer.dataset.history import Replayed
from trainer.sources.labels import NAME

_SERVED = {
    **dict.fromkeys(NAME, pl.String()),
    "model_version": pl.String(),
    "fraud_probability": pl.Float64(),
}


class ServedFileError(ValueError):
    """A file that holds no served scores to compare with."""


def read_served(path: Path) -> pl.DataFrame:
    """Reads a file of `kuntur score`: ids, model_version and fraud_probability, with the bits that it got.

    Raises ServedFileError for another suffix than .parquet, .csv or .jsonl, for what cannot be read, a column
    that is missing and a file without rows; OSError.
    """
    try:
        match path.suffix:
            case ".parquet":
                found = pl.read_parquet(path, glob=False)
            case ".csv":
                # All as text: an id guessed to be a number would lose its leading zeros.
                found = pl.read_csv(path, glob=False, infer_schema=False)
            case ".jsonl":
                found = pl.read_ndjson(path, infer_schema_length=None)
            case _:
                raise ServedFileError(f"{path}: served scores are in .parquet, .csv or .jsonl")
        missing = [name for name in _SERVED if name not in found.columns]
        if missing:
            raise ServedFileError(f"{path}: is not of `kuntur score`: it has no {', '.join(missing)}")
        served = found.select(pl.col(name).cast(dtype) for name, dtype in _SERVED.items())
    except PolarsError as error:
        raise ServedFileError(f"{path}: cannot be read: {error}") from error
    if served.is_empty():
        raise ServedFileError(f"{path}: has no rows, so there is nothing to compare")
    return served.with_columns(pl.col(pl.String).fill_null(""))


def score(bundle_path: Path, replayed: Replayed) -> npt.NDArray[np.float32]:
    """Returns a published model's scores of all rows, float32 [n]; it runs in a process of its own.

    Raises BundleRefusedError, and ModelRunError for one that cannot be run.
    """
    bundle = read_bundle(bundle_path)
    chosen = FeatureSelection(bundle.manifest.feature_names).take(replayed.features, replayed.attributes)
    try:
        return confined_scores(bundle.model, chosen, RunLimits())
    except ModelRunError as error:
        raise ModelRunError(f"{bundle_path}: the model cannot be run: {error}") from error


def differences(
    served: pl.DataFrame, replayed: Replayed, scores: dict[str, npt.NDArray[np.float32]]
) -> pl.DataFrame:
    """Returns the served rows whose score is not, bit for bit, that of the model which they name.

    served: as `kuntur score` writes it; scores: by model version. A row without a score, of another model,
    or of a transaction that was not replayed counts as different.
    """
    rows = replayed.ids.with_columns(pl.Series(version, values) for version, values in scores.items())
    joined = served.join(rows, on=NAME, how="left", maintain_order="left")
    wanted = pl.lit(None, dtype=pl.Float64)
    for version in scores:
        of_version = pl.col("model_version") == version
        wanted = pl.when(of_version).then(pl.col(version).cast(pl.Float64)).otherwise(wanted)
    joined = joined.with_columns(wanted.alias("replayed_probability"))
    same = pl.col("fraud_probability") == pl.col("replayed_probability")
    return joined.filter(~same.fill_null(value=False)).drop(list(scores))
