"""`kuntur backfill`: past rows and their outcomes into the history of a server."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated

import typer

from clients.cli.faults import told
from clients.cli.options import (
    Files,
    MappingName,
    Rejects,
    Server,
    TimeoutSeconds,
    check_sources,
    load_mapping,
    moment,
    open_client,
    read_files,
)
from clients.errors import error_from_status
from clients.sync.client import Client
from kuntur.api.v1 import history_service_pb2, transaction_pb2


class HistoryTally:
    """Sends past rows to a server and counts what became of them."""

    def __init__(
        self,
        client: Client,
        messages: Iterator[transaction_pb2.Transaction],
        frame_transactions: int,
        on_sent: Callable[[int], None],
    ) -> None:
        self._client = client
        self._messages = messages
        self._frame_transactions = frame_transactions
        self._on_sent = on_sent
        self.counts: Counter[str] = Counter()
        self.listed_by_reason: Counter[str] = Counter()

    def send(self, row_count: int) -> None:
        """Sends the next `row_count` rows in one call. Raises KunturError."""
        response = self._client.send_history(self._requests(row_count))
        self.counts["accepted"] += response.accepted_count
        self.counts["repeated"] += response.repeated_count
        self.counts["refused"] += response.refused_count
        for failure in response.failures:
            self.listed_by_reason[error_from_status(failure.status).reason] += 1

    def _requests(self, row_count: int) -> Iterator[history_service_pb2.BackfillRequest]:
        while part := list(islice(self._messages, min(row_count, self._frame_transactions))):
            row_count -= len(part)
            yield history_service_pb2.BackfillRequest(transactions=part)
            self._on_sent(len(part))


def backfill(
    files: Files,
    *,
    until: Annotated[
        str,
        typer.Option("--until", metavar="ISO", help="Take rows, and outcomes reported, before this time."),
    ],
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="ISO", help="Leave out rows and reports before this time."),
    ] = None,
    mapping: MappingName = "kuntur",
    server: Server = "localhost:50051",
    frame: Annotated[
        int, typer.Option("--frame", min=1, max=4096, help="Transactions in one message.")
    ] = 4096,
    rejects: Rejects = None,
    timeout_seconds: TimeoutSeconds = 10.0,
) -> None:
    """
    Warms a new server with past rows and their outcomes, without scoring.

    Rows, oldest first, and outcomes go in the order in which they became
    known, hour by hour, so the server's features end up as if it had been
    there. Times that name no zone are in the mapping's.

    Running it again counts no row twice while the server still knows them all:
    it keeps as many as its setting recent_transactions, 2 million by default.
    A longer history that is run twice is counted twice.

    [bold]kuntur backfill history.parquet --until 2026-07-01[/bold]
    [bold]kuntur backfill 'tx-*.csv' --mapping bank.toml --until 2026-07-01T05:00Z[/bold]
    [bold]kuntur backfill tx.parquet --since 2026-07-01 --until 2026-07-02[/bold]

    Exit codes: 0 every row was taken, 1 some were not, 2 the command could
    not be carried out.
    """
    check_sources(files, mapping)
    from clients.cli.progress import row_progress
    from clients.cli.scoring import OutcomeTally
    from clients.cli.summary import backfill_facts, outcome_facts, print_facts, reject_facts
    from clients.replay import hourly_steps, joined_steps, outcomes_between, rows_between
    from clients.values.messages import messages_in_blocks, outcomes_in_blocks

    start, end = moment(since), moment(until)
    with told(server), open_client(server, timeout_seconds) as client:
        client.models()  # says at once, before files are read, when no server answers
        described = load_mapping(mapping)
        start, end = described.aware(start), described.aware(end)
        table = read_files(files, described, rejects, until=end)
        rows = rows_between(table.frame, start, end)
        known = outcomes_between(table.frame, start, end)
        tally = OutcomeTally(client, outcomes_in_blocks(known))
        started_at = time.perf_counter()
        with row_progress() as progress:
            task = progress.add_task("history", total=len(rows))
            history = HistoryTally(
                client, messages_in_blocks(rows), frame, lambda count: progress.advance(task, count)
            )
            # The end of a call says that the server has counted its rows: the barrier before outcomes.
            for step in joined_steps(hourly_steps(rows, known)):
                if step.outcome_count:
                    tally.tell(step.outcome_count)
                if step.stop > step.start:
                    history.send(step.stop - step.start)
        counts = history.counts
        facts = backfill_facts(
            counts["accepted"],
            counts["repeated"],
            counts["refused"],
            history.listed_by_reason,
            time.perf_counter() - started_at,
        )
        print_facts("History", facts + outcome_facts(tally) + reject_facts(table.rejects))
    raise typer.Exit(1 if counts["refused"] or table.rejects.rows_rejected else 0)
