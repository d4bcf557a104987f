from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from server.telemetry.logs import configure_logs

FORMS: tuple[Literal["json", "console"], ...] = ("json", "console")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, configured = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.configure(**configured)


def fail() -> None:
    balances = {"a-1": "balance 991.75"}
    try:
        balances["account a-77"]
    except KeyError as error:
        raise ValueError(f"amount 120.50 of {len(balances)}") from error


def logged(form: Literal["json", "console"], level: str, capsys: pytest.CaptureFixture[str]) -> str:
    configure_logs(level, form)
    try:
        fail()
    except ValueError:
        structlog.get_logger("server.test").exception("it failed")
        logging.getLogger("a.library").exception("it failed too")
    return capsys.readouterr().err


@pytest.mark.parametrize("form", FORMS)
def test_a_traceback_shows_where_and_nothing_of_what_was_sent(
    form: Literal["json", "console"], capsys: pytest.CaptureFixture[str]
) -> None:
    text = logged(form, "info", capsys)
    assert text.count("test_logs.py") >= 4
    assert text.count("ValueError (") == 2
    assert text.count("KeyError (") == 2
    for sent in ("991.75", "120.50", "a-77"):
        assert sent not in text


@pytest.mark.parametrize("form", FORMS)
def test_at_the_level_debug_it_shows_the_text_of_exceptions_and_never_variables(
    form: Literal["json", "console"], capsys: pytest.CaptureFixture[str]
) -> None:
    text = logged(form, "debug", capsys)
    assert text.count("amount 120.50") == 2
    assert "991.75" not in text


def test_what_the_operating_system_says_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    try:
        open("/no/such/file")  # noqa: PTH123, SIM115
    except OSError:
        structlog.get_logger("server.test").exception("it failed")
    assert "No such file or directory: '/no/such/file'" in capsys.readouterr().err
