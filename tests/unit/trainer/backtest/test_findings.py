"""What is said of each kind of fraud and segment, on a small bank, checked by other ways to the figures."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from sklearn.metrics import average_precision_score

from kuntur.tables import Table
from tests.unit.trainer.backtest.small import bank, history, rounds, settings
from trainer.backtest.contenders import RECIPE
from trainer.backtest.figures.found import Found
from trainer.backtest.findings import (
    ALL,
    AMOUNT,
    NOT_NAMED,
    OTHERS,
    Findings,
    amount_bands,
    findings,
    within_budget,
)
from trainer.backtest.output.document import as_json
from trainer.backtest.output.findings import findings_document, show_findings
from trainer.backtest.output.kinds_plot import write_kinds_plot
from trainer.backtest.run import Round, scored_rows
from trainer.evaluation.segments import segment_columns

PLAIN, DATASET = bank()


def with_kinds(table: Table, names: list[str]) -> Table:
    fraud = table.frame["is_fraud"]
    kind = pl.Series("fraud_kind", [names[place % len(names)] for place in range(len(table))])
    return replace(
        table,
        frame=table.frame.with_columns(pl.when(fraud).then(kind).otherwise(pl.lit("")).alias("fraud_kind")),
    )


TABLE = with_kinds(PLAIN, ["swap", "drain", "swap", "compromised_merchant"])
SEGMENTS = {"channel": segment_columns(PLAIN.frame.with_columns(type=pl.lit(0, dtype=pl.Int8)))["channel"]}


@pytest.fixture(scope="module")
def run() -> list[Round]:
    return rounds(TABLE, DATASET)


@pytest.fixture(scope="module")
def found(run: list[Round]) -> Findings:
    return findings(run, history(TABLE, DATASET), TABLE.kinds, SEGMENTS, settings())


def by_name(found: Findings) -> dict[str, Found]:
    return {part.name: part for part in (found.whole, *found.kinds)}


def test_the_kinds_come_by_their_frauds_and_add_up_to_all(found: Findings, run: list[Round]) -> None:
    assert found.kinds[0].name == "swap"
    assert {kind.name for kind in found.kinds} == {"swap", "drain", "compromised_merchant"}
    frauds = sum(int(one.judged[RECIPE].scored.label.sum()) for one in run)
    assert found.whole.frauds == sum(kind.frauds for kind in found.kinds) == frauds
    hits = sum(kind.recall.value * kind.frauds for kind in found.kinds)
    assert found.whole.recall.value * frauds == pytest.approx(hits)
    assert 0 < found.whole.recall.value < 1


def test_alerts_are_the_budget_of_each_test(found: Findings, run: list[Round]) -> None:
    budget = round(7 * settings().thresholds.review_alerts_per_day)
    assert found.whole.alerts == len(run) * budget
    assert found.alerts_per_day == settings().thresholds.review_alerts_per_day
    assert within_budget(np.array([0.1, 0.9, 0.9, 0.9]), 1, 2).tolist() == [False, True, True, False]


def test_shares_and_average_precision_follow_from_the_scored_rows(found: Findings, run: list[Round]) -> None:
    scored = scored_rows(TABLE, run)
    assert scored.columns[-2:] == ["is_fraud", "fraud_kind"]
    budget = round(7 * settings().thresholds.review_alerts_per_day)
    amounts = PLAIN.frame.select("transaction_id", "amount_minor")
    ranked = scored.join(amounts, on="transaction_id", maintain_order="left").with_columns(
        alert=pl.col("fraud_probability").rank("ordinal", descending=True).over("fold") <= budget
    )
    for name, part in by_name(found).items():
        if name == ALL:
            continue
        kind = ranked.filter(pl.col("fraud_kind") == name)
        assert part.frauds == kind.height
        assert part.accounts == kind["account_id"].n_unique()
        assert part.recall.value == pytest.approx(kind["alert"].mean())
        money = kind["amount_minor"]
        assert part.recall_by_value.value == pytest.approx(money.filter(kind["alert"]).sum() / money.sum())
        assert part.recall.low < part.recall.value < part.recall.high
        folds = [
            average_precision_score(fold["is_fraud"].to_numpy(), fold["fraud_probability"].to_numpy())
            for fold in ranked.filter(pl.col("fraud_kind").is_in([name, ""])).partition_by("fold")
        ]
        assert part.average_precision == pytest.approx(np.mean(folds))


def test_an_incident_counts_in_the_test_in_which_it_begins(run: list[Round]) -> None:
    # Twenty accounts as one, so that incidents have many frauds and some began before their test.
    told = history(TABLE, DATASET)
    few = replace(told, account=told.account // 20)
    found = findings(run, few, TABLE.kinds, {}, settings())
    timing = found.whole.timing
    assert timing is not None
    frauds = TABLE.frame.with_columns(pl.Series("whose", few.account)).with_row_index("row")
    frauds = frauds.filter("is_fraud").sort("whose", "fraud_kind", "row")
    begins = (
        (pl.col("event_time").diff() > pl.duration(days=7))
        | (pl.col("whose") != pl.col("whose").shift())
        | (pl.col("fraud_kind") != pl.col("fraud_kind").shift())
    )
    first = frauds.filter(begins.fill_null(value=True))["row"].to_numpy()
    tested = np.concatenate([one.fold.test for one in run])
    assert timing.incidents == len(np.intersect1d(first, tested))
    assert timing.incidents < found.whole.frauds
    assert timing.incidents == sum(kind.timing.incidents for kind in found.kinds if kind.timing)
    assert timing.at_first.value <= timing.early.value <= timing.found.value
    assert timing.place >= 1
    assert timing.hours >= 0
    assert len(found.first[ALL].row) == timing.incidents


def test_segments_split_the_rows_and_have_average_precisions_of_their_own(
    found: Findings, run: list[Round]
) -> None:
    rows = sum(len(one.fold.test) for one in run)
    for title in (AMOUNT, "channel"):
        parts = [one.found for one in found.segments if one.segment == title]
        assert sum(part.rows for part in parts) == rows
        assert sum(part.alerts for part in parts) == found.whole.alerts
        assert sum(part.frauds for part in parts) == found.whole.frauds
    channel = next(one.found for one in found.segments if one.segment == "channel")
    code = PLAIN.frame["channel"].to_numpy()
    chosen = {name: SEGMENTS["channel"].of(name) for name in SEGMENTS["channel"].names}[channel.name]
    assert len(np.unique(code[chosen])) == 1
    folds = []
    for one in run:
        here, scored = chosen[one.fold.test], one.judged[RECIPE].scored
        folds.append(average_precision_score(scored.label[here], scored.score[here]))
    assert channel.average_precision == pytest.approx(np.mean(folds))


def test_amounts_fall_into_bands() -> None:
    bands = amount_bands(np.array([0.0, 0.5, 10.0, 29.99, 30.0, 9_999.0, 10_000.0, 1e9]))
    assert [bands.names[code] for code in bands.code] == [
        "0, or other currency", "below 10", "10 to 30", "10 to 30", "30 to 100", "3,000 to 10,000",
        "10,000 and more", "10,000 and more",
    ]  # fmt: skip


def test_without_kinds_all_frauds_are_told_of_and_their_incidents(run: list[Round], found: Findings) -> None:
    for kinds in (None, pl.Series("fraud_kind", [""] * len(PLAIN))):
        plain = findings(run, history(TABLE, DATASET), kinds, {}, settings())
        assert plain.kinds == ()
        assert plain.whole.recall == found.whole.recall
        assert plain.whole.timing is not None
        assert plain.whole.timing.incidents > 0


def test_frauds_without_a_kind_and_kinds_beyond_thirty_have_names_too(run: list[Round]) -> None:
    some = with_kinds(PLAIN, ["swap", ""])
    told = findings(run, history(TABLE, DATASET), some.kinds, {}, settings()).kinds
    assert {kind.name for kind in told} == {"swap", NOT_NAMED}
    many = with_kinds(PLAIN, [f"case {number}" for number in range(len(PLAIN))])
    told = findings(run, history(TABLE, DATASET), many.kinds, {}, settings()).kinds
    assert told[-1].name == OTHERS
    assert sum(kind.frauds for kind in told) == sum(int(one.judged[RECIPE].scored.label.sum()) for one in run)


def test_the_document_holds_every_figure_and_no_nan(found: Findings) -> None:
    told = json.loads(as_json(findings_document(found)))
    assert [kind["name"] for kind in told["kinds"]["kinds"]] == [kind.name for kind in found.kinds]
    assert told["kinds"]["all"]["incidents"]["number"] == found.whole.timing.incidents
    assert told["kinds"]["incident_gap_days"] == 7
    assert {part["segment"] for part in told["segments"]} == {AMOUNT, "channel"}
    assert "incidents" not in told["segments"][0]


def test_the_tables_fit_into_80_columns(found: Findings) -> None:
    said = io.StringIO()
    show_findings(found, Console(file=said, width=80))
    text = said.getvalue()
    for name in ("of each kind, at 6 alerts a day", "swap", "drain", ALL, "By segment", "channel"):
        assert name in text
    assert "…" not in text


def test_the_same_findings_give_the_same_plot(found: Findings, tmp_path: Path) -> None:
    path = write_kinds_plot(found, tmp_path / "a")
    again = write_kinds_plot(found, tmp_path / "b")
    assert path.name == "kinds.svg"
    assert path.read_bytes() == again.read_bytes()
    assert "drain" in path.read_text()
