"""The command line's messages: whatever is wrong, one clear sentence and no traceback."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from trainer.cli import app
from trainer.synthetic import SyntheticConfig, generate


def invoke(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, [str(a) for a in arguments])


def refused(result: Result) -> str:
    """Asserts that a command ended with one error message, and gives it on one line."""
    assert result.exit_code == 2, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert result.stderr.count("error:") == 1
    return " ".join(result.stderr.split())


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
    assert "nothing to learn from: give files, or --journal DIRECTORY" in refused(invoke("train"))


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
    assert "trainer.toml is no TOML" in message
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
    assert "need 27.0" in message  # 7 to warm up, 14 to validate, twice 3 for labels


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


def test_synth_refuses_settings_that_cannot_be(tmp_path: Path) -> None:
    assert "fraud_rate" in refused(invoke("synth", tmp_path / "x.parquet", "--fraud-rate", "0.9"))


def test_synth_writes_what_train_reads(tmp_path: Path) -> None:
    path = tmp_path / "new" / "data.parquet"
    size = ("--transactions", "1000", "--accounts", "100", "--merchants", "400", "--days", "10")
    result = invoke("synth", path, *size)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert pl.read_parquet(path).height == 1000
