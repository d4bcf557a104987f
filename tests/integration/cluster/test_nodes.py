"""A Ray cluster of a head and two nodes: searches that lose a node or their driver, a replay, a fit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
from ray import tune
from ray.cluster_utils import Cluster
from ray.tune.execution.tune_controller import TuneController

from kuntur.features import FEATURE_NAMES, FeatureEngine
from kuntur.time_zone import time_zone
from tests.integration.cluster.nodes import WORKERS, add_worker, at_work, losing_a_node, start
from tests.integration.trainer.searching import (
    LONG_ROWS,
    LONG_TRIALS,
    Heard,
    ended_trials,
    long_settings,
    searched,
    settings,
    small_problem,
    some_rows,
)
from tests.property.histories import bits, make_history
from tests.unit.trainer.backtest.small import here
from trainer.backtest.contenders import RECIPE
from trainer.backtest.fits import Fit, margins
from trainer.cluster.connection import connected
from trainer.dataset.computing import Served, write_sharded
from trainer.dataset.parts import PartStore
from trainer.dataset.rows import TrainingRows
from trainer.fitting.distributed import Sharing, fit_shared
from trainer.models import FAMILIES
from trainer.models.recipes import shipped_recipe
from trainer.search.result import Curve, SearchResult, Trial
from trainer.search.trial import run_trial
from trainer.settings.fitting import FitSettings
from trainer.settings.judging import BacktestSettings
from trainer.settings.searching import RaySettings

PATIENCE_S = 240
TREES = {"algorithm": "xgboost", "rounds": 10, "max_depth": 4, "learning_rate": 0.3, "max_bin": 256}
MADRID = time_zone("Europe/Madrid")
GATHERING_S = 120
ROWS, TRIALS = LONG_ROWS, 3
# Too few rounds for a trial to be cut for what others did by then: so each runs to its end in any order.
CHOSEN = settings(algorithms=["xgboost"], trials=TRIALS, max_rounds=100, cpus_per_trial=1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    started = start()
    yield started
    started.shutdown()


class Gathering(Heard):
    """Counts the nodes that run trials, and lets no trial get far before all do: processes start slowly."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self.cluster, self.busy = cluster, 0

    def step(self, name: str, done: int, total: int, detail: str = "") -> None:
        """Keeps the step, and waits a while for the other nodes."""
        super().step(name, done, total, detail)
        deadline = time.monotonic() + GATHERING_S
        while self.busy < WORKERS and time.monotonic() < deadline:
            self.busy = max(self.busy, len(at_work(self.cluster)))
            time.sleep(0.05)


class Killing(Heard):
    """Kills a node when the first fit is done, while others wait for one."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self.cluster, self.killed = cluster, False

    def step(self, name: str, done: int, total: int, detail: str = "") -> None:
        """Keeps the step, and kills."""
        super().step(name, done, total, detail)
        if done and not self.killed:
            self.killed = True
            self.cluster.remove_node(next(iter(self.cluster.worker_nodes)), allow_graceful=False)


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchResult, Gathering]:
    """A search that nothing happened to, and who watched it."""
    gathering = Gathering(cluster)
    work = tmp_path_factory.mktemp("work")
    return searched(work, CHOSEN, cluster.address, gathering, rows=ROWS), gathering


def fitted_alone(trial: Trial) -> tuple[float, int, Curve]:
    """Returns what a trial's setting comes to in this process: average precision, its rounds, the curve.

    What a search proposes may depend on which trials ended first; what a setting comes to does not.
    """
    problem, reports = small_problem(ROWS), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tune, "report", reports.append)
        run_trial(trial.parameters, problem, [None] * len(problem.folds), CHOSEN.cpus_per_trial, CHOSEN.seed)
    last = reports[-1]
    curve = last["curve"]
    replicates = tuple(tuple(drawn) for drawn in curve["replicates"])
    return (
        last["average_precision"],
        last["rounds"],
        Curve(tuple(curve["rounds"]), tuple(curve["average_precision"]), replicates),
    )


def test_a_search_uses_all_nodes(undisturbed: tuple[SearchResult, Gathering]) -> None:
    found, gathering = undisturbed
    assert len(found.trials) == TRIALS
    assert all(trial.finished for trial in found.trials)
    assert gathering.busy == WORKERS
    assert gathering.notes == []


def test_a_node_killed_in_mid_search_costs_only_the_time_of_its_trials(
    cluster: Cluster, tmp_path: Path
) -> None:
    heard = Heard()
    with losing_a_node(cluster) as killed:
        found = searched(tmp_path, CHOSEN, cluster.address, heard, rows=ROWS)
    assert killed
    assert list(tmp_path.glob("search-*/*/error.txt")), "the killed node ran no trial"
    assert sorted(trial.number for trial in found.trials) == list(range(1, TRIALS + 1))
    assert found.failed == ()
    assert all(trial.finished and not trial.failed for trial in found.trials)
    for trial in found.trials:
        assert (trial.average_precision, trial.rounds, trial.curve) == fitted_alone(trial)
    assert heard.notes == []
    assert heard.steps[-1][:2] == (TRIALS, TRIALS)


def test_a_lost_node_that_ray_tells_of_twice_at_once_costs_no_trial_either(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = TuneController._process_trial_failure

    def twice(controller: TuneController, trial: object, exception: Exception) -> None:
        told(controller, trial, exception)
        told(controller, trial, exception)  # now it waits to be run again, and is given up

    monkeypatch.setattr(TuneController, "_process_trial_failure", twice)
    with losing_a_node(cluster) as killed:
        found = searched(tmp_path, CHOSEN, cluster.address, Heard(), rows=ROWS)
    assert killed
    assert list(tmp_path.glob("search-*/*/error.txt")), "the killed node ran no trial"
    assert sorted(trial.number for trial in found.trials) == list(range(1, TRIALS + 1))
    assert found.failed == ()
    assert all(trial.finished and not trial.failed for trial in found.trials)


def test_a_search_goes_on_when_its_driver_was_killed(cluster: Cluster, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.integration.trainer.searching", str(tmp_path), cluster.address]
    # Ray writes a search down every ten seconds at the most; this one would be over by then.
    environment = {"TUNE_GLOBAL_CHECKPOINT_S": "0", "CPUS": "1"}
    driver = subprocess.Popen(command, env=os.environ | environment)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not (before := ended_trials(tmp_path)) and driver.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        driver.send_signal(signal.SIGKILL)
    finally:
        driver.kill()
        assert driver.wait() == -signal.SIGKILL, "the search was over before it was killed"
    heard = Heard()
    found = searched(tmp_path, long_settings(cpus=1), cluster.address, heard, rows=ROWS)
    (experiment,) = tmp_path.glob("search-*")
    assert heard.notes == [f"Going on with the search in {experiment}"]
    assert len(found.trials) == LONG_TRIALS
    after = ended_trials(tmp_path)
    assert 1 <= len(before) < len(after) == LONG_TRIALS
    assert {name: after[name] for name in before} == before


def test_a_node_killed_in_mid_backtest_costs_only_the_time_of_its_fits(cluster: Cluster) -> None:
    features, label = some_rows(ROWS, 3)
    rows = {"features": features, "event_time_us": np.arange(ROWS, dtype=np.int64)}
    judged, recipe = np.arange(500, dtype=np.int64), shipped_recipe().parameters | {"rounds": 60}
    fits = [Fit(RECIPE, 0, end, end, label[:end], judged, recipe) for end in range(ROWS // 2, ROWS, 1_000)]
    chosen, killing = BacktestSettings(cpus_per_fit=1), Killing(cluster)
    try:
        found = margins(fits, rows, chosen, RaySettings(address=cluster.address, ship_code=False), killing)
    finally:
        if killing.killed:
            add_worker(cluster)
    assert killing.killed
    for margin, expected in zip(found, here(fits, rows, chosen), strict=True):
        assert np.array_equal(bits(margin), bits(expected))


def test_shards_computed_on_the_nodes_give_the_bits_of_one_process(cluster: Cluster, tmp_path: Path) -> None:
    batch, outcomes = make_history(20_000, 17, late_share=0.02)
    heard: list[int] = []
    store = PartStore(tmp_path / "parts", len(batch), FEATURE_NAMES, 6_000)
    store.hold()
    with connected(RaySettings(address=cluster.address, ship_code=False)):
        none = np.empty((len(batch), 0), dtype=np.float32)
        write_sharded(Served(batch, outcomes, MADRID), none, store, heard.append)
    features = store.features().load()
    assert np.array_equal(bits(features), bits(FeatureEngine(zone=MADRID).replay(batch, outcomes)))
    assert heard == sorted(heard)
    assert heard[-1] == len(batch)
    assert not ray.is_initialized()


def rows_in_parts(directory: Path) -> tuple[TrainingRows, np.ndarray, np.ndarray]:
    """Returns rows in parts on disk: every second part knows one kind of fraud, the others the other."""
    rows, part_rows, chance = 6_000, 1_000, np.random.default_rng(4)
    features = chance.normal(size=(rows, 6)).astype(np.float32)
    features[chance.random(features.shape) < 0.1] = np.nan
    large, late = features[:, 0] > 1.2, features[:, 1] > 1.2
    label = np.where(np.arange(rows) // part_rows % 2 == 0, large, late)
    store = PartStore(directory, rows, tuple("abcdef"), part_rows)
    store.hold()
    for number in range(len(store)):
        store.write(number, features[slice(*store.bounds(number))])
    ones = np.ones(rows, dtype=np.float32)
    return TrainingRows(store.features(), label.astype(np.float32), ones, ones), large, late


def test_two_nodes_fit_one_model_each_on_its_share_of_the_parts(cluster: Cluster, tmp_path: Path) -> None:
    rows, large, late = rows_in_parts(tmp_path / "parts" / "one")
    sharing = Sharing(workers=WORKERS, threads=1, worker_bytes=1 << 30)
    with connected(RaySettings(address=cluster.address, ship_code=False)):
        assert Sharing.of(rows, FitSettings(workers=9, threads=1)).workers == 6  # one for each part
        model = fit_shared(rows, TREES, sharing, seed=1, work=tmp_path / "work")
    assert model.booster.num_boosted_rounds() == TREES["rounds"]
    margin = model.margin(rows.features)
    # One share alone knows one kind only: the other would be as low as the rest.
    assert margin[large & ~late].mean() > margin[~large & ~late].mean() + 1
    assert margin[late & ~large].mean() > margin[~large & ~late].mean() + 1


def test_a_node_killed_in_mid_fit_costs_only_the_time_of_the_fit(cluster: Cluster, tmp_path: Path) -> None:
    rows, _, _ = rows_in_parts(tmp_path / "parts" / "one")
    expected = FAMILIES["xgboost"].fit(rows, TREES, threads=1, seed=1)
    sharing = Sharing(workers=1, threads=1, worker_bytes=64 << 20)
    with (
        losing_a_node(cluster, "RayTrainWorker") as killed,
        connected(RaySettings(address=cluster.address, ship_code=False)),
    ):
        model = fit_shared(rows, TREES, sharing, seed=1, work=tmp_path / "work")
    assert killed
    # What one worker fits is to the byte what this process fits of the same parts.
    assert model.booster.save_raw("ubj") == expected.booster.save_raw("ubj")


def test_the_nodes_run_the_code_of_the_driver(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def places() -> list[str]:
        import kuntur
        import trainer

        return [kuntur.__path__[0], trainer.__path__[0]]

    # Ray lets workers import from the driver's folder where they have one of that name, as here.
    monkeypatch.chdir(tmp_path)
    with connected(RaySettings(address=cluster.address)):
        for place in ray.get(ray.remote(places).remote()):
            assert "py_modules" in place
