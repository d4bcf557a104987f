"""The command line called within a test, and what a command says that was refused."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from trainer.cli.app import app


def invoke(*arguments: str | Path) -> Result:
    """Runs a command of kuntur-trainer."""
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, [str(a) for a in arguments])


def refused(result: Result) -> str:
    """Asserts that a command ended with one error message, and gives it on one line."""
    assert result.exit_code == 2, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert result.stderr.count("error:") == 1
    return " ".join(result.stderr.split())
