"""Whether Redis can be used: its errors as callers are told them, logged as they begin and end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from server.errors import HistoryUnavailableError

_LOG = structlog.get_logger(__name__)


class Reach:
    """Surrounds what is asked of Redis. Safe for threads."""

    def __init__(self) -> None:
        self._reached = True

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Raises HistoryUnavailableError for what the library raises in the block."""
        try:
            yield
        except RedisError as error:
            if self._reached:
                _LOG.error("the shared history cannot be reached", error=str(error))
            self._reached = False
            gone = isinstance(error, RedisConnectionError | RedisTimeoutError)
            raise HistoryUnavailableError("cannot be reached" if gone else "cannot be used now") from error
        if not self._reached:
            self._reached = True
            _LOG.info("the shared history can be used again")
