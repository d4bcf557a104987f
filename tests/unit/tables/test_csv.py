from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from kuntur.tables import Mapping, Reason, SourceError, TooManyRejects, read

HEADER = "id,at,card,sum,shop,score"
GOOD = "{},2024-05-01T00:00:00,c,1.50,shop,0.5"
MAPPING = {
    "columns": {"transaction_id": "id", "event_time": "at", "account_id": "card", "amount_minor": "sum"},
    "constants": {"currency_code": "PEN"},
    "amount": {"unit": "major"},
}
ONLY_SOME_COLUMNS = Mapping.model_validate(MAPPING)
EVERY_COLUMN = Mapping.model_validate(
    MAPPING
    | {
        "columns": MAPPING["columns"] | {"merchant_id": "shop"},
        "attributes": {"risk": "score"},
    }
)


def write(tmp_path: Path, *lines: str, end: str = "\n", encoding: str = "utf-8") -> Path:
    path = tmp_path / "bank.csv"
    path.write_bytes("".join(line + end for line in (HEADER, *lines)).encode(encoding))
    return path


@pytest.mark.parametrize("mapping", [ONLY_SOME_COLUMNS, EVERY_COLUMN], ids=["some", "every"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(
    ("row", "count"),
    [
        ("t,2024-05-01T00:00:00,c,1.50,Shop, Lima,0.5", 7),
        ("t,2024-05-01T00:00:00,c,1.50,shop,0.5,", 7),
        ("t,2024-05-01T00:00:00,c,1.50,shop", 5),
        ("t", 1),
        (GOOD.format(0) + ",", 7),
    ],
)
def test_a_row_that_does_not_fit_the_header_is_rejected_with_its_line(
    tmp_path: Path, mapping: Mapping, end: str, row: str, count: int
) -> None:
    report = tmp_path / "rejects.csv"
    path = write(tmp_path, GOOD.format(0), row, GOOD.format(2), end=end)
    table = read(path, mapping, max_reject_share=1, reject_path=report)
    assert table.frame["transaction_id"].to_list() == ["0", "2"]
    assert table.frame["source_row"].to_list() == [0, 2]
    assert table.rejects.counts == {Reason.RAGGED: 1}
    written = pl.read_csv(report, infer_schema=False).row(0, named=True)
    assert written["file_row"] == "2"
    assert written["source_row"] == "1"
    assert (written["reason"], written["field"]) == ("ragged", "row")
    assert written["value"] == f"line 3 has {count} values, the header 6"


def test_a_row_that_does_not_fit_is_told_even_outside_the_wanted_times(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.format(0), GOOD.format(1) + ",", GOOD.format(2))
    late = datetime(2025, 1, 1, tzinfo=UTC)
    assert read(path, ONLY_SOME_COLUMNS, max_reject_share=1, since=late).rejects.rows_rejected == 1


def test_too_many_ragged_rows_say_what_to_do(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.format(0) + ",")
    with pytest.raises(TooManyRejects, match=r"1 ragged, such as 'line 2 has 7 .* must stand in quotes"):
        read(path, ONLY_SOME_COLUMNS)


def test_quoted_separators_quotes_and_line_ends_belong_to_their_value(tmp_path: Path) -> None:
    odd = 't1,2024-05-01T00:00:00,c,1.50,"Shop, ""La\nBoticaria""",0.5'
    path = write(tmp_path, GOOD.format(0), odd, GOOD.format(2), GOOD.format(3) + ",")
    table = read(path, EVERY_COLUMN, max_reject_share=1)
    assert table.frame["merchant_id"].to_list() == ["shop", 'Shop, "La\nBoticaria"', "shop"]
    assert table.rejects.findings[0].example == "line 6 has 7 values, the header 6"


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    table = read(write(tmp_path, GOOD.format(0), "", GOOD.format(1), "", ""), ONLY_SOME_COLUMNS)
    assert table.frame["transaction_id"].to_list() == ["0", "1"]
    assert table.rejects.rows_read == 2


def test_ragged_rows_of_a_second_file_are_told_with_that_file(tmp_path: Path) -> None:
    first = tmp_path / "a.csv"
    first.write_text(f"{HEADER}\n{GOOD.format(0)}\n")
    report = tmp_path / "rejects.csv"
    second = write(tmp_path, GOOD.format(1) + ",")
    read([first, second], ONLY_SOME_COLUMNS, max_reject_share=1, reject_path=report)
    row = pl.read_csv(report).row(0, named=True)
    assert (row["source_file"], row["file_row"], row["source_row"]) == (str(second), 1, 1)


OPEN_QUOTE = 't1,2024-05-01T00:00:00,c,1.50,"shop,0.5'
QUOTE_INSIDE = 't1,2024-05-01T00:00:00,c,1.50,the "big shop,0.5'


@pytest.mark.parametrize(
    "rows",
    [
        (OPEN_QUOTE,),
        (QUOTE_INSIDE,),
        (OPEN_QUOTE, GOOD.format(2)),
        (QUOTE_INSIDE, GOOD.format(2), QUOTE_INSIDE),
    ],
    ids=["open, last", "inside, last", "open", "inside, twice"],
)
def test_quotes_that_do_not_pair_up_are_a_source_error_with_file_and_line(
    tmp_path: Path, rows: tuple[str, ...]
) -> None:
    path = write(tmp_path, GOOD.format(0), *rows)
    with pytest.raises(SourceError, match=r"bank\.csv: .*do not pair up, look at line 3: .* doubled"):
        read(path, ONLY_SOME_COLUMNS)


def test_an_open_quote_at_the_very_end_of_a_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text(f"{HEADER}\n{OPEN_QUOTE}")
    with pytest.raises(SourceError, match="look at line 2"):
        read(path, ONLY_SOME_COLUMNS)


def test_a_quote_that_is_not_doubled_is_a_source_error_without_advice_on_polars(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.format(0).replace("shop", '"the "big" shop, Lima"x'), GOOD.format(1))
    with pytest.raises(SourceError, match="the quote inside it doubled") as caught:
        read(path, EVERY_COLUMN)
    assert "infer_schema" not in str(caught.value)


def test_a_quote_that_swallows_much_of_a_file_is_told_by_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.format(0), '"', *(GOOD.format(number) for number in range(5_000)))
    with pytest.raises(SourceError, match="look at line 3"):
        read(path, ONLY_SOME_COLUMNS)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_that_is_not_utf8_is_a_source_error_with_file_line_and_remedy(
    tmp_path: Path, encoding: str
) -> None:
    path = write(tmp_path, GOOD.format(0), GOOD.format("ñ"), encoding=encoding)
    line = {"latin-1": 3, "utf-16": 1}[encoding]
    with pytest.raises(SourceError, match=rf"bank\.csv: .*line {line} is not UTF-8: save the file as UTF-8"):
        read(path, ONLY_SOME_COLUMNS)


def test_utf8_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.format("ñ"), GOOD.format('"q"'), encoding="utf-8-sig")
    assert read(path, ONLY_SOME_COLUMNS).frame["transaction_id"].to_list() == ["ñ", "q"]


def test_a_file_with_another_separator_is_told_the_setting_for_it(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text(f"{HEADER}\n{GOOD.format(0)}\n".replace(",", ";"))
    with pytest.raises(SourceError, match=r"separated by ';'.*csv_separator"):
        read(path, ONLY_SOME_COLUMNS)
    semicolon = Mapping.model_validate(MAPPING | {"csv_separator": ";"})
    assert len(read(path, semicolon)) == 1


@pytest.mark.parametrize("text", ["NaN", "nan"])
def test_nan_as_text_is_unset_where_the_mapping_says_so(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, f"t,2024-05-01T00:00:00,c,1.50,{text},{text}")
    unset = read(path, EVERY_COLUMN.model_copy(update={"nan_is_unset": True})).frame
    assert unset.select("merchant_id", "attribute.risk").row(0) == ("", None)
    rejected = read(path, EVERY_COLUMN, max_reject_share=1).rejects
    assert [(finding.reason, finding.field) for finding in rejected.findings] == [
        (Reason.NOT_FINITE, "attribute.risk")
    ]
