"""A small search, for tests and for a process of its own that a test kills: rows, settings, progress."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np

from trainer.dataset.rows import TrainingRows
from trainer.progress import Progress
from trainer.search.problem import Problem
from trainer.search.result import SearchResult
from trainer.search.run import search
from trainer.search.snapshot import NAME
from trainer.settings.searching import RaySettings, SearchSettings

OBJECT_STORE_BYTES = 100 << 20
LONG_ROWS, LONG_TRIALS = 12_000, 3


class Heard(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int, str]] = []
        self.notes: list[str] = []

    def step(self, name: str, done: int, total: int, detail: str = "") -> None:
        """Keeps the step."""
        del name
        self.steps.append((done, total, detail))

    def note(self, text: str) -> None:
        """Keeps the note."""
        self.notes.append(text)


def some_rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns float32 [n, 6] with unset values, and bool [n] that depends on it."""
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(n, 6)).astype(np.float32)
    features[chance.random(features.shape) < 0.1] = np.nan
    known = np.nan_to_num(features)
    return features, known[:, 0] + known[:, 1] * known[:, 2] + chance.normal(size=n) > 2.5


def settings(**changes: object) -> SearchSettings:
    """Returns settings of a small search whose trials run one after the other on two cores."""
    return SearchSettings.model_validate({"trials": 4, "max_rounds": 40, "cpus_per_trial": 2} | changes)


def small_problem(rows: int, spoilt: float | None = None) -> Problem:
    """Returns the problem of a search; spoilt: a value that the first row's features and label have."""
    features, label = some_rows(rows, 1)
    judge_features, judge_label = some_rows(2_000, 2)
    labels = label.astype(np.float32)
    if spoilt is not None:
        features[0] = spoilt
        labels[0] = spoilt if np.isnan(spoilt) else labels[0]
    age_days = np.linspace(90, 0, rows, dtype=np.float32)
    training = TrainingRows(features, labels, np.ones(rows, dtype=np.float32), age_days)
    groups = np.arange(len(judge_label), dtype=np.int64) // 4
    return Problem.of_window(training, judge_features, judge_label, groups)


def searched(
    work: Path,
    chosen: SearchSettings,
    address: str | None = None,
    progress: Progress | None = None,
    rows: int = 3_000,
    spoilt: float | None = None,
) -> SearchResult:
    """Runs a search on `small_problem`."""
    ray = RaySettings(address=address, ship_code=False, object_store_bytes=OBJECT_STORE_BYTES)
    return search(small_problem(rows, spoilt), chosen, ray, work, progress or Heard())


def long_settings(cpus: int = 2) -> SearchSettings:
    """Returns settings of a search that takes long enough to be killed in its middle, on LONG_ROWS rows."""
    return settings(algorithms=["xgboost"], trials=LONG_TRIALS, max_rounds=240, cpus_per_trial=cpus)


def ended_trials(work: Path) -> dict[str, float]:
    """Returns the average precision of each trial that is over, by trial id, as the search wrote it down."""
    for snapshot in work.glob(f"search-*/{NAME}"):
        with zipfile.ZipFile(snapshot) as notes:
            state = max(name for name in notes.namelist() if name.startswith("experiment_state-"))
            data = json.loads(notes.read(state))["trial_data"]
        trials = [(json.loads(trial), json.loads(told)) for trial, told in data]
        return {
            trial["trial_id"]: told["last_result"]["average_precision"]
            for trial, told in trials
            if trial["status"] == "TERMINATED"
        }
    return {}


def cut_off(work: Path) -> None:
    """Leaves the notes that Ray copies as a kill in the middle of it leaves them."""
    notes = [note for kind in ("*.json", "*.pkl") for note in work.glob(f"search-*/{kind}")]
    for note in notes:
        if note.name != "tuner.pkl":  # written once, before any trial
            note.write_bytes(b"")


if __name__ == "__main__":
    chosen = long_settings(int(os.environ.get("CPUS", "2")))
    searched(Path(sys.argv[1]), chosen, *sys.argv[2:], rows=LONG_ROWS)
