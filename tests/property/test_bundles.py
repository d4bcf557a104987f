"""Whatever becomes of a bundle's directory, it is refused in words or is the bundle that was written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kuntur.bundle.bundle import MANIFEST_HASH, Bundle, BundleRefusedError, read_bundle
from tests.support.bundles import publish
from tests.support.examples import examples

KINDS = ("flip", "cut", "extend", "empty", "delete", "link", "link to itself", "pipe", "folder", "swap")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("registry"), "m-1")


def damage(bundle: Path, kind: str, name: str, other: str, at: float) -> None:
    """Does to a file of a bundle what disks, programs and people do."""
    path = bundle / name
    content = path.read_bytes() if path.is_file() else b""
    place = min(int(at * len(content)), max(len(content) - 1, 0))
    if kind in ("delete", "link", "link to itself", "pipe", "folder"):
        path.unlink() if not path.is_dir() or path.is_symlink() else path.rmdir()
    if kind == "flip" and content:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << int(at * 8)]) + content[place + 1 :])
    elif kind == "cut":
        path.write_bytes(content[:place])
    elif kind == "extend":
        path.write_bytes(content + content[place:] + b"\0")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "link":
        path.symlink_to("/dev/zero")
    elif kind == "link to itself":
        path.symlink_to(path.name)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "swap" and (bundle / other).read_bytes() != content:
        path.write_bytes((bundle / other).read_bytes())


def read_or_refusal(bundle: Path) -> Bundle | str:
    """Returns the bundle, or why it is refused."""
    try:
        return read_bundle(bundle)
    except BundleRefusedError as error:
        return error.message


@settings(examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS),
    pick=st.integers(0, 99),
    other=st.integers(0, 99),
    at=st.floats(0, 1, exclude_max=True),
)
def test_a_damaged_bundle_is_refused_or_unchanged(
    whole: Path, tmp_path: Path, kind: str, pick: int, other: int, at: float
) -> None:
    names = sorted(path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file())
    bundle = tmp_path / "m-1"
    shutil.rmtree(bundle, ignore_errors=True)
    shutil.copytree(whole, bundle)
    before = {name: (bundle / name).read_bytes() for name in names}
    damage(bundle, kind, names[pick % len(names)], names[other % len(names)], at)
    unchanged = all((bundle / n).is_file() and (bundle / n).read_bytes() == c for n, c in before.items())
    found = read_or_refusal(bundle)
    if isinstance(found, Bundle):
        expected = read_bundle(whole)
        assert (found.manifest, found.model) == (expected.manifest, expected.model)
        assert np.array_equal(found.golden_features, expected.golden_features, equal_nan=True)
        assert np.array_equal(found.golden_scores, expected.golden_scores)
        # What is around the hash in its file does not count.
        assert unchanged or names[pick % len(names)] == MANIFEST_HASH
    else:
        assert not unchanged
        assert found
        assert str(tmp_path) not in found
