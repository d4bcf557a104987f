"""Whatever becomes of a journal's bytes: no other entry is lost, none appears that was not written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuntur.journal.file import JournalError, JournalFileWriter, journal_files, read_entries
from kuntur.journal.records import Damage, JournalFile, Record
from kuntur.journal.repair import examine, repair
from kuntur.journal.sealing import KeyRing
from tests.support.examples import examples
from tests.support.journals import append, entry, key_ring, write, write_revision_1

# Requests with what a search for records could stumble over: tags, zeros, and records of a stranger.
FILES = (
    (b"one", b"\x08\x02" * 9, b"", bytes(40), b"five" * 30),
    (b"\x08" + bytes(range(256)), b"seven", b"eight" * 300),
    (b"nine", b"\x08\x0a" + b"ten" * 20, b"eleven", b"twelve" * 5),
)
OLD_KEY, BOTH_KEYS = key_ring("1.key"), key_ring("1.key", "2.key")
Requests = list[tuple[int, bytes]]


class Journal(NamedTuple):
    """A journal as it was written: its files by name, and the keys of those that are encrypted."""

    files: dict[str, bytes]
    keys: KeyRing | None


def newest(directory: Path) -> KeyRing | None:
    stranger = directory / "stranger"
    write(stranger, *FILES[1])
    planted = journal_files(stranger)[0].read_bytes()
    for place, requests in enumerate(FILES):
        write(directory / "journal", *(*requests[:-1], planted if place == 1 else requests[-1]))
    return None


def revision_1(directory: Path) -> KeyRing | None:
    first = 1
    for requests in FILES:
        write_revision_1(directory / "journal", first, *requests)
        first += len(requests)
    return None


def mixed(directory: Path) -> KeyRing | None:
    write_revision_1(directory / "journal", 1, *FILES[0])
    for requests in FILES[1:]:
        write(directory / "journal", *requests)
    return None


def encrypted(directory: Path) -> KeyRing | None:
    for requests in FILES:
        write(directory / "journal", *requests, keys=OLD_KEY)
    return OLD_KEY


def encrypted_later(directory: Path) -> KeyRing | None:
    for requests, keys in zip(FILES, (None, OLD_KEY, BOTH_KEYS), strict=True):
        write(directory / "journal", *requests, keys=keys)
    return BOTH_KEYS


@pytest.fixture(scope="module", params=[newest, revision_1, mixed, encrypted, encrypted_later])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Journal:
    made: Callable[[Path], KeyRing | None] = request.param
    directory = tmp_path_factory.mktemp("journals")
    keys = made(directory)
    files = {path.name: path.read_bytes() for path in journal_files(directory / "journal")}
    return Journal(files, keys)


@st.composite
def damages(draw: st.DrawFn) -> tuple[int, str, float, float, bytes]:
    """File, kind, and where and how much of it."""
    kind = draw(st.sampled_from(["flip", "flip", "cut", "zero run", "noise run", "append", "repeat"]))
    share = st.floats(0, 1, exclude_max=True)
    return draw(st.integers(0, 2)), kind, draw(share), draw(share), draw(st.binary(max_size=64))


def damaged(raw: bytes, kind: str, at: float, much: float, noise: bytes) -> tuple[bytes, range]:
    """Returns the bytes and which of the old ones are not as they were."""
    place = int(at * len(raw))
    end = min(len(raw), place + 1 + int(much * 200))
    if kind == "flip":
        flipped = raw[place] ^ 1 << int(much * 8)
        return raw[:place] + bytes([flipped]) + raw[place + 1 :], range(place, place + 1)
    if kind == "cut":
        return raw[:place], range(place, len(raw))
    if kind == "append":
        return raw + noise + bytes(int(much * 100)), range(0)
    if kind == "repeat":  # what a disk may bring back: bytes that were once valid
        return raw + raw[place:end], range(0)
    filling = bytes(end - place) if kind == "zero run" else (noise * 300)[: end - place]
    return raw[:place] + filling + raw[place + len(filling) :], range(place, place + len(filling))


def records(path: Path, keys: KeyRing | None) -> list[Record]:
    with JournalFile(path, keys) as file:
        items = list(file.items())
    assert not any(isinstance(item, Damage) for item in items)
    return [item for item in items if isinstance(item, Record)]


def requests_of(directory: Path, keys: KeyRing | None) -> Requests:
    entries = read_entries(directory, allow_torn_tail=True, keys=keys)
    return [(e.sequence, e.backfill.request) for e in entries]


def until_damage(directory: Path, keys: KeyRing | None) -> Iterator[tuple[int, bytes]]:
    try:
        for e in read_entries(directory, allow_torn_tail=True, keys=keys):
            yield e.sequence, e.backfill.request
    except JournalError:
        return


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "writer.lock"}


@contextmanager
def spoilt(
    whole: Journal, damage: tuple[int, str, float, float, bytes]
) -> Iterator[tuple[Path, Requests, Requests]]:
    """Yields a journal with damage, all that was written, and what of it the damage did not touch."""
    number, *how = damage
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        written, left = Requests(), Requests()
        for place, (file, raw) in enumerate(whole.files.items()):
            path = directory / file
            path.write_bytes(raw)
            touched = range(0)
            if place == number:
                changed, touched = damaged(raw, *how)
            for record in records(path, whole.keys):
                one = (record.sequence, record.entry.backfill.request)
                written.append(one)
                if not (touched and touched.start < record.end and record.offset < touched.stop):
                    left.append(one)
            if place == number:
                path.write_bytes(changed)
        yield directory, written, left


@examples(50)  # each example waits for the disk
@given(damage=damages())
def test_a_repair_keeps_every_entry_that_was_not_damaged(
    whole: Journal, damage: tuple[int, str, float, float, bytes]
) -> None:
    with spoilt(whole, damage) as (directory, written, left):
        before = content(directory)
        found = examine(directory, whole.keys)
        assert content(directory) == before
        mended = repair(directory, whole.keys)
        kept = requests_of(directory, whole.keys)
        assert set(left) <= set(kept) <= set(written)
        assert kept == sorted(kept)
        assert found.entries == mended.entries == len(kept)
        for fault in mended.faults:
            if fault.aside is not None:
                assert fault.aside.read_bytes() == before[fault.path.name][fault.offset : fault.end]
        after = content(directory)
        assert not examine(directory, whole.keys).faults
        assert not repair(directory, whole.keys).faults
        assert content(directory) == after
        write(directory, b"next", keys=whole.keys)
        assert requests_of(directory, whole.keys)[:-1] == kept


@examples(50)  # each example waits for the disk
@given(damage=damages())
def test_a_server_that_opens_it_loses_no_valid_entry_or_changes_nothing(
    whole: Journal, damage: tuple[int, str, float, float, bytes]
) -> None:
    with spoilt(whole, damage) as (directory, written, left):
        before = content(directory)
        read = list(until_damage(directory, whole.keys))
        assert read == written[: len(read)]
        last = max(whole.files)
        try:
            writer = JournalFileWriter(directory, keys=whole.keys)
        except JournalError:
            assert content(directory) == before
            with pytest.raises(JournalError, match="kuntur-server journal repair"):
                JournalFileWriter(directory, keys=whole.keys)
            return
        torn = writer.torn_tail
        append(writer, [entry(b"next")])
        writer.close()
        after = content(directory)
        assert {name: after[name] for name in before if name != last} == {
            name: before[name] for name in before if name != last
        }
        if torn is not None:
            assert torn.aside.read_bytes() == before[last][torn.offset :]
        if damage[0] == len(whole.files) - 1:
            kept = requests_of(directory, whole.keys)[:-1]
            assert set(left) <= set(kept) <= set(written)
            assert kept == sorted(kept)


@examples(50)
@given(damage=damages(), again=damages())
def test_damage_in_two_places_never_makes_an_entry_that_was_not_written(
    whole: Journal,
    damage: tuple[int, str, float, float, bytes],
    again: tuple[int, str, float, float, bytes],
) -> None:
    with spoilt(whole, damage) as (directory, written, _):
        path = directory / sorted(whole.files)[again[0]]
        if raw := path.read_bytes():
            path.write_bytes(damaged(raw, *again[1:])[0])
        repair(directory, whole.keys)
        kept = requests_of(directory, whole.keys)
        assert set(kept) <= set(written)
        assert kept == sorted(kept)
        assert not examine(directory, whole.keys).faults
