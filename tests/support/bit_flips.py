"""`python -m tests.support.bit_flips`: what single flipped bits in the file of a history come to.

Flips are tried in a child process, many in each; where it dies or hangs another goes on behind that flip. One
that ends with the exit code of a lost history has said why.

With --running a bit flips in an open file, which is used and then looked through once, as is done in the
background: what was wrong meanwhile and is said then is told apart.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import structlog

from kuntur.records import undo
from kuntur.transaction import IntColumn, KeyColumn, TransactionBatch
from server.host.lost_history import EXIT_CODE
from server.state import HistorySizes, Region, RegionError, RegionHistory
from server.state.region.layout import parts_of
from tests.contract.history_store import HOUR_US
from tests.property.histories import make_history

SIZES = HistorySizes(accounts=64, merchants=64, devices=64, categories=16, recent_transactions=512)
SAID, HARMLESS, WRONG, CRASH, HANG = "said", "harmless", "wrong unnoticed", "crash", "hang"
LATE = "wrong, then said"
_HANG_S = 120.0
_CUT_OFF = "cut off"


def make_files(directory: Path) -> None:
    """Writes the file of a server that was stopped, and that of one that was killed within a step."""
    for name in ("stopped", _CUT_OFF):
        region = Region.open(directory / name, SIZES)
        store = RegionHistory(region)
        batch, outcomes = make_history(400, 5, days=3, accounts=12, late_share=0.05)
        store.score_features(batch)
        store.report(outcomes)
        store.report(type(outcomes)(outcomes.keys, outcomes.reported_time_us + HOUR_US, ~outcomes.is_fraud))
        if name == _CUT_OFF:
            start = next(first for part, first, _ in parts_of(SIZES, sealed=True) if part == "account")
            for first in (start, start + 200):
                undo.keep(region.history.undo, region.memory, 0, first, 128)
                region.memory[first : first + 128] = 99
            region._write_header(closed=False)
            region.close = lambda: None  # type: ignore[method-assign]
        region.close()


def flips(raw: bytes, count: int, seed: int) -> Iterator[tuple[int, int]]:
    """Yields words and bits: parts alike, half of the words not 0."""
    chance = np.random.default_rng(seed)
    words = np.frombuffer(raw, dtype=np.int64)
    parts = [(0, 256), *((first, length) for _, first, length in parts_of(SIZES, sealed=True))]
    for _ in range(count):
        first, length = parts[chance.integers(len(parts))]
        written = np.flatnonzero(words[first : first + length])
        anywhere = chance.random() < 0.5 or not len(written)
        word = chance.integers(length) if anywhere else chance.choice(written)
        yield first + int(word), int(chance.integers(64))


def used(region: Region) -> str:
    """Returns a digest of all that a server answers from a history: features, outcomes, counts."""
    store = RegionHistory(region)
    batch, outcomes = make_history(60, 6, days=1, accounts=12, late_share=0.05)
    known, reported = make_history(400, 5, days=3, accounts=12, late_share=0.05)
    digest = hashlib.sha256()
    for rows in (known, batch):  # those that are known change nothing
        copy = TransactionBatch(rows.keys.copy(), rows.ints.copy(), rows.floats.copy(), {})
        digest.update(store.score_features(copy).tobytes())
    digest.update(store.report(reported).tobytes() + store.report(outcomes).tobytes())
    late = TransactionBatch(batch.keys.copy(), batch.ints.copy(), batch.floats.copy(), {})
    late.keys[:, KeyColumn.TRANSACTION] += np.uint64(1 << 40)
    late.ints[:, IntColumn.EVENT_TIME_US] += 40 * HOUR_US
    late.ints[:, IntColumn.COUNTED] = 1
    digest.update(store.score_features(late).tobytes())
    return digest.hexdigest() + repr(store.counts())


def outcome(path: Path, raw: bytes, word: int, bit: int, expected: str, *, running: bool) -> str:
    """Opens and uses a file with a flipped bit; running: it flips once the file is open."""
    flipped = np.frombuffer(bytearray(raw), dtype=np.uint64)
    if not running:
        flipped[word] ^= np.uint64(1 << bit)
    path.write_bytes(flipped.tobytes())
    with structlog.testing.capture_logs() as logs:
        try:
            region = Region.open(path, SIZES)
        except RegionError:
            return SAID
        if running:
            region.memory.view(np.uint64)[word] ^= np.uint64(1 << bit)
        found = used(region)
        said = any(entry["log_level"] == "error" for entry in logs)
        if running:
            for check in RegionHistory(region).checks(256):
                check()
        region.close()
    if said:
        return SAID
    said = any(entry["log_level"] == "error" for entry in logs)
    if found == expected:
        return SAID if said else HARMLESS
    return LATE if said else WRONG


def _child(directory: Path, count: int, seed: int, begin: int, *, running: bool) -> None:
    for name in ("stopped", _CUT_OFF):
        raw = (directory / name).read_bytes()
        path = directory / "tried"
        with structlog.testing.capture_logs():
            path.write_bytes(raw)
            region = Region.open(path, SIZES)
            expected = used(region)
            region.close()
        half = list(flips(raw, count // 2, seed))
        offset = 0 if name == "stopped" else len(half)
        for number, (word, bit) in enumerate(half, offset):
            if number < begin:
                continue
            sys.stdout.write(f"{outcome(path, raw, word, bit, expected, running=running)}\n")
            sys.stdout.flush()


def try_flips(directory: Path, count: int, seed: int, *, running: bool = False) -> Counter[str]:
    """Returns how many flips came to what; count: even."""
    make_files(directory)
    found: list[str] = []
    while len(found) < count:
        command = [sys.executable, "-m", "tests.support.bit_flips", "--in", str(directory)]
        command += ["--flips", str(count), "--seed", str(seed), "--begin", str(len(found))]
        command += ["--running"] if running else []
        with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as child:
            assert child.stdout is not None
            rest, ended = b"", CRASH
            while True:
                if not select.select([child.stdout], [], [], _HANG_S)[0]:
                    ended = HANG
                    child.kill()
                    break
                if not (read := os.read(child.stdout.fileno(), 65_536)):
                    break
                *lines, rest = (rest + read).split(b"\n")
                found += [line.decode() for line in lines]
        if child.returncode > 0 and child.returncode != EXIT_CODE:
            raise RuntimeError("the child process failed; what it wrote tells why")
        if len(found) < count:
            found.append(SAID if child.returncode == EXIT_CODE else ended)
    return Counter(found)


def main() -> None:
    """Tries flips and prints what they came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--running", action="store_true", help="flip bits of a file that is open")
    parser.add_argument("--in", dest="directory", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--begin", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.directory is not None:
        _child(args.directory, args.flips, args.seed, args.begin, running=args.running)
        return
    with tempfile.TemporaryDirectory() as directory:
        found = try_flips(Path(directory), args.flips, args.seed, running=args.running)
    for name in (SAID, HARMLESS, LATE, WRONG, CRASH, HANG):
        sys.stdout.write(f"{name:16} {found[name]:6,}\n")


if __name__ == "__main__":
    main()
