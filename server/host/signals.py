"""The signals that end a server, waited for and never handled.

A handler would run on the main thread between any two steps, also while that thread holds the very lock
that stopping needs. And a signal reaches any thread that does not block it, and by default ends the
process: so all are blocked before the first thread starts, and stay so. That also leaves a second signal
without effect while the server drains.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
_LOOK_S = 0.1


class StopWantedError(Exception):
    """A signal came that ends the server, before it served."""


def hold_stop_signals() -> None:
    """Keeps the signals that end a server for `wait_for_stop_signal`. Call it before any thread starts."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)


def be_terminated() -> None:
    """Lets signals end this process at once, though it was started by one that holds them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)


def wait_for_stop_signal() -> None:
    """Waits for one of them; one that came since they were held counts."""
    signal.sigwait(_STOP)


def stop_is_wanted() -> bool:
    """Returns whether one of them has come and waits for `wait_for_stop_signal`."""
    return bool(_STOP & signal.sigpending())


def end_if_stop_is_wanted() -> None:
    """Raises StopWantedError where one of them has come: called within what a start may take long over."""
    if stop_is_wanted():
        raise StopWantedError


@contextmanager
def interrupted(give_up: Callable[[], None]) -> Iterator[None]:
    """Calls `give_up` on another thread, once, if one of them comes while the block lasts.

    The signal is left for `wait_for_stop_signal`. This is for what a server does before it waits for signals.
    """
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            if stop_is_wanted():
                give_up()
                return

    thread = threading.Thread(target=look, name="stop-signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
