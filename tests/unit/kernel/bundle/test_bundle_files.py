from __future__ import annotations

import hashlib
import io
import os
import socket
from pathlib import Path

import numpy as np
import pytest

from kuntur.bundle.files import UnusableFileError, hash_file, read_file
from kuntur.files.arrays import load_array


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "a").write_bytes(b"abc")
    assert read_file(tmp_path, "documents/a", 3) == b"abc"
    assert hash_file(tmp_path, "documents/a", 3) == (3, hashlib.sha256(b"abc").hexdigest())


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "a").write_bytes(b"abc")
    (tmp_path / "registry").symlink_to("volume")
    assert read_file(tmp_path / "registry", "a", 3) == b"abc"


def link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize("make", [link, pipe, listener, Path.mkdir])
def test_only_regular_files_are_read_and_nothing_is_waited_for(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "a")
    for read in (read_file, hash_file):
        with pytest.raises(UnusableFileError, match="regular file"):
            read(tmp_path, "a", 10)


@pytest.mark.parametrize("name", ["folder/a", "../outside/a", "/etc/passwd", "folder/../../outside/a"])
def test_no_way_leads_out_of_the_directory(tmp_path: Path, name: str) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "a").write_bytes(b"abc")
    (inside / "folder").symlink_to(outside)
    with pytest.raises(UnusableFileError):
        read_file(inside, name, 10_000)


def test_a_file_beyond_the_bound_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnusableFileError, match="more than the 1,024 that are read"):
        read_file(tmp_path, "a", 1024)
    assert hash_file(tmp_path, "a", 1024) == (1 << 40, "")


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path, "a", 10)


def npy(array: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


def test_an_array_is_read_as_it_was_written() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(load_array(npy(array)), array)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no array",
        npy(np.zeros(3, np.float32))[:-1],
        npy(np.zeros(3, np.float32)) + b"x",
        npy(np.zeros(3, np.float32)).replace(b"(3,), }         ", b"(3000000000000,)}", 1),
        b"\x93NUMPY\x01\x00\x02\x00{}",
    ],
)
def test_what_is_no_array_of_its_size_is_refused_without_taking_memory(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (NumPy's own, each with its words)
        load_array(content)
