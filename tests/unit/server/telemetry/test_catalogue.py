from __future__ import annotations

import re
from pathlib import Path

from server.telemetry.catalogue import CATALOGUE
from server.telemetry.document import render

ROOT = Path(__file__).parents[4]
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
NAME = re.compile(r"`(kuntur_[a-z_]+)[`{]")


def test_no_two_metrics_have_one_name() -> None:
    assert len({declared.name for declared in CATALOGUE}) == len(CATALOGUE)


def test_the_page_of_metrics_is_that_of_the_catalogue() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == render()


def test_every_metric_that_a_page_names_is_exposed_under_that_name() -> None:
    exposed = {declared.exposed for declared in CATALOGUE}
    named = {(path.name, name) for path in PAGES for name in NAME.findall(path.read_text(encoding="utf-8"))}
    assert {name for _, name in named} >= exposed  # that of metrics among them
    assert {(page, name) for page, name in named if name not in exposed} == set()
