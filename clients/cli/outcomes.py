"""`kuntur outcomes`: the labels of a file, all at once."""

from __future__ import annotations

import typer

from clients.cli.access import Access, with_access
from clients.cli.faults import told
from clients.cli.options import (
    Files,
    MappingName,
    Rejects,
    Server,
    TimeoutSeconds,
    check_sources,
    open_client,
)


@with_access
def outcomes(
    files: Files,
    *,
    mapping: MappingName = "kuntur",
    server: Server = "localhost:50051",
    rejects: Rejects = None,
    timeout_seconds: TimeoutSeconds = 10.0,
    access: Access,
) -> None:
    """
    Tells the server what the rows of files turned out to be.

    The mapping needs transaction_id and [label]; the files may be those of
    whole transactions. Rows without a label are passed over. The server takes
    outcomes of transactions that it has scored or had by backfill, and refuses
    others one by one. Running it again changes nothing.

    [bold]kuntur outcomes chargebacks.csv --mapping chargebacks.toml[/bold]

    Exit codes: 0 every outcome was taken, 1 some were not, 2 the command
    could not be carried out.
    """
    check_sources(files, mapping)
    from clients.cli.progress import row_progress
    from clients.cli.scoring import OutcomeTally
    from clients.cli.summary import outcome_facts, print_facts, reject_facts
    from clients.replay import outcomes_between
    from clients.values.messages import outcomes_in_blocks
    from clients.values.outcomes import MAX_OUTCOMES_PER_CALL
    from kuntur.tables import Mapping, read_outcomes

    with told(server), open_client(server, timeout_seconds, access) as client:
        client.models()  # says at once, before files are read, when no server answers
        table = read_outcomes(files, Mapping.load(mapping, reads="outcomes"), reject_path=rejects)
        known = outcomes_between(table.frame, None, None)
        tally = OutcomeTally(client, outcomes_in_blocks(known))
        with row_progress() as progress:
            task = progress.add_task("outcomes", total=len(known))
            for start in range(0, len(known), MAX_OUTCOMES_PER_CALL):
                count = min(MAX_OUTCOMES_PER_CALL, len(known) - start)
                tally.tell(count)
                progress.advance(task, count)
        print_facts("Outcomes", outcome_facts(tally) + reject_facts(table.rejects))
    raise typer.Exit(1 if tally.refused_by_reason or table.rejects.rows_rejected else 0)
