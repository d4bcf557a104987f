"""The command line's messages: whatever is wrong, one clear sentence and no traceback."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from tests.unit.trainer.command import invoke, refused
from trainer.synthetic import SyntheticConfig, generate


@pytest.fixture(scope="module")
def transactions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve days of transactions."""
    path = tmp_path_factory.mktemp("data") / "transactions.parquet"
    config = SyntheticConfig(transactions=1_000, accounts=100, merchants=400, days=12)
    generate(config).drop("fraud_cause").write_parquet(path)
    return path


@pytest.mark.parametrize("command", ["train", "synth", "replay"])
def test_help_of_each_command_shows_an_example(command: str) -> None:
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"kuntur-trainer {command}" in result.output


def test_help_names_the_commands_and_where_settings_come_from() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    for text in ("train", "synth", "KUNTUR_TRAINER_SEARCH__TRIALS"):
        assert text in result.output


def test_nothing_to_learn_from_is_told() -> None:
    assert "nothing to learn from: give files, --journal DIRECTORY, or --postgres-table" in refused(
        invoke("train")
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    message = refused(invoke("train", tmp_path / "absent.parquet", "--work", tmp_path))
    assert "absent.parquet" in message


def test_an_unknown_mapping_is_named(transactions: Path, tmp_path: Path) -> None:
    message = refused(invoke("train", transactions, "--mapping", "handbok", "--work", tmp_path))
    assert "handbok" in message
    assert "handbook" in message  # those there are


def test_a_configuration_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    message = refused(invoke("train", "x", "--config", tmp_path / "absent.toml"))
    assert "there is no file" in message
    assert "absent.toml" in message


def test_an_unknown_setting_is_named(transactions: Path, tmp_path: Path) -> None:
    config = tmp_path / "trainer.toml"
    config.write_text("[search]\ntrails = 3\n")
    message = refused(invoke("train", transactions, "--config", config))
    assert "search.trails: Extra inputs are not permitted" in message


def test_a_configuration_file_that_is_no_toml_is_told(transactions: Path, tmp_path: Path) -> None:
    config = tmp_path / "trainer.toml"
    config.write_text("[search\n")
    message = refused(invoke("train", transactions, "--config", config))
    assert "trainer.toml is not valid TOML" in message
    assert "']'" in message  # brackets are text here, not colours


def test_an_environment_variable_that_cannot_be_read_is_named(
    transactions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUNTUR_TRAINER_SEARCH", "many")
    assert "search" in refused(invoke("train", transactions))


def test_an_option_out_of_range_is_named(transactions: Path) -> None:
    assert "search.trials" in refused(invoke("train", transactions, "--trials", "0"))


def test_too_little_history_says_what_is_needed(transactions: Path, tmp_path: Path) -> None:
    message = refused(invoke("train", transactions, "--work", tmp_path, "--label-delay-days", "3"))
    assert "the data span 11.8 days" in message
    assert "need 34.0" in message  # 7 to warm up, thrice 7 to judge, twice 3 for labels


def test_a_stray_row_far_in_the_future_is_named(transactions: Path, tmp_path: Path) -> None:
    rows = pl.read_parquet(transactions)
    stray = rows.tail(1).with_columns(
        pl.lit("stray").alias("transaction_id"), pl.col("event_time", "reported_time").dt.offset_by("7y")
    )
    pl.concat([rows, stray]).write_parquet(tmp_path / "stray.parquet")
    message = refused(invoke("train", tmp_path / "stray.parquet", "--work", tmp_path))
    assert "has 0 transactions" in message
    assert "newest transaction is of 2031-01-13" in message
    assert "give --until" in message


def test_files_and_a_journal_together_are_refused(transactions: Path, tmp_path: Path) -> None:
    message = refused(invoke("train", transactions, "--journal", tmp_path, "--work", tmp_path))
    assert "give files or a journal, not both" in message


def test_help_says_what_the_bounds_mean_and_in_which_zone() -> None:
    text = " ".join(invoke("train", "--help").output.replace("│", " ").split())
    assert "Earliest event time to read. In the mapping's zone" in text
    assert "later transactions and labels are unknown" in text


def test_a_bound_may_name_its_zone(transactions: Path, tmp_path: Path) -> None:
    bound = ("--until", "2024-01-05T00:00:00-03:00")
    result = invoke("train", transactions, "--work", tmp_path, *bound)
    assert "by 2024-01-05 03:00 UTC" in result.stderr


def test_an_address_that_is_none_is_told_before_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = {"transactions": 1_500, "accounts": 100, "merchants": 400, "days": 12, "fraud_rate": 0.2}
    config = SyntheticConfig.model_validate(size | {"fraud_delay_median_days": 0.01})
    generate(config).drop("fraud_cause").write_parquet(tmp_path / "data.parquet")
    for name in ("SELECT", "CALIBRATE", "TEST", "WARM_UP", "LABEL_DELAY"):
        monkeypatch.setenv(f"KUNTUR_TRAINER_SPLIT__{name}_DAYS", "1")
    message = refused(invoke("train", tmp_path / "data.parquet", "--work", tmp_path, "--ray-address", "foo"))
    assert "Ray at foo: Invalid address format: foo" in message


def test_an_empty_journal_is_told(tmp_path: Path) -> None:
    assert "holds no transaction" in refused(invoke("train", "--journal", tmp_path, "--work", tmp_path))


def test_too_many_bad_rows_name_their_columns(transactions: Path, tmp_path: Path) -> None:
    bad = pl.read_parquet(transactions).with_columns(pl.lit("sol").alias("currency_code"))
    bad.write_parquet(tmp_path / "bad.parquet")
    message = refused(invoke("train", tmp_path / "bad.parquet", "--work", tmp_path))
    assert "currency_code" in message


def test_a_place_that_cannot_be_written_to_is_told(transactions: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in refused(invoke("train", transactions, "--work", tmp_path / "file"))


def test_synth_into_a_place_that_is_no_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    size = ("--transactions", "1000", "--accounts", "100", "--merchants", "400", "--days", "10")
    assert "file" in refused(invoke("synth", tmp_path / "file" / "data.parquet", *size))


def test_a_hash_key_that_is_none_is_told(transactions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUNTUR_TRAINER_HASH_KEY", "short")
    assert "hash_key: Value error, a hash key is 32 hexadecimal digits" in refused(
        invoke("train", transactions)
    )


@pytest.mark.parametrize("name", ["data.csv", "data"])
def test_synth_into_another_format_is_refused(tmp_path: Path, name: str) -> None:
    assert "end its name in .parquet" in refused(invoke("synth", tmp_path / name))
    assert not (tmp_path / name).exists()


def test_synth_refuses_settings_that_cannot_be(tmp_path: Path) -> None:
    assert "fraud_rate" in refused(invoke("synth", tmp_path / "x.parquet", "--fraud-rate", "0.9"))


def test_synth_writes_what_train_reads(tmp_path: Path) -> None:
    path = tmp_path / "new" / "data.parquet"
    size = ("--transactions", "1000", "--accounts", "100", "--merchants", "400", "--days", "10")
    result = invoke("synth", path, *size)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert pl.read_parquet(path).height == 1000


def test_a_pipe_a_device_or_a_file_without_end_is_refused_and_nothing_waits(
    transactions: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    for name, told in (
        ("pipe", "is not a regular file"),
        ("device", "is not a regular file"),
        ("large", "more than the 1,048,576 that are read"),
    ):
        path = tmp_path / name
        assert told in refused(invoke("train", transactions, "--config", path, "--work", tmp_path))
        assert told in refused(invoke("train", transactions, "--mapping", path, "--work", tmp_path))
        assert told in refused(invoke("backtest", transactions, "--recipe", path, "--work", tmp_path))
    assert "is not a regular file" in refused(invoke("train", tmp_path / "pipe", "--work", tmp_path))
