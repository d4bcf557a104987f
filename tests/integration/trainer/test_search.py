from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

import trainer.search.run
from tests.integration.trainer.searching import OBJECT_STORE_BYTES, Heard, searched, settings
from trainer.cluster.connection import ClusterError
from trainer.models import FAMILIES
from trainer.search.result import SearchResult
from trainer.search.run import SearchFailedError
from trainer.search.snapshot import NAME

FAMILY_NAMES = sorted(FAMILIES)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A Ray cluster of two cores that all searches of this module connect to."""
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 2,
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
        },
    )
    yield cluster.address
    cluster.shutdown()


@pytest.fixture(scope="module")
def first(address: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SearchResult, Heard]:
    """A search over all families: where it lies, what it found and what it said."""
    work, heard = tmp_path_factory.mktemp("work"), Heard()
    return work, searched(work, settings(), address, heard), heard


def test_trials_are_sorted_best_first_and_all_families_are_tried(
    first: tuple[Path, SearchResult, Heard],
) -> None:
    _, found, heard = first
    scores = [trial.average_precision for trial in found.trials]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
    assert found.best.average_precision > 0.1
    assert {trial.parameters["algorithm"] for trial in found.trials} == set(FAMILY_NAMES)
    assert all(trial.finished for trial in found.trials)
    assert heard.steps[-1][:2] == (4, 4)
    assert heard.steps[-1][2].startswith(f"best AP {found.best.average_precision:.4f}")
    assert heard.notes == []


def test_the_same_seed_finds_the_same_settings_one_at_a_time(
    address: str, tmp_path: Path, first: tuple[Path, SearchResult, Heard]
) -> None:
    again = searched(tmp_path, settings(), address)
    assert [t.parameters for t in again.trials] == [t.parameters for t in first[1].trials]
    assert [t.average_precision for t in again.trials] == [t.average_precision for t in first[1].trials]


def test_a_search_that_is_done_is_not_done_again(
    address: str, first: tuple[Path, SearchResult, Heard]
) -> None:
    work, found, _ = first
    heard = Heard()
    again = searched(work, settings(), address, heard)
    assert again == found
    assert heard.notes[0].startswith("Going on with the search")


@pytest.mark.parametrize(
    ("name", "method", "scheduler"),
    [
        ("xgboost", "random", "median"),
        ("random_forest", "hyperopt", "none"),
        ("logistic_regression", "grid", "asha"),
    ],
)
def test_each_family_can_be_searched_alone_and_by_each_method(
    address: str, tmp_path: Path, name: str, method: str, scheduler: str
) -> None:
    # Fewer rounds than lie between two reports: they must all be counted nevertheless.
    chosen = settings(algorithms=[name], trials=2, max_rounds=7, method=method, scheduler=scheduler)
    found = searched(tmp_path, chosen, address)
    assert all(trial.finished for trial in found.trials)
    assert [trial.parameters["algorithm"] for trial in found.trials] == [name, name]
    assert {trial.rounds for trial in found.trials} == {7 if name == "xgboost" else 1}


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Returns a trial that fails no further attempt, each of which starts a process."""
    monkeypatch.setattr(trainer.search.run, "_MORE_ATTEMPTS", 0)


@pytest.mark.usefixtures("one_attempt")
def test_one_trial_that_fails_leaves_the_others(address: str, tmp_path: Path) -> None:
    # Infinite features: scikit-learn's forest refuses them, logistic regression counts them as unset.
    heard = Heard()
    chosen = settings(algorithms=["logistic_regression", "random_forest"], trials=2)
    found = searched(tmp_path, chosen, address, heard, spoilt=float("inf"))
    assert [trial.parameters["algorithm"] for trial in found.trials] == ["logistic_regression"]
    assert [trial.parameters["algorithm"] for trial in found.failed] == ["random_forest"]
    (experiment,) = tmp_path.glob("search-*")
    assert heard.notes == [f"1 of 2 trials failed; the errors are in {experiment}"]
    assert heard.steps[-1][:2] == (2, 2)


class Impatient(Heard):
    """Presses Ctrl-C when the first trial is over."""

    def step(self, name: str, done: int, total: int, detail: str = "") -> None:
        """Keeps the step, and interrupts."""
        super().step(name, done, total, detail)
        if done == 1:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Takes Ctrl-C as a terminal's process does: what a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_search_gives_no_result_and_leaves_what_was_tried(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNE_GLOBAL_CHECKPOINT_S", "0")  # Ray writes searches down every ten seconds
    impatient = Impatient()
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, settings(trials=3), address, impatient)
    assert impatient.steps[-1][:2] == (1, 3)
    assert list(tmp_path.glob(f"search-*/{NAME}"))


def test_a_trial_wider_than_every_node_is_refused_before_it_would_wait(address: str, tmp_path: Path) -> None:
    with pytest.raises(
        ClusterError, match=r"search\.cpus_per_trial is 3, .* node of the cluster has 2 cores"
    ):
        searched(tmp_path, settings(cpus_per_trial=3), address)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("one_attempt")
def test_when_all_trials_fail_the_error_says_where_theirs_are(address: str, tmp_path: Path) -> None:
    with pytest.raises(SearchFailedError) as caught:
        searched(tmp_path, settings(trials=1), address, spoilt=float("nan"))
    (experiment,) = tmp_path.glob("search-*")
    assert str(experiment) in str(caught.value)
    assert "NaN" in "".join(path.read_text() for path in experiment.glob("*/error.txt"))
