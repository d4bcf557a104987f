"""A single flipped bit of a journal, its tree, its checkpoints or a snapshot is found, or changes nothing.

`FLIPS` of the environment is how many; 100,000 by default. What changes nothing tests.support.flipped says.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import structlog

from server.state import Region, RegionError
from tests.support.bit_flips import SIZES, make_files, used
from tests.support.flipped import WITNESS, files_of, is_leant_on, signed_thrice
from tests.support.results import record

FLIPS = int(os.environ.get("FLIPS", "100000"))
_SHARES = {"journal": 0.5, "tiles": 0.2, "checkpoints": 0.2, "snapshots": 0.1}
FOUND, HARMLESS, UNNOTICED = "found", "harmless", "unnoticed"


def kind_of(path: Path) -> str:
    if path.suffix == ".kj":
        return "journal"
    return "tiles" if "tile" in path.parts else "checkpoints"


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def in_signed_journal(folder: Path, kind: str, flips: int) -> Counter[str]:
    """Returns what flips in files of a kind come to."""
    journal, chance, found = signed_thrice(folder), random.Random(kind), Counter[str]()
    files = {path: path.read_bytes() for path in files_of(journal) if kind_of(path) == kind}
    for _ in range(flips):
        path, content = chance.choice(list(files.items()))
        bit = chance.randrange(8 * len(content))
        path.write_bytes(flipped(content, bit))
        if not journal.verify(witnesses=[WITNESS.verifier]).holds:
            found[FOUND] += 1
        else:
            found[UNNOTICED if is_leant_on(path, content, bit // 8) else HARMLESS] += 1
        path.write_bytes(content)
    return found


def in_snapshot(folder: Path, flips: int) -> Counter[str]:
    """Returns what flips in a snapshot come to: harmless where all that is answered is the same."""
    folder.mkdir()
    make_files(folder)
    path, chance, found = folder / "stopped", random.Random("snapshots"), Counter[str]()
    content, region = path.read_bytes(), Region.create(SIZES)
    written = [place for place in range(len(content)) if content[place]]
    region.load(path)
    expected = used(region)
    for _ in range(flips):
        byte = chance.choice(written) if chance.random() < 0.9 else chance.randrange(len(content))
        _put(path, byte, content[byte] ^ 1 << chance.randrange(8))
        region.clear()
        try:
            region.load(path)
        except (RegionError, OSError):
            found[FOUND] += 1
        else:
            found[HARMLESS if used(region) == expected else UNNOTICED] += 1
        _put(path, byte, content[byte])
    return found


def _put(path: Path, at: int, value: int) -> None:
    with path.open("r+b") as file:  # not the whole of it: most of a snapshot is a hole
        file.seek(at)
        file.write(bytes([value]))


def test_every_flipped_bit_is_found_or_harmless(tmp_path: Path) -> None:
    found, of_kind = Counter[str](), dict[str, int]()
    with structlog.testing.capture_logs() as logs:
        for kind, share in _SHARES.items():
            flips = round(share * FLIPS)
            one = (
                in_snapshot(tmp_path / kind, flips)
                if kind == "snapshots"
                else in_signed_journal(tmp_path / kind, kind, flips)
            )
            logs.clear()
            assert one[UNNOTICED] == 0, kind
            found += one
            of_kind |= {kind: flips, f"{kind}_harmless": one[HARMLESS]}
    figures = {name: found[name] for name in (FOUND, HARMLESS, UNNOTICED)}
    record("bit-flips", flips=found.total(), **figures, **of_kind)
