"""What goes over the pipes between a server and the process that tries its models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt

from kuntur.confined import exactly, receive, send


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to be tried, as its checked bundle holds it.

    golden_features: float32 [g, features]; golden_scores: float32 [g].
    """

    model: bytes
    golden_features: npt.NDArray[np.float32]
    golden_scores: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a trial found.

    reason, message: why the model is refused, empty for one that is not; call_s: median processor time of a
    call with one row; margin: float32 [up to 4096], those of the golden rows, None without such an output.
    """

    reason: str = ""
    message: str = ""
    call_s: float = 0.0
    margin: npt.NDArray[np.float32] | None = None


def send_candidate(pipe: IO[bytes], candidate: Candidate) -> None:
    """Writes a candidate."""
    features = np.ascontiguousarray(candidate.golden_features)
    head = {"model": len(candidate.model), "rows": len(features), "width": int(features.shape[1])}
    send(pipe, head, candidate.model, features.tobytes(), candidate.golden_scores.tobytes())


def receive_candidate(pipe: IO[bytes]) -> Candidate | None:
    """Reads a candidate; None at the end of the pipe."""
    head = receive(pipe)
    if head is None:
        return None
    rows, width = head["rows"], head["width"]
    model = exactly(pipe, head["model"])
    features = np.frombuffer(exactly(pipe, 4 * rows * width), np.float32).reshape(rows, width)
    return Candidate(model, features, np.frombuffer(exactly(pipe, 4 * rows), np.float32))


def send_finding(pipe: IO[bytes], finding: Finding) -> None:
    """Writes a finding."""
    rows = -1 if finding.margin is None else len(finding.margin)
    head = {"reason": finding.reason, "message": finding.message, "call_s": finding.call_s, "rows": rows}
    send(pipe, head, b"" if finding.margin is None else finding.margin.tobytes())


def receive_finding(pipe: IO[bytes]) -> Finding | None:
    """Reads a finding; None at the end of the pipe. Raises ValueError for what is none."""
    head = receive(pipe)
    if head is None:
        return None
    rows = int(head["rows"])
    margin = None if rows < 0 else np.frombuffer(exactly(pipe, 4 * rows), np.float32)
    return Finding(str(head["reason"]), str(head["message"]), float(head["call_s"]), margin)
