"""The composition root of a backtest: settings to prepared data, rounds and files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from trainer.backtest.choosing import Chosen, choose
from trainer.backtest.contenders import RECIPE
from trainer.backtest.findings import Findings, findings
from trainer.backtest.fits import Fitting, margins
from trainer.backtest.output.document import as_json, document
from trainer.backtest.output.findings import findings_document
from trainer.backtest.output.kinds_plot import write_kinds_plot
from trainer.backtest.output.plots import write_plots
from trainer.backtest.prepared import prepared
from trainer.backtest.run import Round, backtest, scored_rows
from trainer.backtest.summary import Summary, summarise
from trainer.models.recipe import Recipe
from trainer.models.recipes import read_recipe, shipped_recipe
from trainer.origin import git_revision
from trainer.progress import Progress
from trainer.settings.config import TrainerSettings
from trainer.tracking import Recorder, recorder


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a backtest came to.


    recipe: the one given, None where each fold chose its own; chosen: what each fold fitted; findings: by
    kind of fraud and segment; scored: the recipe's test rows; document: all figures, ready for JSON.
    """

    recipe: Recipe | None
    chosen: list[Chosen]
    rounds: list[Round]
    summary: Summary
    findings: Findings
    scored: pl.DataFrame
    document: dict[str, Any]

    def tell(self, record: Recorder) -> None:
        """Tells a recorder the recipe, its mean figures, and as steps those of each fold."""
        figures = self.summary.figures[RECIPE]
        if self.recipe is not None:
            record.parameters(self.recipe.parameters)
            record.artefact("recipe.toml", self.recipe.document().encode())
        record.metrics({name: figure.mean.value for name, figure in figures.items()})
        record.series(
            {f"fold_{name}": [fold.value for fold in figure.folds] for name, figure in figures.items()}
        )
        record.tags({"data_hash": self.document["data"]["sha256"], "git_revision": git_revision()})
        record.artefact("figures.json", as_json(self.document))


def run(
    settings: TrainerSettings, recipe_path: Path | None, progress: Progress, fitting: Fitting = margins
) -> Backtest:
    """Reads the source with every label that became known, and judges a recipe on its folds.

    recipe_path: the shipped recipe when None, and none at all where each fold is to choose; fitting: carries
    the fits out, on Ray unless told otherwise.
    Raises what `read_recipe`, `prepared` and `backtest` raise, TrackingError.
    """
    recipe = None
    if not settings.backtest.search:
        recipe = shipped_recipe() if recipe_path is None else read_recipe(recipe_path)
    with recorder(settings.tracking, "backtest", work=settings.work, note=progress.note) as record:
        found = _judged(recipe, settings, progress, fitting)
        found.tell(record)
    return found


def _judged(
    recipe: Recipe | None, settings: TrainerSettings, progress: Progress, fitting: Fitting
) -> Backtest:
    data = prepared(settings, progress, settings.backtest.leave_out)
    given = {} if recipe is None else recipe.parameters
    chosen = choose(data.folds, data.dataset, given, data.delay_days, settings, progress)
    recipes = [one.parameters for one in chosen]
    rounds = backtest(
        data.table, data.dataset, data.history, data.folds, recipes, data.delay_days,
        settings, progress, fitting,
    )  # fmt: skip
    summary = summarise(
        rounds, settings.backtest, lambda done, total: progress.step("Resampling accounts", done, total)
    )
    found = findings(rounds, data.history, data.table.kinds, data.dataset.segments, settings)
    told = document(rounds, summary, None if recipe is None else given, chosen, data.about(), settings)
    return Backtest(
        recipe,
        chosen,
        rounds,
        summary,
        found,
        scored_rows(data.table, rounds),
        told | findings_document(found),
    )


def write(found: Backtest, output: Path | None, json_file: Path | None, plots: Path | None) -> list[Path]:
    """Writes what was asked for and returns the paths. output: .csv, else Parquet."""
    written = []
    if output is not None:
        if output.suffix == ".csv":
            found.scored.write_csv(output)
        else:
            found.scored.write_parquet(output)
        written.append(output)
    if json_file is not None:
        json_file.write_bytes(as_json(found.document))
        written.append(json_file)
    if plots is not None:
        written += [*write_plots(found.rounds, plots), write_kinds_plot(found.findings, plots)]
    return written
