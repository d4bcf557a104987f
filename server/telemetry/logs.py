"""Logs: one event a line on standard error, as JSON for machines or plain for people."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor


def configure_logs(level: str, form: Literal["json", "console"], worker: int | None = None) -> None:
    """Sends the server's events and those of the libraries it uses to standard error, in one form.

    worker: number of this process, if it is one of several; each event has it.
    """

    def name_worker(_: object, __: str, event: EventDict) -> EventDict:
        return event if worker is None else {**event, "worker": worker}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        name_worker,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tracebacks(with_text=level == "debug"),
    ]
    last: list[Processor]
    if form == "json":
        last = [structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _tracebacks(*, with_text: bool) -> Processor:
    """Returns a processor that writes an event's exception as its frames and its class.

    Never with local variables, and with the exception's own text only if asked, since it may quote what a
    customer sent.
    """

    def write(_: object, __: str, event: EventDict) -> EventDict:
        given = event.pop("exc_info", None)
        if given is True:
            given = sys.exc_info()
        error = given[1] if isinstance(given, tuple) else given
        if isinstance(error, BaseException):
            event["exception"] = "\n".join(_lines(error, with_text=with_text))
        return event

    return write


def _lines(error: BaseException, *, with_text: bool) -> Iterator[str]:
    """Yields the lines of an exception, after those of what caused it."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _lines(cause, with_text=with_text)
        yield "which led to"
    yield "Traceback (the innermost frame last):"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
    # What the operating system says names files and addresses of the server, never what was sent to it.
    shown = with_text or isinstance(error, OSError)
    text = f": {error}" if shown else " (log.level debug shows its text, which may hold what was sent)"
    yield f"{type(error).__name__}{text}"
