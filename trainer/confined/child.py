"""The process that runs a published model: takes it and rows on standard input, writes scores to its output.

It loads as little as a model needs. Its limit of memory is set before it reads anything; the time that it may
take is kept by whoever started it, and it ends with that.
"""

from __future__ import annotations

import os
import sys
from typing import IO, Any

import numpy as np

from kuntur.bundle.onnx_file import check_declared
from kuntur.confined import confine, exactly, receive, send
from trainer.confined.session import run, session


def main(max_bytes: int) -> None:
    """Runs one model on the rows that come until the pipe ends, or says why it cannot."""
    answers = confine(max_bytes)
    with os.fdopen(0, "rb") as questions:
        try:
            _answer(questions, answers)
        except MemoryError:
            send(answers, {"error": "it takes more memory than a model may"})
        except Exception as error:  # whatever a hostile model makes the runtime raise
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            send(answers, {"error": said[:200]})


def _answer(questions: IO[bytes], answers: IO[bytes]) -> None:
    head = receive(questions)
    if head is None:
        return
    model = exactly(questions, head["model"])
    check_declared(model)
    opened = session(model)
    while (head := receive(questions)) is not None:
        shape = (head["rows"], head["width"])
        features = np.frombuffer(exactly(questions, 4 * shape[0] * shape[1]), np.float32).reshape(shape)
        scores: Any = run(opened, features)
        if scores.dtype != np.float32 or scores.shape != shape[:1]:
            raise ValueError("its scores are not one float32 a row")
        send(answers, {"rows": len(scores)}, scores.tobytes())


if __name__ == "__main__":
    main(int(sys.argv[1]))
