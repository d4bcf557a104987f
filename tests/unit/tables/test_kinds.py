"""What kind of fraud a row was: read beside the label, on frauds alone, and never as an input."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kuntur.fields.schema import FRAUD_KIND
from kuntur.tables import MappingError, Reason, SourceError, Table, read, read_frame, to_batch
from tests.unit.tables.test_mapping import MINIMAL, load
from trainer.backtest.raw_columns import raw_columns
from trainer.sources.labels import known_at

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
LABEL = """
[label]
column = "verdict"
fraud = ["F"]
legitimate = ["L"]
delay_days = 3
kind = "how"
"""


def rows(*kinds: tuple[str | None, str | None]) -> pl.DataFrame:
    """Returns a transaction each hour with its verdict and kind."""
    count = len(kinds)
    return pl.DataFrame(
        {
            "id": [f"t{number}" for number in range(count)],
            "when": [NOON + timedelta(hours=number) for number in range(count)],
            "card": ["a"] * count,
            "amount": [100] * count,
            "verdict": [verdict for verdict, _ in kinds],
            "how": [how for _, how in kinds],
        },
        schema_overrides={"verdict": pl.String, "how": pl.String},
    )


CASES = rows(("F", " phishing "), ("L", "none"), ("F", None), (None, "unclear"), ("F", "SIM swap"))
READ = ["phishing", "", "", "", "SIM swap"]


def from_frame(tmp_path: Path, frame: pl.DataFrame, head: str = "", **options: float) -> Table:
    return read_frame(frame, "cases", load(tmp_path, head + MINIMAL + LABEL), **options)


def test_a_kind_counts_on_frauds_alone_whatever_stands_elsewhere(tmp_path: Path) -> None:
    table = from_frame(tmp_path, CASES)
    assert table.kinds is not None
    assert table.kinds.to_list() == READ
    assert table.frame.columns[-2:] == [FRAUD_KIND, "source_row"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_files_of_every_format_carry_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"cases.{ending}"
    frame = CASES.with_columns(pl.col("when").dt.to_string("iso"))
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "jsonl": frame.write_ndjson}[ending](path)
    found = read(path, load(tmp_path, MINIMAL + LABEL)).kinds
    assert found is not None
    assert found.to_list() == READ


def test_a_kind_kept_as_a_number_is_text(tmp_path: Path) -> None:
    numbers = CASES.with_columns(pl.Series("how", [1.0, 0.0, None, 2.0, 3.0]))
    assert from_frame(tmp_path, numbers).frame[FRAUD_KIND].to_list() == ["1", "", "", "", "3"]


def test_one_file_of_several_may_lack_an_optional_kind_and_all_may(tmp_path: Path) -> None:
    mapping = load(tmp_path, 'optional = ["label.kind"]\n' + MINIMAL + LABEL)
    with_kind, without = tmp_path / "a.parquet", tmp_path / "b.parquet"
    CASES.write_parquet(with_kind)
    CASES.drop("how").with_columns(pl.col("id") + "b").write_parquet(without)
    both = read([with_kind, without], mapping)
    assert both.frame.sort("source_row")[FRAUD_KIND].to_list() == [*READ, *[""] * 5]
    assert read(without, mapping).kinds is None
    with pytest.raises(SourceError, match="no column 'how'"):
        read(without, load(tmp_path, MINIMAL + LABEL))


def test_a_kind_that_is_too_long_is_rejected(tmp_path: Path) -> None:
    cases = rows(("F", "x" * 129), ("L", "x" * 129), ("F", "ñ" * 64))
    found = from_frame(tmp_path, cases, max_reject_share=1)
    assert [(finding.reason, finding.field, finding.rows) for finding in found.rejects.findings] == [
        (Reason.TOO_LONG, FRAUD_KIND, 1)
    ]
    assert found.frame["transaction_id"].to_list() == ["t1", "t2"]


def test_a_kind_cannot_be_an_attribute_by_its_prefix(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="also an attribute by attribute_prefix"):
        load(tmp_path, 'attribute_prefix = "ho"\n' + MINIMAL + LABEL)


def test_a_kind_is_no_input(tmp_path: Path) -> None:
    with_kind, without = from_frame(tmp_path, CASES), from_frame(tmp_path, CASES.with_columns(how=pl.lit("")))
    assert with_kind.attributes == ()
    secret = np.array([1, 2], dtype=np.uint64)
    batches = [to_batch(table.frame, secret) for table in (with_kind, without)]
    assert np.array_equal(batches[0].keys, batches[1].keys)
    assert batches[0].attributes == batches[1].attributes == {}
    raw = [raw_columns(table.frame, "America/Lima") for table in (with_kind, without)]
    assert np.array_equal(raw[0], raw[1], equal_nan=True)


def test_a_kind_is_known_when_its_label_is(tmp_path: Path) -> None:
    table = from_frame(tmp_path, CASES)
    before, after = (known_at(table, NOON + timedelta(days=3, hours=hours)) for hours in (1, 5))
    assert before.frame[FRAUD_KIND].to_list() == ["phishing", "", "", "", ""]
    assert after.frame[FRAUD_KIND].to_list() == READ


def test_a_mapping_without_kinds_reads_the_same_rows_with_the_same_hash_as_before(tmp_path: Path) -> None:
    mapping = load(tmp_path, MINIMAL + LABEL)
    plain = load(tmp_path, MINIMAL + LABEL.replace('kind = "how"', ""))
    left, right = read_frame(CASES, "a", mapping.without_kinds()), read_frame(CASES, "b", plain)
    assert left.frame.equals(right.frame)
    assert left.data_hash == right.data_hash
    again = mapping.without_kinds()
    assert again.without_kinds() == again
