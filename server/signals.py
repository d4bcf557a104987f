"""The signals that end a server, waited for and never handled.

A handler would run on the main thread between any two steps, also while that thread holds the very lock
which the stop needs. And a signal reaches any thread that does not block it, with death as its default:
so both are blocked before the first thread starts, and stay so, which leaves a second signal without
effect while the server drains.
"""

from __future__ import annotations

import signal

_STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}


def hold_stop_signals() -> None:
    """Keeps the signals that end a server for `wait_for_stop_signal`. Before any other thread is started."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)


def wait_for_stop_signal() -> None:
    """Waits for one of them, also one that came since they are held."""
    signal.sigwait(_STOP)
