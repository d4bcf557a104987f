from __future__ import annotations

from collections.abc import Iterator

import pytest

from clients import Client, ShuttingDown
from clients.cli.scoring import OutcomeTally, ScoringRun
from clients.replay import Step
from kuntur.api.v1 import transaction_pb2
from kuntur.values import to_proto
from tests.fakes.scoring_server import FakeServer
from tests.unit.clients.conftest import transactions, wait_until_streams_end


@pytest.mark.parametrize("end_unasked", [False, True])
def test_answers_that_came_before_the_stream_broke_are_kept_though_no_more_can_be_sent(
    server: FakeServer, client: Client, end_unasked: bool
) -> None:
    server.behaviour.frames_until_break = 3 if end_unasked else 2
    server.behaviour.end_unasked = end_unasked
    server.behaviour.answering.clear()

    def messages() -> Iterator[transaction_pb2.Transaction]:
        yield from map(to_proto, transactions(12))
        server.behaviour.answering.set()
        wait_until_streams_end()
        yield from map(to_proto, transactions(8, first=12))

    answered: list[int] = []
    run = ScoringRun(
        client,
        messages(),
        OutcomeTally(client, iter(())),
        frame_transactions=4,
        max_in_flight_frames=8,
        on_answer=answered.append,
    )
    with pytest.raises(ShuttingDown):
        run.run(iter([Step(0, 0, 20)]))
    assert answered == [4] * (3 if end_unasked else 2)
    assert len(run.scored) == sum(answered)
    assert run.scored.error_count == 0
