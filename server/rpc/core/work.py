"""Answers calls and streams whose requests have come: what is ready together is answered together."""

from __future__ import annotations

from server.rpc.calls.transport import Answer
from server.rpc.core.streams.call import StreamCall
from server.rpc.core.unary import UnaryCall
from server.rpc.errors import CallStatus

Call = UnaryCall | StreamCall


def work_for(calls: list[Call], room: int) -> None:
    """Answers calls or streams of one method with what each would get on its own.

    room: bytes of frames that are taken from each stream; its first frame is always taken.
    """
    method = calls[0].method
    taken = [(call, call.take(room)) for call in calls]
    requests = [request for _, its in taken for request in its]
    if method.answers is not None and len(requests) > 1:
        answers = method.answers(requests)
        if answers is not None:
            following = iter(answers)
            for call, its in taken:
                if its:
                    call.give([next(following) for _ in its])
            return
    for call, its in taken:
        if its:
            call.give(_one_by_one(method.answer, its))


def _one_by_one(answer: Answer, requests: list[bytes]) -> list[bytes | CallStatus]:
    """Answers requests until one of them ends its call."""
    answers = []
    for request in requests:
        answers.append(answer(request))
        if not isinstance(answers[-1], bytes):
            break
    return answers
