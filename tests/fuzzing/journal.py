"""The readers of a journal: of its files, what is sealed, what is signed beside it, and its repair."""

from __future__ import annotations

import shutil
import struct
import zlib
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from kuntur.journal.errors import JournalError
from kuntur.journal.exchanges import read_exchanges
from kuntur.journal.file import file_name, find_record, journal_files, read_entries
from kuntur.journal.layout import MAGIC, Header, sequence_bytes
from kuntur.journal.proved.leaves import JournalLeaves
from kuntur.journal.proved.verifying import NotVerifiableError, Request, verify
from kuntur.journal.repair import examine, repair
from kuntur.journal.retention import written_ns
from kuntur.journal.sealing import JournalKey, KeyRing, RecordCipher
from kuntur.journal.tail import recover_end
from kuntur.journal.v1 import journal_pb2
from kuntur.journal.workers import read_server_journal
from kuntur.transparency.errors import InconsistentLogError, TransparencyError
from kuntur.transparency.notes.checkpoint import Checkpoint, open_checkpoint
from kuntur.transparency.notes.keys import SigningKey
from kuntur.transparency.notes.note import Note
from kuntur.transparency.notes.proof import TlogProof
from kuntur.transparency.notes.request import AddCheckpoint
from kuntur.transparency.signing.places import CHECKPOINT
from kuntur.transparency.tree.hashing import leaf_hashes
from kuntur.transparency.tree.tree import Tree
from tests.fuzzing.room import emptied
from tests.fuzzing.script import Script, block
from tests.support.journals import admission, answer
from tests.support.transparency import ORIGIN, signing_key

INSTRUMENTED = ["kuntur.journal", "kuntur.transparency", "kuntur.files"]
DICTIONARY = [
    MAGIC, b"\x02\0\0\0", b"\x03\0\0\0", b"\x08\x01", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x12\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\x0a", b"\x1a", b"\x22", b"\x2a", b"\x32", b"\x4a\x10",
    "— ".encode(), ORIGIN.encode(), b"\n\n", b"index 0\n", b"old 0\n",
    b"c2sp.org/tlog-proof@v1\n", b'"levels"',
    b'"offset"', b'"size"', b"MARKMARK",
]  # fmt: skip
_MARKER = b"MARKMARK"
_MOST_STEPS = 48
_MOST_SIGNED = 1 << 17  # a log's key signs no entries that are not there
_KEYS = [JournalKey.of(name, sha256(name.encode()).digest()) for name in ("1.key", "2.key")]
_RING = KeyRing(Path("keys"), _KEYS, _KEYS[1])
_OTHER_FILES = (CHECKPOINT, "witnessed", "tile/0/000.p/1", "tile/0/000.p/3", "tile/0/000")


@cache
def _key() -> SigningKey:
    return signing_key()


def check(data: bytes) -> None:
    """Makes a journal as the bytes tell, and has every reader read it."""
    script = Script(data)
    if script.byte() % 8 == 7:
        _check_notes(script.rest())
        return
    made = _Made(emptied("journal"))
    made.follow(script)
    _check_reading(made)
    _check_verifying(made)
    _check_leaves(made)
    _check_repair(made)


class _Made:
    """A journal that is being made: as good as the writer's, or as bad as the instructions say."""

    def __init__(self, root: Path) -> None:
        self.directory, self.log, self.state = root / "journal", root / "journal" / "log", root / "state"
        self.log.mkdir(parents=True)
        self._header, self._cipher = Header(2, 0, _MARKER), None
        self._files: dict[Path, bytearray] = {}
        self._at = self.directory / file_name(1)
        self.next = 1
        self.signed: list[bytes] = []
        self._payloads: list[bytes] = []

    def follow(self, script: Script) -> None:
        """Takes the instructions and writes the files."""
        for _ in range(_MOST_STEPS):
            if not script:
                break
            self._step(script.byte() % 14, script)
        for path, content in self._files.items():
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)

    def _step(self, action: int, script: Script) -> None:
        match action:
            case 0:
                self._add(script.block())
            case 1:
                self._begin(Header(2, _lost(script), _MARKER))
            case 2:
                self._record(sequence_bytes(self.next) + script.block())
                self.next += 1
            case 3:
                self._record(script.block())
            case 4:
                key = _KEYS[script.byte() % 2]
                self._begin(Header(3, _lost(script), _MARKER, key.identity))
                self._cipher = RecordCipher(key, self._header)
                self._cipher._prefix = b"\0\0\0\0"  # the same each time
            case 5:
                self._header, self._cipher = Header(1, 0, b""), None
                self._add(struct.pack("<8sII", MAGIC, 1, 0))
            case 6:
                self._at = self.directory / file_name(self.next)
            case 7:
                self.next = script.number(1 + script.byte() % 9)
                self._at = self.directory / file_name(self.next)
            case 8:
                self._at = self.directory / f"worker-{script.byte() % 3}" / file_name(1)
                self.next = 1
            case 9:
                self._files[self.log / _OTHER_FILES[script.byte() % 5]] = bytearray(script.block())
            case 10:
                self._files[self.state] = bytearray(script.block())
            case 11:
                self._sign(size=None, root=None)
            case 12:
                self._sign(size=script.number(1 + script.byte() % 8), root=script.block())
            case _:
                self._cut(script.number(2), script.block())

    def _add(self, content: bytes) -> None:
        self._files.setdefault(self._at, bytearray()).extend(content)

    def _begin(self, header: Header) -> None:
        self._header, self._cipher = header, None
        self._add(header.pack())
        self.next += header.lost

    def _record(self, payload: bytes) -> None:
        self._payloads.append(payload)
        if self._cipher is not None:
            head, payload = self._cipher.seal(payload)
            self._add(head + payload)
        elif self._header.revision == 1:
            self._add(struct.pack("<II", len(payload), zlib.crc32(payload)) + payload)
        else:
            self._add(self._header.pack_head(payload) + payload)

    def _cut(self, at: int, instead: bytes) -> None:
        """Puts other bytes over those of the file, from an offset on."""
        if (content := self._files.get(self._at)) is not None:
            content[at : at + max(1, len(instead))] = instead

    def _sign(self, size: int | None, root: bytes | None) -> None:
        """Signs all payloads so far, with their tiles, or whatever is said."""
        if size is None or root is None:
            tree = Tree(self.log)
            tree.append(leaf_hashes(self._payloads))
            tree.save()
            size, root = tree.size, tree.root()
            self.signed = list(self._payloads)
        else:
            size, root, self.signed = min(size, _MOST_SIGNED), root[:32].ljust(32, b"\0"), []
        note = Note(Checkpoint(ORIGIN, size, root).text).signed([_key()])
        self._files[self.log / CHECKPOINT] = bytearray(note.encode())


def _lost(script: Script) -> int:
    """Takes how many entries a header says are lost: few, or as many as can be said."""
    said = script.byte()
    return said if said < 250 else script.number(8)


def _entries(made: _Made, **options: Any) -> list[journal_pb2.Entry] | None:
    try:
        return list(read_entries(made.directory, keys=_RING, **options))
    except JournalError:
        return None


def _check_reading(made: _Made) -> None:
    whole, loose = _entries(made), _entries(made, allow_torn_tail=True)
    assert whole is None or whole == loose
    for reader in (read_server_journal, read_exchanges):
        for first in (1, 3):
            with suppress(JournalError):
                for _ in reader(made.directory, first=first, allow_torn_tail=True, keys=_RING):
                    pass
    with suppress(JournalError):
        list(read_entries(made.directory))  # without the keys
    for entry in (loose or [])[:3]:
        assert find_record(made.directory, entry.sequence, _RING) == entry
    for sequence in (0, 1, 2, made.next - 1, made.next, 1 << 63):
        with suppress(JournalError):
            found = find_record(made.directory, sequence, _RING)
            assert found is None or found.sequence == sequence
    for path in journal_files(made.directory):
        assert isinstance(written_ns(path, _RING), int)


def _check_verifying(made: _Made) -> None:
    for state in (None, made.state):
        for first in (1, 2):
            request = Request(
                made.directory, [_key().verifier], made.log, journal_keys=_RING, state=state, first=first
            )
            try:
                report = verify(request)
            except (NotVerifiableError, JournalError):
                continue
            if report.holds and state is None and first == 1 and made.signed:
                assert report.last >= len(made.signed)
            report.plain()


def _check_leaves(made: _Made) -> None:
    for synced in (None, made.next):
        leaves = JournalLeaves(made.directory, lambda synced=synced: synced)
        index = 0
        try:
            for _ in range(_MOST_STEPS):
                hashes = leaves(index)
                if not len(hashes):
                    break
                index += len(hashes)
        except (InconsistentLogError, OSError):
            pass
        finally:
            leaves.close()


def _check_repair(made: _Made) -> None:
    """A start and a repair keep what is sound, and nothing is wrong behind a repair."""
    copy = emptied("copy") / "journal"
    shutil.copytree(made.directory, copy)
    with suppress(JournalError):
        end = recover_end(copy, _RING)
        assert end.next_sequence >= 1 or not journal_files(copy)
        assert recover_end(copy, _RING).torn is None
    try:
        before = examine(made.directory, _RING)
        mended = repair(made.directory, _RING)
    except JournalError:
        return
    after = examine(made.directory, _RING)
    assert not after.faults
    assert before.entries == mended.entries == after.entries
    read = _entries(made)
    assert read is not None
    assert len(read) == after.entries


def _check_notes(raw: bytes) -> None:
    """Signed notes, proofs and what a witness is sent: nothing holds that was not signed."""
    with suppress(TransparencyError):
        assert AddCheckpoint.parse(raw).encode()
    with suppress(TransparencyError):
        opened = open_checkpoint(raw, [_key().verifier])
        assert Checkpoint.parse(opened.note.text) == opened.checkpoint
    with suppress(TransparencyError):
        TlogProof.parse(raw).check(bytes(32), [_key().verifier])


def _payload(entry: journal_pb2.Entry, second: int) -> bytes:
    """Returns an entry's bytes without its sequence."""
    entry.written_time.CopyFrom(Timestamp(seconds=1_790_000_000 + second))
    entry.salt = bytes([second]) * 16
    return entry.SerializeToString()


def _entries_of_all_kinds() -> list[bytes]:
    from kuntur.api.v1 import scoring_service_pb2

    request = scoring_service_pb2.ScoreStreamRequest(
        transactions=[{"transaction_id": "t-1"}, {"transaction_id": "t-2"}]
    ).SerializeToString()
    response = scoring_service_pb2.ScoreStreamResponse(
        results=[{"score": {"transaction_id": "t-1"}}, {"status": {"code": 3}}]
    ).SerializeToString()
    frame = journal_pb2.Exchange(request=request, response=response)
    entries = [
        admission(2, request, request, refused=[1], callers=["token:a", "token:b"]),
        answer(1, response, response),
        admission(4, request),
        journal_pb2.Entry(score_stream=frame),
        journal_pb2.Entry(backfill=journal_pb2.Exchange(request=request)),
    ]
    return [_payload(entry, second) for second, entry in enumerate(entries)]


def seeds() -> list[bytes]:
    """Returns journals of each form, sound and not, and notes."""
    records = b"".join(b"\x02" + block(each) for each in _entries_of_all_kinds())
    one = b"\x02" + block(_entries_of_all_kinds()[4])
    plain, sealed, old = b"\x01\x00" + records, b"\x04\x01\x00" + records, b"\x05" + records
    note = Note(Checkpoint(ORIGIN, 1, bytes(32)).text).signed([_key()]).encode()
    state = b'{"form": 1, "origin": "bank.example/journal", "first": 1, "size": 1, "levels": ["AA=="], '
    state += b'"file": "journal-00000000000000000001.kj", "offset": 32}'
    journals = [
        plain,
        sealed,
        old,
        old + b"\x06" + plain,
        plain + b"\x06" + sealed + b"\x06" + plain,
        plain + b"\x0b",
        sealed + b"\x0b" + b"\x06" + plain,
        plain + b"\x00" + block(b"\0" * 40),
        plain + b"\x0d" + b"\x40\x00" + block(b"x"),
        plain + b"\x06" + b"\x01\x05" + one,
        plain + b"\x06" + b"\x01\xff" + bytes([0, 0, 1, 0, 0, 0, 0, 0]) + one + b"\x0b",
        plain + b"\x0b\x06\x01\xff" + bytes([0, 0, 0, 0, 0, 0, 0, 32]) + one,
        plain + b"\x08\x01" + old + b"\x08\x02" + plain,
        plain + b"\x07\x01\x10\x00" + plain,
        plain + b"\x0c\x00\x05" + block(bytes(32)),
        plain + b"\x0b" + b"\x0a" + block(state),
        plain + b"\x09\x00" + block(note),
        plain + b"\x03" + block(b"\x08\x63\x12\x00"),
        b"\x00" + block(b"no journal"),
    ]
    notes = [note, TlogProof(0, (), note).encode(), AddCheckpoint(0, (bytes(32),), note).encode()]
    return [*(b"\0" + each for each in journals), *(b"\x07" + each for each in notes)]
