"""Mutated bundles: what may become of the bytes, names and files of a directory, by a seed."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

from kuntur.bundle.bundle import MANIFEST, MANIFEST_HASH

Mutation = Callable[[random.Random, Path, list[str]], str]
"""Changes the bundle at a path, with files of these names, and says what it did."""


def _content(chance: random.Random, bundle: Path, names: list[str]) -> tuple[Path, bytearray]:
    path = bundle / chance.choice(names)
    return path, bytearray(path.read_bytes())


def flip_a_bit(chance: random.Random, bundle: Path, names: list[str]) -> str:
    path, content = _content(chance, bundle, names)
    at = chance.randrange(len(content))
    content[at] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return f"a bit at {at} of {path.name}"


def set_bytes(chance: random.Random, bundle: Path, names: list[str]) -> str:
    path, content = _content(chance, bundle, names)
    at = chance.randrange(len(content))
    content[at : at + chance.randint(1, 16)] = chance.randbytes(chance.randint(1, 16))
    path.write_bytes(content)
    return f"bytes at {at} of {path.name}"


def insert_bytes(chance: random.Random, bundle: Path, names: list[str]) -> str:
    path, content = _content(chance, bundle, names)
    at = chance.randrange(len(content) + 1)
    content[at:at] = chance.choice([b" ", b"\n", b"\t", b"0", b'"', b"\0", chance.randbytes(5)])
    path.write_bytes(content)
    return f"more bytes at {at} of {path.name}"


def drop_bytes(chance: random.Random, bundle: Path, names: list[str]) -> str:
    path, content = _content(chance, bundle, names)
    at = chance.randrange(len(content))
    del content[at : at + chance.randint(1, 64)]
    path.write_bytes(content)
    return f"bytes missing at {at} of {path.name}"


def double_a_part(chance: random.Random, bundle: Path, names: list[str]) -> str:
    path, content = _content(chance, bundle, names)
    start = chance.randrange(len(content))
    content[start:start] = content[start : start + chance.randint(1, 200)]
    path.write_bytes(content)
    return f"a part twice at {start} of {path.name}"


def exchange_two_files(chance: random.Random, bundle: Path, names: list[str]) -> str:
    # Not two signatures: what the file of one is called says nothing.
    signed = [name for name in names if not name.startswith("signatures/")]
    one, other = bundle / chance.choice(signed), bundle / chance.choice(names)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    return f"{one.name} and {other.name} exchanged"


def remove_a_file(chance: random.Random, bundle: Path, names: list[str]) -> str:
    name = chance.choice(names)
    (bundle / name).unlink()
    return f"{name} removed"


def rename_a_file(chance: random.Random, bundle: Path, names: list[str]) -> str:
    name = chance.choice([name for name in names if not name.startswith("signatures/")])
    (bundle / name).rename(bundle / f"{name}{chance.choice('abc')}")
    return f"{name} renamed"


def add_a_file(chance: random.Random, bundle: Path, names: list[str]) -> str:
    folder = chance.choice(["", "documents/", "signatures/", ".hidden/"])
    path = bundle / f"{folder}{chance.randrange(1 << 30)}{chance.choice(['', '.py', '.onnx'])}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(chance.randbytes(chance.randrange(50)))
    return f"{path.name} added"


def add_a_signature(chance: random.Random, bundle: Path, names: list[str]) -> str:
    content = bytearray((bundle / next(n for n in names if n.startswith("signatures/"))).read_bytes())
    # Behind the key's id: a signature of an unknown key does not count and does no harm.
    content[chance.randrange(content.index(b"dsseEnvelope"), len(content))] ^= 1 << chance.randrange(8)
    (bundle / "signatures" / "added.sig").write_bytes(content)
    return "a damaged signature added"


def put_a_link(chance: random.Random, bundle: Path, names: list[str]) -> str:
    path = bundle / chance.choice(names)
    path.unlink()
    path.symlink_to(chance.choice(["/dev/zero", "/etc/hostname", path.name, "manifest.json"]))
    return f"{path.name} a link"


def put_a_pipe(chance: random.Random, bundle: Path, names: list[str]) -> str:
    path = bundle / chance.choice(names)
    path.unlink()
    os.mkfifo(path)
    return f"{path.name} a pipe"


def change_with_its_hashes(chance: random.Random, bundle: Path, names: list[str]) -> str:
    """Changes a file and makes the manifest and its hash right again."""
    manifest = json.loads((bundle / MANIFEST).read_text())
    name = chance.choice(sorted(manifest["files"]))
    content = bytearray((bundle / name).read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    (bundle / name).write_bytes(content)
    manifest["files"][name]["sha256"] = hashlib.sha256(content).hexdigest()
    _write_manifest(bundle, manifest)
    return f"{name} changed with its hashes"


def change_the_manifest(chance: random.Random, bundle: Path, names: list[str]) -> str:
    """Changes what the manifest says and makes its hash right again."""
    manifest = json.loads((bundle / MANIFEST).read_text())
    key = chance.choice(sorted(manifest))
    manifest[key] = chance.choice([None, 0, "", [], {}, chance.random(), "9999-01-01T00:00:00Z", manifest])
    _write_manifest(bundle, manifest)
    return f"the manifest's {key} changed"


def _write_manifest(bundle: Path, manifest: object) -> None:
    try:
        raw = json.dumps(manifest, indent=2, sort_keys=True).encode()
    except ValueError:  # it came to hold itself
        raw = b"{}"
    (bundle / MANIFEST).write_bytes(raw)
    (bundle / MANIFEST_HASH).write_text(hashlib.sha256(raw).hexdigest() + "\n")


MUTATIONS: tuple[Mutation, ...] = (
    flip_a_bit, set_bytes, insert_bytes, drop_bytes, double_a_part, exchange_two_files, remove_a_file,
    rename_a_file, add_a_file, add_a_signature, put_a_link, put_a_pipe, change_with_its_hashes,
    change_the_manifest,
)  # fmt: skip


def mutate(bundle: Path, seed: int) -> str:
    """Changes a bundle in one way or several, and says in which; some changes leave it as it was."""
    chance = random.Random(seed)
    names = sorted(path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file())
    told = [chance.choice(MUTATIONS)(chance, bundle, names)]
    if seed % 5 == 0:  # more than one; whatever is no file any more is left out
        left = [name for name in names if (bundle / name).is_file() and not (bundle / name).is_symlink()]
        left = [name for name in left if (bundle / name).stat().st_size]
        more = chance.choice((flip_a_bit, set_bytes, insert_bytes, drop_bytes, double_a_part))
        told.append(more(chance, bundle, left))
    return " and ".join(told)


def state(bundle: Path) -> dict[str, bytes | str]:
    """Returns what lies in a bundle: contents of files, kinds of all else, by path."""
    return {
        path.relative_to(bundle).as_posix(): path.read_bytes()
        if path.is_file() and not path.is_symlink()
        else f"{path.lstat().st_mode:o}"
        for path in sorted(bundle.rglob("*"))
    }
