"""The story of a tuning, from transactions to a recipe: features, folds, search, choice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.backtest.folds import Fold
from trainer.backtest.prepared import prepared
from trainer.models.recipe import Recipe
from trainer.models.recipes import checked
from trainer.origin import git_revision
from trainer.progress import Progress
from trainer.search.problem import Problem
from trainer.search.result import Choice, SearchResult, trials_as_json
from trainer.search.run import search
from trainer.settings.config import TrainerSettings
from trainer.tracking import Recorder, recorder
from trainer.tuning.rows import problem_of


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a tuning came to: a recipe, why it was chosen, everything that was tried, and on which data."""

    recipe: Recipe
    choice: Choice
    found: SearchResult
    folds: tuple[Fold, ...]
    data: dict[str, Any]
    settings: TrainerSettings

    def notes(self) -> list[str]:
        """Returns what a reader of the recipe should know of where it comes from, line by line."""
        best, chosen = self.found.best, self.choice
        tried = self.settings.search
        each = ", ".join(
            f"{fold.test_start} {figure:.4f}"
            for fold, figure in zip(self.folds, chosen.trial.folds, strict=False)
        )
        return [
            f"Found by kuntur-trainer tune: {len(self.found.trials)} trials, method {tried.method}, "
            f"scheduler {tried.scheduler}, seed {tried.seed}.",
            f"Data sha256 {self.data['sha256']}.",
            f"Mean average precision over {len(self.folds)} folds: {chosen.average_precision:.4f}; the best "
            f"trial has {best.average_precision:.4f}.",
            f"Its trial at its best (rounds {chosen.trial.rounds}), by first day of the test: {each}.",
            f"Chosen: {chosen.text}.",
        ]

    def document(self) -> dict[str, Any]:
        """Returns everything that was tried, ready for JSON."""
        return {
            "data": self.data,
            "folds": [
                {
                    "train_start": fold.train_start.isoformat(),
                    "test_start": fold.test_start.isoformat(),
                    "training_rows": len(fold.training),
                    "test_rows": len(fold.test),
                }
                for fold in self.folds
            ],
            "search": self.settings.search.model_dump(mode="json"),
            "recipe": dict(self.recipe.parameters),
            "average_precision": self.choice.average_precision,
            "standard_error_of_difference": self.choice.standard_error,
            "reason": self.choice.text,
            "trials": json.loads(trials_as_json(self.found)),
        }

    def history(self) -> bytes:
        """Returns the document as text."""
        return (json.dumps(self.document(), indent=1) + "\n").encode()

    def write(self, recipe: Path, history: Path | None) -> list[Path]:
        """Writes the recipe with its figures as comments, and the history; returns the paths."""
        self.recipe.write(recipe, self.notes())
        if history is None:
            return [recipe]
        history.write_bytes(self.history())
        return [recipe, history]

    def tell(self, record: Recorder) -> None:
        """Tells a recorder the recipe and its figure, and as steps those of its trial's folds and all trials.

        The folds' are of the trial at its best, which may have more rounds than the recipe.
        """
        record.parameters(self.recipe.parameters)
        record.metrics({"average_precision": self.choice.average_precision})
        record.series(
            {
                "fold_average_precision": self.choice.trial.folds,
                "trial_average_precision": [trial.average_precision for trial in self.found.trials],
            }
        )
        record.tags({"data_hash": self.data["sha256"], "git_revision": git_revision()})
        record.artefact("recipe.toml", self.recipe.document(self.notes()).encode())
        record.artefact("search.json", self.history())


def tune(settings: TrainerSettings, progress: Progress) -> Tuning:
    """Searches a recipe on the folds that the settings of the backtest name.

    A trial's score is its mean average precision over the folds, with the same number of rounds on each.
    Raises what `prepared` and `search` raise, TrackingError.
    """
    with recorder(settings.tracking, "tune", work=settings.work, note=progress.note) as record:
        found = _tuned(settings, progress)
        found.tell(record)
    return found


def _tuned(settings: TrainerSettings, progress: Progress) -> Tuning:
    problem, folds, data = _problem(settings, progress)
    judged = sum(len(fold.test) for fold in folds)
    progress.note(
        f"{len(folds)} folds, tested from {folds[0].test_start} on {judged:,} transactions; "
        f"{len(problem.features) - judged:,} rows to learn from, {problem.features.shape[1]} features"
    )
    found = search(problem, settings.search, settings.ray, settings.work, progress)
    choice = found.choice(settings.search.standard_errors)
    recipe = Recipe(checked(choice.parameters))
    return Tuning(recipe, choice, found, tuple(folds), data, settings)


def _problem(settings: TrainerSettings, progress: Progress) -> tuple[Problem, list[Fold], dict[str, Any]]:
    """Returns what is searched on; the transactions go with its end, since the search needs the memory."""
    data = prepared(settings, progress)
    rows, seed = settings.search.max_rows, settings.search.seed
    return problem_of(data.dataset, data.history, data.folds, rows, seed), data.folds, data.about()
