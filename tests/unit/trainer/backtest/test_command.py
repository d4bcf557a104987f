"""What the command says of what it cannot carry out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trainer.command import invoke, refused
from trainer.backtest import app
from trainer.synthetic import SyntheticConfig, write


@pytest.fixture(scope="module")
def transactions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve days of transactions."""
    path = tmp_path_factory.mktemp("data") / "transactions.parquet"
    write(SyntheticConfig(transactions=1_000, accounts=100, merchants=400, days=12), path)
    return path


def test_help_shows_an_example() -> None:
    assert "kuntur-trainer backtest data.parquet --search" in " ".join(
        invoke("backtest", "--help").output.split()
    )


def test_nothing_to_judge_on_is_told() -> None:
    assert "nothing to judge on: give files" in refused(invoke("backtest"))


def test_another_suffix_than_parquet_or_csv_is_refused_before_any_work() -> None:
    message = refused(invoke("backtest", "absent.parquet", "--output", "scored.xlsx"))
    assert "end its name in .parquet or .csv" in message


def test_a_fold_outside_the_data_is_told_with_what_is_possible(transactions: Path, tmp_path: Path) -> None:
    message = refused(
        invoke(
            "backtest",
            transactions,
            "--train-start",
            "2024-03-01",
            "--label-delay-days",
            "2",
            "--work",
            tmp_path,
        )
    )
    assert "the fold that starts on 2024-03-01" in message
    assert "too short for any fold" in message


def test_a_start_given_twice_is_refused(transactions: Path) -> None:
    day = "2024-01-02"
    message = refused(invoke("backtest", transactions, "--train-start", day, "--train-start", day))
    assert "backtest.train_start: Value error, names a day twice" in message


def test_a_recipe_that_is_none_is_told(transactions: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('algorithm = "oracle"\n')
    message = refused(invoke("backtest", transactions, "--recipe", recipe, "--work", tmp_path))
    assert "algorithm 'oracle' is none of" in message


def test_a_recipe_that_is_not_there_is_named(transactions: Path, tmp_path: Path) -> None:
    message = refused(
        invoke("backtest", transactions, "--recipe", tmp_path / "absent.toml", "--work", tmp_path)
    )
    assert "absent.toml" in message


def test_an_interrupt_is_told_with_an_exit_code_of_its_own(
    transactions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "prepared", interrupted)
    result = invoke("backtest", transactions, "--work", tmp_path)
    assert result.exit_code == 130
    assert "interrupted; nothing was written" in result.output
