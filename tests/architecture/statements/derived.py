"""What pages tell of the server that is no constant: sizes of records, shares, what other files say."""

from __future__ import annotations

import re

from tests.architecture.statements.reading import ROOT, Code, default, of

ACCOUNT = of("kuntur.records.layout", "ACCOUNT_RECORD_WORDS").by(8)
PROFILE = of("kuntur.records.layout", "PROFILE_RECORD_WORDS").by(8)
RECENT = of("kuntur.history.recent", "RECORD_WORDS").by(8)


def index_bytes(module: str, least: bool) -> Code:
    """Returns the bytes of index for each record, at the least or the most over many sizes of table."""

    def look() -> int:
        places = of(module, "places").value()
        shares = [8 * places(capacity) / capacity for capacity in range(1_000, 70_000, 7)]
        return round(min(shares) if least else max(shares))

    return Code(f"{module}.places", look)


def recent_bytes(least: bool) -> Code:
    index = index_bytes("kuntur.history.recent", least)
    return Code("a latest transaction with its index", lambda: int(RECENT.value()) + int(index.value()))


def recent_by_default() -> Code:
    def look() -> float:
        from kuntur.history.recent import words_needed

        count = default("server", "history.recent_transactions").value()
        return round(8 * words_needed(count) / count)

    return Code("a latest transaction with its index, by default", look)


def records_a_step() -> Code:
    step = of("server.state.region.scrubber", "_STEP_S")
    rate = default("server", "history.check_records_per_s")
    return Code("check_records_per_s × _STEP_S", lambda: rate.value() * step.value())


def number_in(file: str, pattern: str) -> Code:
    """Returns a number of a file that is no Python module."""

    def look() -> float:
        found = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"))
        return float(found[1]) if found else float("nan")

    return Code(f"{file}: {pattern}", look)


def one_less(module: str, name: str) -> Code:
    """Returns by how much a factor raises."""
    found = of(module, name)
    return Code(f"{found.told} - 1", lambda: found.value() - 1)


def one_of(module: str, name: str) -> Code:
    """Returns the share that a divisor leaves."""
    found = of(module, name)
    return Code(f"1 / {found.told}", lambda: 1 / found.value())


def length_of(module: str, name: str) -> Code:
    """Returns how long a constant is."""
    found = of(module, name)
    return Code(f"len({found.told})", lambda: len(found.value()))


LEAST, MOST = index_bytes("kuntur.records.table", True), index_bytes("kuntur.records.table", False)
FEATURES = length_of("kuntur.features", "CATALOGUE")
KEY = length_of("kuntur.hash_key", "DEFAULT_HASH_KEY")
PYTHON = number_in("pyproject.toml", r'requires-python = ">=([\d.]+)"')
UID = number_in("docker/server.Dockerfile", r"USER (\d+):")
