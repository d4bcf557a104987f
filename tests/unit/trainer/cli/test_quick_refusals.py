"""What names nothing is refused before anything heavy is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_HEAVY = "{'ray', 'xgboost', 'sklearn', 'onnxruntime', 'numba', 'polars'}"


@pytest.mark.parametrize(
    ("program", "arguments", "said"),
    [
        ("trainer", ["train", "nope.csv"], "nope.csv: no such file"),
        ("trainer", ["train", "{there}", "--mapping", "nope.toml"], "no mapping 'nope.toml'"),
        ("trainer", ["train", "--journal", "nope"], "nope: there is no directory of a journal"),
        ("trainer", ["train", "--config", "{config}"], "nope.parquet: no such file"),
        ("trainer", ["backtest", "{there}", "--recipe", "nope.toml"], "nope.toml: no such file"),
        ("trainer", ["backtest", "{there}", "--train-start", "2024-03-01T05:00:00"], "05:00:00: a fold"),
        ("trainer", ["tune", "nope.csv"], "nope.csv: no such file"),
        ("trainer", ["replay", "{there}", "--model", "nope"], "nope: there is no bundle"),
        ("trainer", ["sign", "nope", "--key", "nope.pem"], "nope: there is no bundle"),
        ("trainer", ["sign", ".", "--key", "nope.pem"], "nope.pem: there is no file of a key"),
        ("trainer", ["verify", "nope", "--policy", "nope.toml"], "nope: there is no bundle"),
        ("clients", ["score", "nope.csv"], "nope.csv: no such file"),
        ("clients", ["backfill", "nope.csv", "--until", "2024-01-01"], "nope.csv: no such file"),
        ("clients", ["outcomes", "nope*.csv"], "nope*.csv: no such file"),
    ],
)  # fmt: skip
def test_what_names_nothing_is_refused_before_anything_heavy_is_loaded(
    program: str, arguments: list[str], said: str, tmp_path: Path
) -> None:
    there, config = tmp_path / "there.csv", tmp_path / "settings.toml"
    there.write_text("a\n")
    config.write_text('[data]\npaths = ["nope.parquet"]\n')
    given = [each.format(there=there, config=config) for each in arguments]
    code = (
        f"import sys; from {program}.__main__ import main\n"
        f"try:\n    sys.argv = ['program', *{given!r}]; main()\n"
        "except SystemExit as end:\n    assert end.code == 2, end.code\n"
        f"found = {_HEAVY} & set(sys.modules)\nassert not found, found"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
