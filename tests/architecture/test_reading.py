"""What holds sentences against the code tells a wrong one, and one that is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.statements import reading
from tests.architecture.statements.reading import Code, Page, agrees, says, untrue, value_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4,096", 4096), ("five", 5), ("10^13", 1e13), ("10⁻⁶", 1e-6), ("2 × 10⁻⁶", 2e-6), ("32 KiB", 32768),
        ("1 %", 0.01), ("100 ms", 0.1), ("five minutes", 300), ("two million", 2e6), ("quarter", 0.25),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text: str, value: float) -> None:
    assert value_of(text) == pytest.approx(value)


def test_only_millions_are_round() -> None:
    assert agrees("two million", 2_097_152)
    assert not agrees("2,000,000", 2_097_152)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(reading, "page", lambda file: Page(tmp_path / file))
    (tmp_path / "a.proto").write_text("message A {\n  // At most 128\n  // bytes, 2 at a time.\n}\n", "utf-8")
    return "a.proto"


def test_a_sentence_that_says_what_the_code_does_is_true_over_the_ends_of_lines(page: str) -> None:
    assert not list(untrue(says(page, "At most {} bytes, {} at a time", 128, Code("two", lambda: 2))))


def test_a_wrong_sentence_is_told_with_file_line_and_both_values(page: str) -> None:
    (told,) = untrue(says(page, "At most {} bytes", Code("the limit", lambda: 64)))
    assert told.startswith("a.proto:2: the sentence says 128, the code 64 (the limit)")


def test_a_sentence_that_is_gone_is_told(page: str) -> None:
    (told,) = untrue(says(page, "At least {} bytes", 128))
    assert told.startswith("a.proto: nothing reads like")


def test_a_string_that_goes_on_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('x = (\n    "at most "\n    f"ten"\n)\n', "utf-8")
    assert '"at most ten"' in Page(tmp_path / "a.py").text
