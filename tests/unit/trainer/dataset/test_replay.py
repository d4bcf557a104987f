"""Served scores compared with the replay: 0 for equal, 1 for different, 2 for not carried out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from typer.testing import Result

from clients.scored import write
from tests.support.bundles import FEATURES, endless_model, publish, publish_model, sigmoid
from tests.unit.trainer.command import invoke, refused
from tests.unit.trainer.samples import published
from trainer.confined.model import RunLimits
from trainer.release.replay import ServedFileError, read_served
from trainer.synthetic import SyntheticConfig, generate

SUFFIXES = [".parquet", ".csv", ".jsonl"]
IDS = pl.col("transaction_id", "institution_id")


class Served(NamedTuple):
    """A history, the bundle that served it, and what `kuntur score` would have written."""

    history: Path
    bundle: Path
    scored: pl.DataFrame


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A thousand transactions with ids that look like numbers, scored by the replay itself."""
    directory = tmp_path_factory.mktemp("served")
    config = SyntheticConfig(transactions=1_000, accounts=100, merchants=400, days=12)
    numbers = pl.format("00{}", pl.int_range(pl.len())).alias("transaction_id")
    generate(config).drop("fraud_cause").with_columns(numbers).write_parquet(directory / "history.parquet")
    bundle = directory / "registry" / published(directory / "registry")
    output = directory / "scores.parquet"
    done = invoke("replay", directory / "history.parquet", "--model", bundle, "--output", output)
    assert done.exit_code == 0, done.output
    scored = pl.read_parquet(output).with_columns(
        decision=pl.lit("APPROVE"), model_version=pl.lit(bundle.name), error=pl.lit("")
    )
    assert scored["fraud_probability"].n_unique() > 5
    return Served(directory / "history.parquet", bundle, scored)


def compared(served: Served, path: Path, frame: pl.DataFrame | None = None) -> Result:
    if frame is not None:
        write(frame, path)
    return invoke("replay", served.history, "--model", served.bundle, "--compare", path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_equal_scores_end_with_0_from_every_format(served: Served, tmp_path: Path, suffix: str) -> None:
    result = compared(served, tmp_path / f"served{suffix}", served.scored)
    assert result.exit_code == 0, result.output
    assert "Compared 1,000 served scores: 1,000 equal bit for bit, 0 not" in result.stderr


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_score_that_is_one_bit_off_ends_with_1(served: Served, tmp_path: Path, suffix: str) -> None:
    scores = served.scored["fraud_probability"].to_numpy().copy()
    scores[400] = np.nextafter(scores[400], 2)
    result = compared(
        served, tmp_path / f"served{suffix}", served.scored.with_columns(fraud_probability=scores)
    )
    assert result.exit_code == 1, result.output
    assert "999 equal bit for bit, 1 not" in result.stderr


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_row_that_got_no_score_is_different(served: Served, tmp_path: Path, suffix: str) -> None:
    missing = pl.int_range(pl.len()) < 300
    frame = served.scored.with_columns(
        pl.when(~missing).then(pl.col("fraud_probability")),
        pl.when(missing).then(pl.lit("")).otherwise(pl.col("model_version")).alias("model_version"),
    )
    result = compared(served, tmp_path / f"served{suffix}", frame)
    assert result.exit_code == 1, result.output
    assert "700 equal bit for bit, 300 not" in result.stderr


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_probabilities_and_ids_read_back_as_they_were(tmp_path: Path, suffix: str) -> None:
    chance = np.random.default_rng(5)
    narrow = np.exp(-90 * chance.random(3_000)).astype(np.float32).astype(np.float64)
    probability = np.concatenate([[0, 1, 5e-324], narrow, np.exp(-700 * chance.random(3_000))])
    frame = pl.DataFrame(
        {
            "institution_id": "",
            "transaction_id": "007",
            "model_version": "1",
            "fraud_probability": probability,
        }
    )
    write(
        frame.with_columns(pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias("event_time")),
        tmp_path / f"x{suffix}",
    )
    found = read_served(tmp_path / f"x{suffix}")
    assert np.array_equal(found["fraud_probability"].to_numpy().view(np.uint64), probability.view(np.uint64))
    assert found.select(IDS).unique().rows() == [("007", "")]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_without_a_needed_column_is_refused(served: Served, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"served{suffix}"
    message = refused(compared(served, path, served.scored.drop("model_version", "institution_id")))
    assert f"{path.name}: is not of `kuntur score`: it has no institution_id, model_version" in message


def written(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("absent.parquet", lambda _: None, "absent.parquet"),
        ("served.xlsx", written("x"), "served scores are in .parquet, .csv or .jsonl"),
        ("served.parquet", written("no Parquet at all"), "cannot be read"),
        ("served.csv", written(""), "cannot be read"),
        ("served.jsonl", written("{"), "cannot be read"),
        (
            "served.csv",
            written("institution_id,transaction_id,model_version,fraud_probability\na,b,c,much\n"),
            "cannot be read",
        ),
        (
            "served.csv",
            written("institution_id,transaction_id,model_version,fraud_probability\n"),
            "has no rows, so there is nothing to compare",
        ),
    ],
)
def test_a_file_that_holds_no_served_scores_is_refused(
    served: Served, tmp_path: Path, name: str, make: Callable[[Path], None], says: str
) -> None:
    make(tmp_path / name)
    message = refused(compared(served, tmp_path / name))
    assert says in message
    assert name in message


def test_an_empty_parquet_file_is_refused(served: Served, tmp_path: Path) -> None:
    write(served.scored.clear(), tmp_path / "served.parquet")
    with pytest.raises(ServedFileError, match="nothing to compare"):
        read_served(tmp_path / "served.parquet")


def test_a_hash_key_that_is_none_is_refused(served: Served) -> None:
    arguments = ("replay", served.history, "--model", served.bundle, "--hash-key", "zz")
    assert "a hash key is 32 hexadecimal digits" in refused(invoke(*arguments))


def test_scores_into_another_format_than_parquet_are_refused(served: Served, tmp_path: Path) -> None:
    arguments = ("replay", served.history, "--model", served.bundle, "--output", tmp_path / "x.csv")
    assert "end its name in .parquet" in refused(invoke(*arguments))


def test_a_bundle_that_is_not_there_is_refused(served: Served, tmp_path: Path) -> None:
    assert "there is no bundle" in refused(invoke("replay", served.history, "--model", tmp_path / "absent"))


def test_a_replay_counts_hours_in_the_zone_of_the_model(served: Served, tmp_path: Path) -> None:
    features, output = ("hour", *FEATURES[1:]), tmp_path / "scores.parquet"
    weights, zone = (0.1, 0.0, 0.0, 0.0), "Europe/Madrid"
    bundle = publish(tmp_path, "v1", weights=weights, bias=-1.0, features=features, time_zone=zone)
    done = invoke("replay", served.history, "--model", bundle, "--output", output)
    assert done.exit_code == 0, done.output
    found = pl.read_parquet(output)
    hour = found["event_time"].dt.convert_time_zone(zone).dt.hour().to_numpy()
    np.testing.assert_allclose(found["fraud_probability"].to_numpy(), sigmoid(0.1 * hour - 1.0), atol=1e-6)


def test_a_model_that_never_ends_is_told_of_and_not_waited_for(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.release.replay.RunLimits", lambda: RunLimits(seconds=2.0))
    bundle = publish_model(tmp_path, "m-1", endless_model(len(FEATURES)))
    message = refused(invoke("replay", served.history, "--model", bundle))
    assert f"{bundle}: the model cannot be run: it was not done after 2 s" in message
