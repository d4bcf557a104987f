"""What proof costs: leaf hashes, the tree, tiles on the disk, checkpoints, proofs, witnesses (one core).

`python -m bench.costs.transparency` writes bench/results/transparency.json. It needs no server and no model.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import typer

from bench.costs.verification import measure
from bench.measuring.report import Sheet, write
from kuntur.transparency.notes.checkpoint import Checkpoint, open_checkpoint
from kuntur.transparency.notes.key_files import write_key
from kuntur.transparency.notes.keys import KeyKind, SigningKey
from kuntur.transparency.notes.note import Note
from kuntur.transparency.notes.proof import TlogProof
from kuntur.transparency.signing.checkpointer import Checkpointer, LogPlan
from kuntur.transparency.tree.hashing import leaf_hashes
from kuntur.transparency.tree.stored import StoredTree
from kuntur.transparency.tree.tree import Tree

_RECORD_BYTES = 600  # a call of one transaction with its answer
_LEAVES = 100_000
_REPEATS = 5
_ORIGIN = "bank.example/journal"


def _least_s(work: Callable[[], object]) -> float:
    """Returns the least processor time of several runs: what disturbs a run only adds."""
    times = []
    for _ in range(_REPEATS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def _hashing(figures: dict[str, float]) -> None:
    records = [os.urandom(_RECORD_BYTES) for _ in range(_LEAVES)]
    seconds = _least_s(lambda: leaf_hashes(records))
    figures["leaf_hash_us"] = seconds / _LEAVES * 1e6
    figures["leaf_hash_mb_per_s"] = _LEAVES * _RECORD_BYTES / seconds / 1e6


def _growing(folder: Path, figures: dict[str, float]) -> None:
    leaves = np.frombuffer(os.urandom(32 * _LEAVES), np.uint8).reshape(-1, 32)

    def append() -> None:
        Tree(folder / "never written").append(leaves)

    figures["append_us"] = _least_s(append) / _LEAVES * 1e6
    tree = Tree(folder)
    tree.append(leaves)
    began, wall = time.process_time(), time.perf_counter()
    tree.save()
    tiles = _LEAVES // 256
    figures["tile_cpu_us"] = (time.process_time() - began) / tiles * 1e6
    figures["tile_wall_us"] = (time.perf_counter() - wall) / tiles * 1e6
    root = tree.root()

    def proofs() -> None:
        reader = StoredTree(folder, _LEAVES, root)
        for index in range(0, _LEAVES, 1000):
            reader.inclusion(index)

    figures["proof_us"] = _least_s(proofs) / len(range(0, _LEAVES, 1000)) * 1e6
    key = SigningKey.generate(_ORIGIN, KeyKind.LOG)
    note = Note(Checkpoint(_ORIGIN, _LEAVES, root).text).signed([key]).encode()
    figures["open_checkpoint_us"] = _least_s(lambda: open_checkpoint(note, [key.verifier])) * 1e6
    path = tuple(tree.inclusion(5))
    proof = TlogProof(5, path, note)
    figures["check_proof_us"] = _least_s(lambda: proof.check(leaves[5].tobytes(), [key.verifier])) * 1e6
    figures["proof_bytes"] = len(proof.encode())
    figures["proof_bytes_1e9"] = len(proof.encode()) + (30 - len(path)) * 45


def _signing(folder: Path, figures: dict[str, float]) -> None:
    """Measures a checkpoint over 1,000 entries: tiles, proof, signature, two places."""
    key = SigningKey.generate(_ORIGIN, KeyKind.LOG)
    write_key(folder / "keys" / "one.key", key)
    leaves = np.frombuffer(os.urandom(32 * _LEAVES), np.uint8).reshape(-1, 32)
    plan = LogPlan(folder / "tree", folder / "keys", (folder / "elsewhere",))
    checkpointer = Checkpointer(plan, lambda index: leaves[index : index + 1000], print)
    rounds = 50
    began, wall = time.process_time(), time.perf_counter()
    for _ in range(rounds):
        checkpointer.take()
        checkpointer.sign()
    figures["checkpoint_1000_cpu_ms"] = (time.process_time() - began) / rounds * 1e3
    figures["checkpoint_1000_wall_ms"] = (time.perf_counter() - wall) / rounds * 1e3
    checkpointer.close()


def main() -> None:
    """Measures, and writes the table."""
    figures: dict[str, float] = {}
    _hashing(figures)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        _growing(Path(folder) / "log", figures)
        _signing(Path(folder), figures)
        measure(Path(folder) / "calls", 600, "calls", figures)
        measure(Path(folder) / "frames", 20_000, "frames", figures)
    rows = [
        ("leaf hash of a record of 600 bytes", "{leaf_hash_us:.2f} µs ({leaf_hash_mb_per_s:,.0f} MB/s)"),
        ("its nodes in the tree", "{append_us:.2f} µs"),
        ("a tile of 256 on the disk, synced", "{tile_cpu_us:,.0f} µs ({tile_wall_us:,.0f} µs with the disk)"),
        (
            "a checkpoint over 1,000 entries, all of it",
            "{checkpoint_1000_cpu_ms:.1f} ms ({checkpoint_1000_wall_ms:.1f} ms with the disk)",
        ),
        ("an audit path out of 100,000 entries", "{proof_us:,.0f} µs"),
        ("checking a checkpoint's signature", "{open_checkpoint_us:,.0f} µs"),
        ("checking a proof file", "{check_proof_us:,.0f} µs"),
        ("verifying a journal of records of 600 bytes", "{calls_verified_mb_per_s:,.0f} MB/s"),
        ("verifying a journal of frames of 20 kB", "{frames_verified_mb_per_s:,.0f} MB/s"),
        ("taking records of 600 bytes to sign them", "{calls_leaves_per_s:,.0f}/s"),
        (
            "size of a proof file without the record",
            "{proof_bytes:,.0f} bytes; {proof_bytes_1e9:,.0f} of 10^9 entries",
        ),
    ]
    sheet = Sheet(
        "Proof, processor time of one core",
        ("step", "cost"),
        [(what, form.format_map(figures)) for what, form in rows],
    )
    write("transparency", figures, sheet)


if __name__ == "__main__":
    typer.run(main)
