"""Whatever is answered when, or never: each request comes once, in its order, with its own response."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kuntur.journal.exchanges import pairing, read_exchanges
from kuntur.journal.file import JournalFileWriter
from kuntur.journal.v1 import journal_pb2
from kuntur.journal.v1.journal_pb2 import (
    REQUEST_KIND_BACKFILL,
    REQUEST_KIND_REPORT_OUTCOMES,
    REQUEST_KIND_SCORE_TRANSACTION,
)
from tests.support.examples import examples
from tests.support.journals import admission, answer, append

Said = list[tuple[bytes, bytes | None, tuple[int, ...]]]

# One admission: how many requests, which of them are refused, and when it is answered, in entries from it on;
# never, by 0. A backfill has one request and no answer.
_ADMISSION = st.tuples(
    st.integers(0, 4),
    st.sets(st.integers(0, 3)),
    st.one_of(st.just(0), st.integers(1, 4), st.integers(1, 60)),
)


def entries_of(plan: list[tuple[int, set[int], int]]) -> tuple[list[journal_pb2.Entry], Said]:
    """Returns the entries of a journal, and what was said in them."""
    entries: list[journal_pb2.Entry] = []
    due: list[tuple[int, journal_pb2.Entry]] = []
    said: Said = []

    def answered(until: int | None) -> None:
        while ready := sorted(each[0] for each in due if until is None or each[0] <= until):
            place = next(n for n, each in enumerate(due) if each[0] == ready[0])
            entries.append(due.pop(place)[1])

    for number, (count, refused, wait) in enumerate(plan):
        answered(number)
        sequence = len(entries) + 1
        requests = [b"%d.%d" % (number, place) for place in range(max(1, count))]
        places = sorted(place for place in refused if place < len(requests))
        kind = REQUEST_KIND_SCORE_TRANSACTION
        if count == 0:
            kind = REQUEST_KIND_BACKFILL if wait % 2 else REQUEST_KIND_REPORT_OUTCOMES
        entries.append(admission(kind, *requests, refused=places))
        responses = [b"a" + request for request in requests]
        if wait and kind != REQUEST_KIND_BACKFILL:
            due.append((number + wait, answer(sequence, *responses)))
        else:
            responses = []
        for place, request in enumerate(requests):
            response = responses[place] if responses else None
            said.append((request, response, (0,) if place in places else ()))
    answered(None)
    return entries, said


@examples(100)
@given(
    plan=st.lists(_ADMISSION, min_size=1, max_size=60),
    cuts=st.lists(st.integers(1, 30), max_size=4),
    most=st.sampled_from([0, 3 << 10, 20 << 10, 1 << 20]),
)
def test_each_request_comes_once_in_its_order_with_its_response(
    plan: list[tuple[int, set[int], int]], cuts: list[int], most: int
) -> None:
    entries, said = entries_of(plan)
    whole = pairing._MOST_WAITING_BYTES
    pairing._MOST_WAITING_BYTES = most
    try:
        with tempfile.TemporaryDirectory() as name:
            begin = 0
            for cut in [*cuts, len(entries)]:  # each file has at least one entry
                if begin < len(entries):
                    writer = JournalFileWriter(Path(name))
                    append(writer, entries[begin : begin + cut])
                    writer.close()
                    begin += cut
            found = [(each.request, each.response, each.refused) for each in read_exchanges(Path(name))]
    finally:
        pairing._MOST_WAITING_BYTES = whole
    assert found == said
