from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from trainer.progress import Progress, Silent, Terminal
from trainer.search.methods import scheduler
from trainer.search.problem import Fold, Problem
from trainer.search.progress import TrialProgress
from trainer.search.result import Curve, FailedTrial, SearchResult, Trial, trials_as_json
from trainer.search.run import _experiment_name, _gathered
from trainer.search.snapshot import NAME, DamagedSnapshotError, SearchSnapshot
from trainer.settings.searching import SearchSettings

FEATURES = np.arange(12, dtype=np.float32).reshape(6, 2)
ONES = np.ones(6, dtype=np.float32)


def problem(label: list[int], features: np.ndarray = FEATURES, train: int = 4) -> Problem:
    truth = np.array(label[train:], dtype=np.bool_)
    taught = np.array(label[:train], dtype=np.float32)
    fold = Fold((0, train), (train, 6), taught, ONES[:train], truth, np.arange(len(truth)))
    return Problem(features, ONES, (fold,))


ROWS = problem([0, 1, 0, 0, 1, 0])


class Heard(Silent):
    """Keeps the steps it is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int, str]] = []

    def step(self, name: str, done: int, total: int, detail: str = "") -> None:
        """Keeps the step."""
        del name
        self.steps.append((done, total, detail))


class Ended(SimpleNamespace):
    """A trial as Ray's parts see one."""

    __hash__ = object.__hash__  # type: ignore[assignment]

    def is_finished(self) -> bool:
        """Tells whether the trial is over."""
        return bool(self.over)


def trial(
    number: int, algorithm: str = "xgboost", score: float | None = None, *, over: bool = False
) -> Ended:
    result = None if score is None else {"average_precision": score}
    return Ended(trial_id=str(number), config={"algorithm": algorithm}, last_result=result, over=over)


def watcher(progress: Progress) -> TrialProgress:
    return TrialProgress(progress, 3)


def test_the_same_rows_and_settings_are_the_same_search() -> None:
    copied = problem([0, 1, 0, 0, 1, 0], FEATURES.copy())
    assert _experiment_name(ROWS, SearchSettings()) == _experiment_name(copied, SearchSettings())


@pytest.mark.parametrize(
    "changes", [{"seed": 8}, {"trials": 3}, {"algorithms": ["xgboost"]}, {"method": "random"}]
)
def test_other_settings_are_another_search(changes: dict[str, object]) -> None:
    other = SearchSettings.model_validate(changes)
    assert _experiment_name(ROWS, other) != _experiment_name(ROWS, SearchSettings())


def test_other_rows_are_another_search() -> None:
    names = {_experiment_name(ROWS, SearchSettings())}
    for other in (
        problem([1, 1, 0, 0, 1, 0]),
        problem([0, 1, 0, 0, 0, 0]),
        problem([0, 1, 0, 0, 1, 0], FEATURES + 1),
        problem([0, 1, 0, 0, 1, 0], train=3),
    ):
        names.add(_experiment_name(other, SearchSettings()))
    assert len(names) == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [("library_versions", lambda: {"xgboost": "0.1"}), ("_FORMAT", 0)],
)
def test_another_trainer_or_other_libraries_are_another_search(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _experiment_name(ROWS, SearchSettings())
    monkeypatch.setattr(f"trainer.search.run.{name}", value)
    assert _experiment_name(ROWS, SearchSettings()) != before


def rounds_of(scores: list[float], max_rounds: int, kind: str = "asha") -> list[int]:
    """Returns the rounds after which trials of unvarying scores are ended, one after the other."""
    chosen = SearchSettings.model_validate({"max_rounds": max_rounds, "scheduler": kind})
    ending, ended = scheduler(chosen, 1), []
    ending.set_search_properties("average_precision", "max")
    controller = SimpleNamespace(get_live_trials=lambda: [SimpleNamespace(status="PENDING")])
    for number, score in enumerate(scores):
        ending.on_trial_add(None, one := trial(number))
        for report in range(1, max_rounds // 20 + 1):
            result = {"average_precision": score, "training_iteration": report}
            if ending.on_trial_result(controller, one, result) == "STOP":
                break
        ending.on_trial_complete(None, one, result)
        ended.append(20 * report)
    return ended


def test_a_hopeless_trial_is_ended_after_180_rounds_and_none_before() -> None:
    assert rounds_of([0.5, 0.1, 0.6, 0.4], 400) == [400, 180, 400, 180]


def test_a_trial_below_the_median_is_ended_once_there_is_one() -> None:
    assert rounds_of([0.5, 0.1, 0.6, 0.4, 0.55], 400, "median") == [400, 400, 400, 180, 400]


def test_without_a_scheduler_trials_run_to_their_end() -> None:
    assert rounds_of([0.5, 0.1, 0.6, 0.4], 400, "none") == [400] * 4


def test_of_several_folds_the_first_may_be_the_last() -> None:
    ending = scheduler(SearchSettings(), 4)
    ending.set_search_properties("average_precision", "max")
    decided = []
    for number, score in enumerate([0.5, 0.1]):
        ending.on_trial_add(None, trial(number))
        result = {"average_precision": score, "training_iteration": 1}
        decided.append(ending.on_trial_result(None, trial(number), result))
    assert decided == ["CONTINUE", "STOP"]


def test_trials_of_few_rounds_run_to_their_end() -> None:
    assert rounds_of([0.5, 0.1, 0.6, 0.4], 160) == [160] * 4


def result(score: float | None, error: Exception | None, rounds: int = 40, place: int = 9) -> SimpleNamespace:
    curve = {"rounds": [20], "average_precision": [score], "replicates": [[0.1, 0.2]]}
    reported = {"average_precision": score, "rounds": 20, "training_iteration": 1, "time_total_s": 2.0}
    reported |= {"folds": [score], "curve": curve}
    parameters = {"algorithm": "xgboost", "rounds": rounds}
    path = f"/work/search-1/run_trial_0c0{place}ff_{place}_algorithm=xgboost_2026-11-23_21-53-05"
    return SimpleNamespace(
        config=parameters, metrics={} if score is None else reported, error=error, path=path
    )


def curve(score: float) -> Curve:
    return Curve((20,), (score,), ((0.1, 0.2),))


def test_trials_that_failed_are_kept_apart_from_those_that_were_stopped_in_time() -> None:
    out_of_memory = RuntimeError("out of memory")
    found = _gathered(
        [
            result(0.3, out_of_memory, place=11),
            result(None, None, place=12),
            result(0.1, None, 20, place=3),
            result(None, out_of_memory, 60, place=10),
        ],
        1,
    )
    assert found == SearchResult(
        (
            Trial(
                {"algorithm": "xgboost", "rounds": 40},
                0.3,
                20,
                2.0,
                finished=False,
                failed=True,
                folds=(0.3,),
                curve=curve(0.3),
                number=3,
            ),
            Trial(
                {"algorithm": "xgboost", "rounds": 20},
                0.1,
                20,
                2.0,
                finished=True,
                folds=(0.1,),
                curve=curve(0.1),
                number=1,
            ),
        ),
        (FailedTrial({"algorithm": "xgboost", "rounds": 60}, 2),),
    )
    document = json.loads(trials_as_json(found))
    assert [trial["failed"] for trial in document] == [True, False, True]
    assert document[0]["curve"] == {"rounds": [20], "average_precision": [0.3]}
    assert [trial["number"] for trial in document] == [3, 1, 2]
    assert document[-1]["parameters"] == {"algorithm": "xgboost", "rounds": 60}


def test_progress_tells_trials_done_and_the_best_so_far() -> None:
    heard, trials = Heard(), [trial(1), trial(2, "random_forest")]
    seen = watcher(heard)
    for one, score in zip(trials, (0.25, 0.125), strict=True):  # the second is no better: nothing to tell
        seen.on_trial_result(0, trials, one, {"average_precision": score})
        one.last_result = {"average_precision": score}
    seen.on_trial_complete(0, trials, trials[0])
    trials[0].over = True
    seen.on_trial_error(0, trials, trials[1])
    best = "best AP 0.2500 (xgboost)"
    assert heard.steps == [(0, 3, best), (1, 3, best), (2, 3, best)]


def test_the_bar_tells_the_time_left_between_trials_of_minutes() -> None:
    now = [0.0]
    console = Console(file=io.StringIO(), force_terminal=True, get_time=lambda: now[0])
    terminal = Terminal(console)
    for done in range(4):
        now[0] = 200.0 * done
        terminal.step("Searching", done, 8)
    assert terminal._bars.tasks[0].time_remaining == 1000


def test_a_trial_that_ends_twice_is_counted_once() -> None:
    heard, one = Heard(), trial(1)
    seen = watcher(heard)
    seen.on_trial_error(0, [one], one)
    one.over = True
    seen.on_trial_complete(0, [one], one)
    assert heard.steps == [(1, 3, "")] * 2


def test_a_later_run_tells_of_what_an_earlier_one_found() -> None:
    heard = Heard()
    ends = trial(2)
    found = [trial(1, score=0.5, over=True), trial(4, over=True), ends, trial(3, score=0.25)]
    seen = pickle.loads(pickle.dumps(watcher(Silent())))  # noqa: S301  # its own bytes
    seen._progress = heard
    seen.on_trial_complete(0, found, ends)
    assert heard.steps == [(3, 3, "best AP 0.5000 (xgboost)")]


def test_notes_that_a_kill_cut_off_are_whole_again(tmp_path: Path) -> None:
    noted, search = tmp_path / "noted", tmp_path / "search"
    noted.mkdir()
    search.mkdir()
    assert not SearchSnapshot(search).restore()
    snapshot = SearchSnapshot(search)
    snapshot.get_state()  # before any trial: there is nothing to go on with
    assert list(search.iterdir()) == []
    snapshot.on_trial_start(0, [], Ended(storage=Ended(experiment_driver_staging_path=str(noted))))
    for version in ("older", "newer"):
        for name in ("experiment_state-1.json", "searcher-state-1.pkl"):
            (noted / name).write_text(version)
        (search / "experiment_state-1.json").write_text("")
        snapshot.get_state()
    (search / f".{NAME}").write_text("cut off in the middle")
    assert SearchSnapshot(search).restore()
    assert (search / "experiment_state-1.json").read_text() == "newer"
    assert (search / "searcher-state-1.pkl").read_text() == "newer"


@pytest.mark.parametrize("cut", [0, 2, 3, 10])
def test_notes_that_a_disk_damaged_are_told_from_whole_ones(tmp_path: Path, cut: int) -> None:
    noted, search = tmp_path / "noted", tmp_path / "search"
    noted.mkdir()
    search.mkdir()
    (noted / "experiment_state-1.json").write_text("a state of some length")
    snapshot = SearchSnapshot(search)
    snapshot.on_trial_start(0, [], Ended(storage=Ended(experiment_driver_staging_path=str(noted))))
    snapshot.get_state()
    raw = bytearray((search / NAME).read_bytes())
    if cut:
        del raw[len(raw) // cut :]
    else:
        raw[60] ^= 4  # within the compressed state
    (search / NAME).write_bytes(raw)
    with pytest.raises(DamagedSnapshotError, match=r"search\.zip is damaged"):
        SearchSnapshot(search).restore()
