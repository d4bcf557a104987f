"""The judgement of a witness, as the specification orders its checks, and what it keeps."""

from __future__ import annotations

import threading
from hashlib import sha256
from pathlib import Path

import pytest

from kuntur.transparency.errors import NoteError
from kuntur.transparency.notes.checkpoint import Checkpoint, open_checkpoint
from kuntur.transparency.notes.keys import KeyKind
from kuntur.transparency.notes.note import Note, Signature
from kuntur.transparency.notes.request import AddCheckpoint
from kuntur.transparency.tree.hashing import EMPTY_ROOT
from kuntur.transparency.tree.tree import Tree
from server.witness.refusals import (
    InconsistentCheckpointError,
    MalformedRequestError,
    OtherSizeError,
    RefusalError,
    UnknownLogError,
    UnsignedCheckpointError,
)
from server.witness.witness import Witness
from tests.support.transparency import ORIGIN, grown, leaves, records, signed, signing_key

KEY = signing_key(9, KeyKind.WITNESS)
LOG = signing_key()
TIME = 1_700_000_000


def opened(folder: Path, *logs: int) -> Witness:
    keys = [signing_key(seed).verifier for seed in logs or (1,)]
    return Witness([KEY], keys, folder, lambda: TIME)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return grown(tmp_path / "tree", records(1000))


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    return tmp_path / "seen"


def request(tree: Tree, old: int, size: int, *keys: int) -> bytes:
    note = signed(tree, *(signing_key(seed) for seed in keys or (1,)), size=size)
    return AddCheckpoint(old, tuple(tree.consistency(old, size)), note.encode()).encode()


def test_what_goes_on_is_cosigned_and_kept(tree: Tree, seen: Path) -> None:
    witness = opened(seen)
    for old, size in ((0, 0), (0, 1), (1, 1), (1, 255), (255, 256), (256, 777), (777, 777), (777, 1000)):
        lines = witness.add_checkpoint(request(tree, old, size))
        text = Checkpoint(ORIGIN, size, tree.root(size)).text
        assert Note.parse(f"{text}\n".encode() + lines).verified([KEY.verifier])
        kept = (seen / sha256(ORIGIN.encode()).hexdigest() / "checkpoint").read_bytes()
        found = open_checkpoint(kept, [LOG.verifier])
        assert found.checkpoint.size == size
        assert found.witnessed([KEY.verifier]) == {KEY.verifier: TIME}
        assert witness.checkpoint(sha256(ORIGIN.encode()).hexdigest()) == kept


def test_a_witness_remembers_over_its_end(tree: Tree, seen: Path) -> None:
    first = opened(seen)
    first.add_checkpoint(request(tree, 0, 500))
    with pytest.raises(OSError, match="another witness"):
        opened(seen)
    first.close()
    again = opened(seen)
    with pytest.raises(OtherSizeError) as refused:
        again.add_checkpoint(request(tree, 0, 1000))
    assert refused.value.size == 500
    again.add_checkpoint(request(tree, 500, 1000))
    again.close()


def refusal(witness: Witness, body: bytes) -> type[RefusalError]:
    with pytest.raises(RefusalError) as refused:
        witness.add_checkpoint(body)
    return type(refused.value)


def test_a_log_that_was_put_back_is_not_cosigned(tree: Tree, seen: Path) -> None:
    witness = opened(seen)
    witness.add_checkpoint(request(tree, 0, 1000))
    assert refusal(witness, request(tree, 0, 500)) is OtherSizeError
    assert refusal(witness, request(tree, 300, 500)) is OtherSizeError
    body = AddCheckpoint(1000, (), signed(tree, size=500).encode()).encode()
    assert refusal(witness, body) is MalformedRequestError


@pytest.mark.parametrize("size", [400, 500, 1000, 1001])
def test_a_log_that_was_forked_is_not_cosigned(tree: Tree, seen: Path, tmp_path: Path, size: int) -> None:
    witness = opened(seen)
    witness.add_checkpoint(request(tree, 0, 400))
    other = records(1001)
    other[17], other[18] = other[18], other[17]
    forked = grown(tmp_path / "forked", other)
    assert refusal(witness, request(forked, 400, size)) is InconsistentCheckpointError
    witness.add_checkpoint(request(tree, 400, 1000))


def test_each_fault_has_its_refusal(tree: Tree, seen: Path) -> None:
    witness = opened(seen)
    good = request(tree, 0, 500)
    stranger = signed(tree, signing_key(name="other.example/log"), size=500, origin="other.example/log")
    note = signed(tree, size=500)
    forged = Note(note.text, (Signature(ORIGIN, LOG.verifier.key_id, bytes(64)), *note.signatures))
    for body, expected in (
        (b"", MalformedRequestError),
        (good[:-1], MalformedRequestError),
        (good.replace(b"old 0", b"old 00"), MalformedRequestError),
        (AddCheckpoint(0, (), b"no note").encode(), MalformedRequestError),
        (AddCheckpoint(0, (), Note("a\nb\n").signed([LOG]).encode()).encode(), MalformedRequestError),
        (AddCheckpoint(0, (), stranger.encode()).encode(), UnknownLogError),
        (request(tree, 0, 500, 7), UnsignedCheckpointError),
        (AddCheckpoint(0, (), forged.encode()).encode(), UnsignedCheckpointError),
        (AddCheckpoint(501, (), note.encode()).encode(), MalformedRequestError),
        (AddCheckpoint(10, tuple(tree.consistency(10, 500)), note.encode()).encode(), OtherSizeError),
        (AddCheckpoint(0, (bytes(32),), note.encode()).encode(), InconsistentCheckpointError),
    ):
        assert refusal(witness, body) is expected
    empty = Checkpoint(ORIGIN, 0, tree.root(1))
    body = AddCheckpoint(0, (), Note(empty.text).signed([LOG]).encode()).encode()
    assert refusal(witness, body) is InconsistentCheckpointError
    witness.add_checkpoint(
        AddCheckpoint(0, (), Note(Checkpoint(ORIGIN, 0, EMPTY_ROOT).text).signed([LOG]).encode()).encode()
    )
    witness.add_checkpoint(good)
    body = AddCheckpoint(500, (), signed(tree, size=1000).encode()).encode()
    assert refusal(witness, body) is InconsistentCheckpointError


def test_the_keys_of_a_log_are_rotated_beside_each_other(tree: Tree, seen: Path) -> None:
    witness = opened(seen, 1, 2)
    witness.add_checkpoint(request(tree, 0, 100, 1))
    witness.add_checkpoint(request(tree, 100, 200, 1, 2))
    witness.add_checkpoint(request(tree, 200, 300, 2, 3))
    witness.close()
    opened(seen, 2, 3).add_checkpoint(request(tree, 300, 400, 3))


def test_two_keys_of_the_witness_both_cosign(tree: Tree, seen: Path) -> None:
    keys = [signing_key(seed, KeyKind.WITNESS) for seed in (8, 9)]
    lines = Witness(keys, [LOG.verifier], seen).add_checkpoint(request(tree, 0, 5))
    assert lines.count(b"\n") == 2


def test_logs_do_not_mix(tree: Tree, seen: Path) -> None:
    other = signing_key(5, name="other.example/log")
    witness = Witness([KEY], [LOG.verifier, other.verifier], seen)
    witness.add_checkpoint(request(tree, 0, 500))
    note = signed(tree, other, size=20, origin="other.example/log")
    witness.add_checkpoint(AddCheckpoint(0, (), note.encode()).encode())
    # The key of one log says nothing for the other.
    wrong = signed(tree, other, size=600)
    body = AddCheckpoint(500, tuple(tree.consistency(500, 600)), wrong.encode()).encode()
    assert refusal(witness, body) is UnsignedCheckpointError
    assert witness.checkpoint(sha256(b"third").hexdigest()) is None


def test_a_memory_that_was_tampered_with_is_refused(tree: Tree, seen: Path) -> None:
    witness = opened(seen)
    witness.add_checkpoint(request(tree, 0, 500))
    witness.close()
    witness.path(ORIGIN).write_bytes(
        signed(tree, size=10).encode()
    )  # the log signed it, this witness did not
    with pytest.raises(NoteError, match="is not what this witness wrote"):
        opened(seen)
    cosigned = signed(tree, signing_key(name="other.example/log"), size=10, origin="other.example/log")
    witness.path(ORIGIN).write_bytes(cosigned.signed([KEY], TIME).encode())
    with pytest.raises(NoteError, match="of another log"):
        opened(seen)


def test_a_key_of_a_witness_is_none_of_a_log(seen: Path) -> None:
    with pytest.raises(NoteError, match="not a log's"):
        Witness([KEY], [KEY.verifier], seen)


def test_of_callers_at_once_one_moves_the_log_on(tree: Tree, seen: Path) -> None:
    witness = opened(seen)
    witness.add_checkpoint(request(tree, 0, 100))
    sizes = range(200, 1000, 50)
    done: list[int] = []

    def call(size: int) -> None:
        try:
            witness.add_checkpoint(request(tree_of[size], 100, size))
        except OtherSizeError:
            return
        done.append(size)

    tree_of = {size: Tree(tree.directory, 1000, tree.root()) for size in sizes}
    threads = [threading.Thread(target=call, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = witness.checkpoint(sha256(ORIGIN.encode()).hexdigest())
    assert kept is not None
    assert [open_checkpoint(kept, [LOG.verifier]).checkpoint.size] == done


def test_a_forked_log_of_another_length_is_found_at_its_next_checkpoint(seen: Path, tmp_path: Path) -> None:
    witness = opened(seen)
    tree = grown(tmp_path / "whole", records(600))
    witness.add_checkpoint(request(tree, 0, 600))
    cut = grown(tmp_path / "cut", records(599))
    cut.append(leaves(50))
    assert refusal(witness, request(cut, 600, 649)) is InconsistentCheckpointError
