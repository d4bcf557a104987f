from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from kuntur.features import FEATURE_NAMES
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import RejectReport, Table, canonical_schema
from trainer.dataset.history import replay
from trainer.dataset.training_set import build
from trainer.sources.labels import known_at

SECRET = secret_from_hex(DEFAULT_HASH_KEY)
START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def us(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def table(days: int, *outcomes: tuple[int, bool, float]) -> Table:
    """One transaction a day of one account, t0 on the first; outcomes: of which, fraud, reported on day."""
    rows = [
        {
            "transaction_id": f"t{day}", "institution_id": "bank", "event_time": START + day * DAY,
            "account_id": "a", "amount_minor": 100, "currency_code": "PEN", "merchant_id": "m",
            "source_row": day,
        }
        for day in range(days)
    ]  # fmt: skip
    told = [
        {
            "transaction_id": f"t{number}", "institution_id": "bank", "is_fraud": fraud,
            "reported_time": START + day * DAY,
        }
        for number, fraud, day in outcomes
    ]  # fmt: skip
    schema = canonical_schema()
    blank = {name: "" for name, kind in schema.items() if kind == pl.String}
    zero = dict.fromkeys(("type", "channel", "account_type"), 0)
    frame = pl.DataFrame([blank | zero | row for row in rows], schema=schema)
    named = ("transaction_id", "institution_id", "is_fraud", "reported_time")
    log = pl.DataFrame(told, schema={name: schema[name] for name in named}).sort("reported_time")
    return Table(frame, RejectReport(rows_read=days, rows_rejected=0, findings=(), path=None), log)


def at(given: Table, day: float) -> Table:
    return known_at(given, START + day * DAY)


CORRECTED = table(40, (0, True, 10.0), (0, False, 20.0), (1, False, 12.0), (1, True, 25.0), (1, True, 30.0))


def test_labels_stand_as_the_last_report_of_a_moment_has_them() -> None:
    for day, expected in ((9.9, []), (10, [0]), (19.9, [0]), (20, []), (25, [1]), (39, [1])):
        labels = build(at(CORRECTED, 39), SECRET, lambda _: None).labels_at(us(START + day * DAY))
        assert np.flatnonzero(labels).tolist() == expected
        assert at(CORRECTED, day).frame["is_fraud"].fill_null(value=False).arg_true().to_list() == expected


def test_a_report_that_only_repeats_keeps_the_time_of_the_first() -> None:
    assert at(CORRECTED, 39).frame["reported_time"][1] == START + 25 * DAY


def test_features_see_a_corrected_outcome_until_its_correction() -> None:
    replayed = replay(at(CORRECTED, 39), SECRET)
    frauds = replayed.features[:, FEATURE_NAMES.index("merchant_fraud_count_30d")]
    expected = [0] * 11 + [1] * 10 + [0] * 5 + [1] * 14  # t0 from day 11 to 20, t1 from day 26
    assert frauds.tolist() == expected


def test_what_was_reported_later_changes_nothing_not_even_the_hash() -> None:
    earlier = table(40, (0, True, 10.0))
    assert at(CORRECTED, 11).frame.equals(at(earlier, 11).frame)
    assert at(CORRECTED, 11).data_hash == at(earlier, 11).data_hash
    assert at(CORRECTED, 12).data_hash != at(earlier, 12).data_hash


def test_a_correction_is_part_of_what_the_hash_names() -> None:
    plain = table(40, (0, False, 20.0))
    corrected = table(40, (0, True, 10.0), (0, False, 20.0))
    assert at(plain, 39).frame.equals(at(corrected, 39).frame)
    assert at(plain, 39).data_hash != at(corrected, 39).data_hash


def test_the_last_labels_of_a_file_are_cut_at_the_moment_too() -> None:
    frame = at(CORRECTED, 39).frame
    cut = at(replace(CORRECTED, frame=frame, outcomes=None), 24)
    assert cut.frame["is_fraud"].to_list()[:2] == [False, None]
