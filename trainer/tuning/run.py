"""The story of a tuning, from transactions to a recipe: features, folds, search, choice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kuntur.identity import secret_from_hex
from kuntur.tables import Mapping
from trainer.backtest.folds import Fold, cut_folds
from trainer.backtest.run import history_of
from trainer.config import TrainerSettings
from trainer.dataset import build
from trainer.pipeline import DEFAULT_LABEL_DELAY_DAYS
from trainer.problem import Problem
from trainer.progress import Progress
from trainer.recipe import Recipe, checked
from trainer.search import search
from trainer.shards import replay_of
from trainer.source import read_source
from trainer.trials import Choice, SearchResult, trials_as_json
from trainer.tuning.rows import problem_of


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a tuning came to: a recipe, why it was chosen, and everything that was tried."""

    recipe: Recipe
    choice: Choice
    found: SearchResult
    folds: tuple[Fold, ...]
    data_hash: str
    settings: TrainerSettings

    def notes(self) -> list[str]:
        """Gives what a reader of the recipe should know of where it comes from, line by line."""
        best, chosen = self.found.best, self.choice
        tried = self.settings.search
        each = ", ".join(
            f"{fold.test_start} {figure:.4f}"
            for fold, figure in zip(self.folds, chosen.trial.folds, strict=False)
        )
        return [
            f"Found by kuntur-trainer tune: {len(self.found.trials)} trials, method {tried.method}, "
            f"scheduler {tried.scheduler}, seed {tried.seed}.",
            f"Data sha256 {self.data_hash}.",
            f"Mean average precision over {len(self.folds)} folds: {chosen.average_precision:.4f}; the best "
            f"trial has {best.average_precision:.4f}.",
            f"Its trial at its best (rounds {chosen.trial.rounds}), by first day of the test: {each}.",
            f"Chosen: {chosen.text}.",
        ]

    def document(self) -> dict[str, Any]:
        """Gives everything that was tried, ready for JSON."""
        return {
            "data_sha256": self.data_hash,
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

    def write(self, recipe: Path, history: Path | None) -> list[Path]:
        """Writes the recipe with its figures as comments, and the history; gives the paths."""
        self.recipe.write(recipe, self.notes())
        if history is None:
            return [recipe]
        history.write_text(json.dumps(self.document(), indent=1) + "\n", encoding="utf-8")
        return [recipe, history]


def tune(settings: TrainerSettings, progress: Progress) -> Tuning:
    """Searches a recipe on the folds that the settings of the backtest name.

    A trial's score is its mean average precision over the folds, with the same number of rounds on each.
    Raises what `read_source`, `cut_folds` and `search` raise.
    """
    problem, folds, data_hash = _prepared(settings, progress)
    judged = sum(len(fold.test) for fold in folds)
    progress.note(
        f"{len(folds)} folds, tested from {folds[0].test_start} on {judged:,} transactions; "
        f"{len(problem.features) - judged:,} rows to learn from, {problem.features.shape[1]} features"
    )
    found = search(problem, settings.search, settings.ray, settings.work, progress)
    choice = found.choice(settings.search.standard_errors)
    recipe = Recipe(checked(choice.parameters))
    return Tuning(recipe, choice, found, tuple(folds), data_hash, settings)


def _prepared(settings: TrainerSettings, progress: Progress) -> tuple[Problem, list[Fold], str]:
    """Gives what is searched on; the transactions go with its end, since the search needs the memory."""
    source = read_source(settings, progress, in_hindsight=True)
    table = source.table
    delay = settings.split.label_delay_days
    if delay is None:
        delay = DEFAULT_LABEL_DELAY_DAYS if source.label_delay_days is None else source.label_delay_days
    zone = "UTC" if settings.data.journal is not None else Mapping.load(settings.data.mapping).time.zone
    dataset = build(
        table,
        secret_from_hex(settings.hash_key),
        lambda done: progress.step("Computing features", done, len(table)),
        replay_of(settings.ray, len(table)),
    )
    history = history_of(table, dataset, round(source.until.timestamp() * 1_000_000), zone)
    folds = cut_folds(history, settings.backtest, settings.split, delay)
    problem = problem_of(dataset, history, folds, settings.search.max_rows, settings.search.seed)
    return problem, folds, table.data_hash
