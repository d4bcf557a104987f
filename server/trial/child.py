"""The process that tries models: reads candidates on standard input, writes findings to standard output.

It loads only what running a model needs. Its limit of memory is set before it reads anything; whoever
started it watches the time that it takes, and it ends together with its starter.
"""

from __future__ import annotations

import os
import select
import statistics
import sys
import time
from typing import Any, NoReturn

import numpy as np

from kuntur.confined import confine
from server.trial.contract import (
    INPUT,
    OUTPUT,
    ModelRefusedError,
    check_contract,
    first_line,
    margins,
    open_session,
    replay_golden,
)
from server.trial.messages import Candidate, Finding, receive_candidate, send_finding

_TIMED_CALLS = 51
_TIMED_FOR_S = 1.0
_WARM_UP_ROWS = (1, 64, 512)


def main(max_bytes: int, idle_s: float) -> NoReturn:
    """Tries what comes until nothing has come for `idle_s`, or its server is gone; then ends the process."""
    answers = confine(max_bytes)
    questions = os.fdopen(0, "rb", buffering=0)
    while select.select([questions], [], [], idle_s)[0]:
        candidate = receive_candidate(_Whole(questions))  # type: ignore[arg-type]  # as much of a file as is used
        if candidate is None:
            break
        send_finding(answers, examine(candidate))
    # At once: if the pipes closed before the exit code is settled, whoever sees that and kills this process
    # would take its end for the doing of a model.
    os._exit(0)


class _Whole:
    """Reads a pipe without reading ahead, so that `select` sees what is still to be read."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def readline(self, limit: int) -> bytes:
        line = bytearray()
        while len(line) < limit and not line.endswith(b"\n"):
            byte = self._pipe.read(1)
            if not byte:
                break
            line += byte
        return bytes(line)

    def read(self, count: int) -> bytes:
        parts, left = [], count
        while left and (part := self._pipe.read(left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


def examine(candidate: Candidate) -> Finding:
    """Loads and runs a model; returns what was found."""
    try:
        session = open_session(candidate.model)
        features = candidate.golden_features
        check_contract(session, features.shape[1])

        def infer(rows: Any) -> Any:
            return session.run((OUTPUT,), {INPUT: rows})[0]

        replay_golden(infer, features, candidate.golden_scores)
        margin = margins(session, features)
        for rows in _WARM_UP_ROWS:
            infer(np.zeros((rows, features.shape[1]), dtype=np.float32))
        return Finding(call_s=_median_call_s(infer, features), margin=margin)
    except ModelRefusedError as error:
        return Finding(error.reason, error.message)
    except MemoryError:
        return Finding("TRIAL_FAILED", "it takes more memory than a model may")
    except Exception as error:  # whatever a hostile model makes the runtime raise, it is refused
        return Finding("NOT_LOADABLE", first_line(error))


def _median_call_s(infer: Any, features: Any) -> float:
    """Returns the median processor time of a call with one golden row, over at most a second.

    Not the time on the clock: what else the machine does is no fault of the model.
    """
    times: list[float] = []
    give_up_at = time.perf_counter() + _TIMED_FOR_S
    for number in range(_TIMED_CALLS):
        row = np.ascontiguousarray(features[number % len(features)][None, :])
        began = time.process_time()
        infer(row)
        times.append(time.process_time() - began)
        if time.perf_counter() > give_up_at:
            break
    return statistics.median(times)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
