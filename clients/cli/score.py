"""`kuntur score`: a file's rows through ScoreStream."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from clients.cli.faults import NOT_CARRIED_OUT, say, sentence, told
from clients.cli.options import (
    Files,
    FrameTransactions,
    MappingName,
    Rejects,
    Server,
    TimeoutSeconds,
    check_output,
    check_sources,
    load_mapping,
    moment,
    open_client,
    read_files,
)
from kuntur.scores import ReasonsMode


class ReasonsWritten(StrEnum):
    """Which scores' reasons are written."""

    REVIEW = "review"
    ALL = "all"


_MODES = {ReasonsWritten.REVIEW: ReasonsMode.REVIEWED, ReasonsWritten.ALL: ReasonsMode.ALL}

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="Where to write the scored rows: .parquet, .csv or .jsonl, by its name.",
    ),
]
InFlight = Annotated[
    int, typer.Option("--in-flight", min=1, help="Frames sent before the first must be answered.")
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="ISO", help="Score rows from this event time on (zone: the mapping's)."),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="ISO", help="Score rows before this event time.")
]
OutcomesToo = Annotated[
    bool,
    typer.Option(
        "--report-outcomes",
        help="Tell the server each label of the files when it became known, in event time.",
    ),
]
Reasons = Annotated[
    ReasonsWritten | None,
    typer.Option("--reasons", help="Write the reasons of scores too: those to review, or all."),
]


def score(
    files: Files,
    *,
    mapping: MappingName = "kuntur",
    server: Server = "localhost:50051",
    output: Output = None,
    frame: FrameTransactions = 256,
    in_flight: InFlight = 8,
    since: From = None,
    until: Until = None,
    report_outcomes: OutcomesToo = False,
    reasons: Reasons = None,
    rejects: Rejects = None,
    timeout_seconds: TimeoutSeconds = 10.0,
) -> None:
    """
    Scores the rows of files, oldest first, and writes what the server answered.

    The written file has a row for each row sent, in that order: its ids,
    fraud_probability exactly as received, decision, model_version, and error,
    which is empty when there is none. With --reasons it has the features that
    moved each score most, in words and in log-odds: a list, in CSV as JSON.

    With --report-outcomes the labels of all rows (those before --from too)
    that became known between --from and --until are told in between: before
    an hour's first row, everything reported before that hour. A server that
    had the rows before --from by `kuntur backfill` then scores as it would
    have live.

    [bold]kuntur score july.parquet --output scored.parquet[/bold]
    [bold]kuntur score 'data/*.csv' --mapping bank.toml --output scored.csv[/bold]
    [bold]kuntur score tx.parquet --from 2026-07-01 --report-outcomes -o s.parquet[/bold]
    [bold]kuntur score tx.parquet --reasons review --output reasons.jsonl[/bold]

    Exit codes: 0 every row was scored, 1 some were not, 2 the command could
    not be carried out.
    """
    check_sources(files, mapping)
    from clients.cli.progress import row_progress
    from clients.cli.scoring import OutcomeTally, ScoringRun, carry_out
    from clients.cli.summary import outcome_facts, print_facts, reject_facts, scoring_facts
    from clients.replay import Step, hourly_steps, outcomes_between, rows_between
    from clients.scored import write
    from clients.values.messages import messages_in_blocks, outcomes_in_blocks

    start, end = moment(since), moment(until)
    check_output(output)
    with told(server), open_client(server, timeout_seconds) as client:
        client.live_model()  # says at once, before files are read, when there is nobody to score them
        described = load_mapping(mapping)
        start, end = described.aware(start), described.aware(end)
        table = read_files(files, described, rejects, until=end)
        rows = rows_between(table.frame, start, end)
        known = outcomes_between(table.frame, start, end)
        steps = hourly_steps(rows, known) if report_outcomes else iter([Step(0, 0, len(rows))])
        tally = OutcomeTally(client, outcomes_in_blocks(known))
        with row_progress() as progress:
            task = progress.add_task("scoring", total=len(rows))
            run = ScoringRun(
                client,
                messages_in_blocks(rows),
                tally,
                frame_transactions=frame,
                max_in_flight_frames=in_flight,
                on_answer=lambda count: progress.advance(task, count),
                reasons=None if reasons is None else _MODES[reasons],
            )
            broken = carry_out(run, steps, len(rows))
        if output is not None:
            write(run.scored.frame(rows), output)
        facts = scoring_facts(run) + (outcome_facts(tally) if report_outcomes else [])
        facts += reject_facts(table.rejects)
        print_facts("Scored", [*facts, ("written to", str(output))] if output else facts)
    if broken is not None:
        say(f"Not all rows were answered. {sentence(broken, server)}")
        raise typer.Exit(NOT_CARRIED_OUT)
    raise typer.Exit(1 if run.scored.error_count or table.rejects.rows_rejected else 0)
