"""`make demo`: data, training, serving, outcomes, retraining, hot reload, evidence, and what it came to."""

from __future__ import annotations

import os
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from rich.console import Console

from clients import Client
from clients.replay import outcomes_between, rows_between
from demo import check, live, programs, proof, signers, summary
from kuntur.bundle.bundle import Registry
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Mapping, read
from trainer.dataset.history import replay
from trainer.release.replay import differences, score

_ROOT = Path("demo-run")
_DATA, _REGISTRY, _JOURNAL = _ROOT / "transactions.parquet", _ROOT / "registry", _ROOT / "journal"
_START = datetime(2026, 1, 1, tzinfo=UTC)
_DAYS, _FIRST_TRAINING, _SECOND_TRAINING = 150, 84, 119  # days after the start
_TRANSACTIONS, _ACCOUNTS = 360_000, 9_000
_SINGLE_CALLS = 400
_READY_S = 600  # a first start compiles, on a slow or busy machine for minutes


def _train(*source: object, until: datetime) -> tuple[object, ...]:
    return (
        "train", *source, "--until", f"{until:%Y-%m-%d}", "--registry", _REGISTRY, "--work", _ROOT / "work",
        "--trials", "8", "--alerts-per-day", "25", "--label-delay-days", "14",
    )  # fmt: skip


def main() -> None:
    """Runs the demonstration."""
    console = Console()
    began = time.perf_counter()
    shutil.rmtree(_ROOT, ignore_errors=True)
    _ROOT.mkdir()
    os.environ |= signers.made(_ROOT / "keys")  # the trainer signs its models, the server takes no others
    journal_keys = _ROOT / "journal-keys"
    verifier = proof.journal_key(journal_keys)
    os.environ["KUNTUR_SERVER_JOURNAL__SIGNING__KEYS"] = str(journal_keys)
    first, second = (_START + timedelta(days=days) for days in (_FIRST_TRAINING, _SECOND_TRAINING))

    console.rule("1. Transactions of three Peruvian institutions, with fraud that has causes")
    programs.run(
        "kuntur-trainer", "synth", _DATA, "--transactions", _TRANSACTIONS, "--days", _DAYS,
        "--accounts", _ACCOUNTS, "--start", f"{_START:%Y-%m-%d}",
    )  # fmt: skip
    table = read([str(_DATA)], Mapping.load("kuntur"))

    console.rule(f"2. Training on local Ray on what was known on {first:%d %B}")
    programs.run("kuntur-trainer", *_train(_DATA, until=first))
    registry = Registry(_REGISTRY)
    old = registry.live_version()

    with programs.server(_REGISTRY, _JOURNAL, _ROOT / "server.log") as address:
        console.rule(f"3. Serving at {address}, its features warmed from the history until then")
        with Client(address) as client:
            client.wait_until_ready(_READY_S)
        programs.run("kuntur", "backfill", _DATA, "--server", address, "--until", f"{first:%Y-%m-%d}")

        console.rule(f"4. The weeks until {second:%d %B}, streamed, with outcomes as they become known")
        weeks = live.stream(
            address,
            rows_between(table.frame, first, second),
            outcomes_between(table.frame, first, second),
            None,
            console,
        )

        console.rule("5. Retraining on the server's journal, while the traffic goes on")
        retraining = programs.start("kuntur-trainer", *_train("--journal", _JOURNAL, until=second))
        later = rows_between(table.frame, second, None)
        singles = later.tail(_SINGLE_CALLS)
        rest = live.stream(
            address,
            later.head(len(later) - _SINGLE_CALLS),
            outcomes_between(table.frame, second, singles["event_time"][0]),
            retraining,
            console,
        )
        if retraining.wait() != 0:
            raise programs.StepFailedError("the retraining failed")
        single_latencies, suspect = _score_singly(address, singles)
        with Client(address) as client:
            found = client.live_model()
        new = found.model_version
    if old is None or new == old:
        raise programs.StepFailedError("no new model went live: the retraining's verdict says why")

    console.rule("6. One decision, proved to somebody who trusts nobody here")
    proved = proof.proved(suspect, _JOURNAL, _REGISTRY, verifier, _ROOT / "evidence")

    console.rule("7. What it came to")
    replayed = replay(table, secret_from_hex(DEFAULT_HASH_KEY))
    scores = {version: score(_REGISTRY / version, replayed) for version in (old, new)}
    served = pl.concat([weeks.scored, rest.scored])
    differing = differences(served, replayed, scores).height
    after = (table.frame["event_time"] >= second).to_numpy()
    span = (second, later["event_time"][-1])
    figures = [check.detection(_REGISTRY / v, after, span, replayed, scores[v]) for v in (old, new)]

    title = f"The same {int(after.sum()):,} transactions after {second:%d %B}, judged by both models"
    summary.show_detection(title, figures, replayed.currency, console)
    summary.show_served(served, (weeks, rest), single_latencies, (old, new), differing, console)
    summary.show_fact("the new model is signed by", ", ".join(found.signers), console)
    summary.show_fact(f"evidence for {suspect[1]}, likely fraud", str(proved.page), console)
    summary.show_fact("its verifier, of the file as it is", proved.yes, console)
    summary.show_fact("and of a copy with one bit changed", proved.no, console)
    for name, place in (("models", _REGISTRY), ("journal", _JOURNAL), ("server's log", _ROOT / "server.log")):
        summary.show_fact(name, str(place), console)
    summary.show_fact("took", f"{(time.perf_counter() - began) / 60:.1f} minutes", console)
    if differing or weeks.errors or rest.errors:
        raise programs.StepFailedError("some calls failed or some scores differ, see above")


def _score_singly(address: str, rows: pl.DataFrame) -> tuple[list[float], tuple[str, str]]:
    """Scores rows by one call each.

    Returns the seconds of each call, and institution and id of the transaction that is most likely fraud.
    """
    from clients.values.messages import messages_from_frame
    from kuntur.values import from_proto

    latencies = []
    scores: dict[tuple[str, str], float] = {}
    with Client(address) as client:
        for message in messages_from_frame(rows):
            transaction = from_proto(message)
            sent = time.perf_counter()
            score = client.score(transaction)
            latencies.append(time.perf_counter() - sent)
            scores[transaction.institution_id or "", transaction.transaction_id] = score.fraud_probability
    return latencies, max(scores, key=lambda name: scores[name])


if __name__ == "__main__":
    try:
        main()
    except programs.StepFailedError as error:
        sys.exit(f"The demonstration stopped: {error}")
