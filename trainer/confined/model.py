"""A published model as the trainer runs it: in a child, a chunk of rows at a time, each within its time."""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kuntur.confined import deadline, end, exactly, how_it_ended, receive, send, start

CHUNK_ROWS = 8_192


class ModelRunError(Exception):
    """A model that cannot be run: why, in words."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What a model may take.

    seconds: for being loaded and for each 8,192 rows; bytes: of memory, 100 MiB of the process included.
    """

    seconds: float = 120.0
    bytes: int = 2 << 30


def confined_scores(
    model: bytes, features: npt.NDArray[np.float32], limits: RunLimits
) -> npt.NDArray[np.float32]:
    """Returns what a model gives rows, float32 [n], whatever numbers they are. Raises ModelRunError.

    Args:
        model: An ONNX file, whoever made it: it runs in a process of its own.
        features: float32 [n, features].
        limits: Beyond them it is given up.
    """
    scores = np.empty(len(features), dtype=np.float32)
    try:
        process = start("trainer.confined.child", str(limits.bytes))
    except OSError as error:
        raise ModelRunError(f"no process to run it in could be started: {error.strerror}") from error
    try:
        for first in range(0, len(features), CHUNK_ROWS):
            part = np.ascontiguousarray(features[first : first + CHUNK_ROWS], dtype=np.float32)
            scores[first : first + len(part)] = _of_chunk(process, None if first else model, part, limits)
    finally:
        end(process)
    return scores


def _of_chunk(
    process: subprocess.Popen[bytes],
    model: bytes | None,
    part: npt.NDArray[np.float32],
    limits: RunLimits,
) -> npt.NDArray[np.float32]:
    answer, content = None, b""
    with deadline(process, limits.seconds) as late, contextlib.suppress(OSError, ValueError):
        assert process.stdin is not None  # noqa: S101  (both are pipes)
        assert process.stdout is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):  # it has ended, and may have said why
            if model is not None:
                send(process.stdin, {"model": len(model)}, model)
            send(process.stdin, {"rows": len(part), "width": part.shape[1]}, part.data.cast("B"))
        answer = receive(process.stdout)
        if answer is not None and "rows" in answer:
            content = exactly(process.stdout, 4 * len(part))
    if answer is not None and "error" in answer:
        raise ModelRunError(str(answer["error"]))
    if len(content) != part.shape[0] * 4:
        end(process)
        if late.is_set():
            raise ModelRunError(f"it was not done after {limits.seconds:g} s")
        raise ModelRunError(f"the process that ran it {how_it_ended(process, limits.bytes)}")
    return np.frombuffer(content, dtype=np.float32)
