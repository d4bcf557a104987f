"""The fit of the chosen setting on all rows: in this process where they fit it, else by workers of Ray."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from trainer.cluster.connection import connected
from trainer.dataset.features import Features
from trainer.dataset.rows import TrainingRows
from trainer.fitting.distributed import Sharing, fit_shared
from trainer.fitting.fit import Fitted, chosen_rows, fit, fit_chosen
from trainer.fitting.limits import needed_bytes, rows_within
from trainer.models import Parameters
from trainer.models.gradient_boosting import BoostedTrees
from trainer.models.imbalance import thinned
from trainer.progress import Progress
from trainer.settings.config import TrainerSettings
from trainer.wording import counted

_FOLDER = "fit"
_KEPT = 3  # models: a run fits as many


def last_fit(
    rows: TrainingRows,
    parameters: Parameters,
    settings: TrainerSettings,
    progress: Progress,
    ranking: npt.NDArray[np.intp] | None = None,
) -> Fitted:
    """Fits a setting on all rows within the memory that `settings.fit` allows; ranking: as for `fit`.

    What workers have fitted is kept in the working directory, so that a run that is ended behind it does not
    fit again. Raises TooFewFraudsError, ClusterError.
    """
    threads, seed, limits = len(os.sched_getaffinity(0)), settings.search.seed, settings.fit
    chosen, columns = chosen_rows(rows, parameters, seed, ranking)
    needed = needed_bytes(len(chosen), chosen.columns)
    if needed <= limits.driver_bytes:
        return fit_chosen(chosen, columns, parameters, threads=threads, seed=seed)
    if parameters["algorithm"] != "xgboost":
        most = rows_within(limits.driver_bytes, rows.columns)
        progress.note(
            f"{parameters['algorithm']} takes its rows at once: it learns from {most:,} of {len(rows):,}, "
            "all frauds among them, which is what fit.driver_bytes allows"
        )
        few = thinned(rows, most, seed)
        return fit(few, parameters, threads=threads, seed=seed, ranking=ranking)
    folder = settings.work / _FOLDER
    with connected(settings.ray):
        sharing = Sharing.of(chosen, limits)
        kept = folder / f"{_digest(chosen, parameters, sharing, seed)}.ubj"
        if kept.exists():
            progress.note("The model is there from a run that was ended behind its fit")
        else:
            progress.note(
                f"Rows in bins take about {needed / 1e9:,.1f} GB, more than fit.driver_bytes: "
                f"{counted(sharing.workers, 'worker')} of {counted(sharing.threads, 'thread')} fit them"
            )
            _keep(fit_shared(chosen, parameters, sharing, seed=seed, work=folder / "ray"), kept)
    return Fitted(BoostedTrees(xgb.Booster(model_file=kept)), parameters, columns)


def _keep(model: BoostedTrees, path: Path) -> None:
    kept = sorted(path.parent.glob("*.ubj"), key=lambda found: found.stat().st_mtime_ns)
    for old in kept[: max(0, len(kept) - _KEPT + 1)]:
        old.unlink()
    unfinished = path.with_name(f"unfinished-{path.name}")
    model.booster.save_model(unfinished)
    unfinished.replace(path)


def _digest(rows: TrainingRows, parameters: Parameters, sharing: Sharing, seed: int) -> str:
    said = [dict(parameters), repr(sharing), seed, xgb.__version__, Features.of_any(rows.held).identity()]
    digest = hashlib.sha256(json.dumps(said).encode())
    digest.update(rows.label.tobytes() + rows.weight.tobytes())
    return digest.hexdigest()[:32]
