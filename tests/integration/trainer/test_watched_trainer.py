"""What a training run does beside training: which files it writes, and to whom it connects."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs.watched import DEVICES, ROUTE, WatchedProcess, environment_of_ray, kept_compiled
from trainer.synthetic import SyntheticConfig, write


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files with a short name: a socket of Ray below it has 107 bytes for its own."""
    with tempfile.TemporaryDirectory(prefix="k") as made:
        yield Path(made)


def test_training_writes_what_the_docs_name_and_connects_to_nobody(tmp_path: Path, temporary: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    size = {"transactions": 4_000, "accounts": 150, "merchants": 400, "days": 60, "fraud_rate": 0.03}
    write(SyntheticConfig.model_validate(size), tmp_path / "data.parquet")
    (tmp_path / "trainer.toml").write_text('[search]\nalgorithms = ["xgboost"]\nmax_rounds = 10\n')
    cache = kept_compiled()
    env = environment_of_ray(home, temporary, cache)
    train = [
        sys.executable,
        "-m",
        "trainer",
        "train",
        "data.parquet",
        "--config",
        "trainer.toml",
        "--registry",
        "registry",
        "--work",
        "work",
    ]
    train += ["--trials", "1", "--label-delay-days", "5"]
    log = tmp_path / "log"
    with (
        log.open("wb") as out,
        WatchedProcess(train, tmp_path / "trace", cwd=tmp_path, env=env, log=out) as trainer,
    ):
        assert trainer.wait() == 0, log.read_text()
        seen = trainer.seen()
    ours = (temporary, tmp_path / "registry", tmp_path / "work", cache)
    named = (*ours, home / ".ray", home / ".config", home / ".cache" / "matplotlib")
    assert (tmp_path / "registry" / "LIVE").exists()
    assert seen.written  # it was watched
    assert seen.written_outside(*named, *DEVICES) <= {home / ".cache"}
    assert seen.strangers() <= {ROUTE}
