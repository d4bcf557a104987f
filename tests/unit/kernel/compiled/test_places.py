"""Where compiled functions are looked for, and for which processors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kuntur.compiled.places import Places, choose_places, chosen_places, sources_digest
from kuntur.compiled.processor import Baseline, baseline, lacking

_NEEDS = Baseline("some-processor", "+avx2", frozenset({"avx2", "fma"}))


@pytest.mark.parametrize(
    ("processors", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu fma avx2 sse\n", []),
        ("Features\t: avx2 fma\n", []),
        ("flags\t\t: fpu fma avx sse\n\nflags\t\t: fma avx2\n", ["avx2"]),
        ("model name\t: avx2 fma\n", ["avx2", "fma"]),
        ("", ["avx2", "fma"]),
    ],
)
def test_a_processor_is_asked_for_each_flag(tmp_path: Path, processors: str, expected: list[str]) -> None:
    (tmp_path / "cpuinfo").write_text(processors)
    assert lacking(_NEEDS, tmp_path / "cpuinfo") == expected


def test_a_machine_that_does_not_tell_lacks_all(tmp_path: Path) -> None:
    assert lacking(_NEEDS, tmp_path / "absent") == ["avx2", "fma"]


def test_features_and_flags_of_x86_say_the_same() -> None:
    wanted = baseline()
    if os.uname().machine != "x86_64":
        pytest.skip("of x86-64")
    assert wanted is not None
    named = {feature.removeprefix("+").replace(".", "_") for feature in wanted.features.split(",")}
    as_flags = {"bmi": "bmi1", "lzcnt": "abm", "sahf": "lahf_lm", "sse3": "pni"}
    of_every_x86_64 = {"cmov", "cx8", "fxsr", "mmx", "sse", "sse2"}
    assert {as_flags.get(name, name) for name in named - of_every_x86_64} == wanted.flags


def test_the_first_folder_that_can_be_made_is_taken_and_nothing_is_made_for_a_look(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = Places(None, (tmp_path / "file", tmp_path / "good", tmp_path / "other"))
    assert found.kept(create=False) is None
    assert not (tmp_path / "good").exists()
    folder = tmp_path / "good" / f"compiled-{sources_digest()}"
    assert found.kept(create=True) == folder
    assert found.kept(create=False) == folder
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("mode", "used"), [(0o700, True), (0o777, False), (0o770, False)])
def test_a_temporary_folder_that_others_can_write_to_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, used: bool
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    root = tmp_path / f"kuntur-{os.geteuid()}"
    folder = root / f"compiled-{sources_digest()}"
    folder.mkdir(parents=True)
    root.chmod(mode)
    found = Places(None, (root,))
    assert found.kept(create=False) == (folder if used else None)
    assert found.kept(create=True) == (folder if used else None)


def test_a_link_in_the_temporary_folder_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "elsewhere" / f"compiled-{sources_digest()}").mkdir(parents=True)
    root = tmp_path / f"kuntur-{os.geteuid()}"
    root.symlink_to(tmp_path / "elsewhere")
    assert Places(None, (root,)).kept(create=False) is None


def test_choosing_writes_nothing_and_takes_the_folder_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = chosen_places()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "set"))
    monkeypatch.setattr("kuntur.compiled.places._chosen", None)
    try:
        choose_places()
        assert chosen_places().roots == (tmp_path / "set",)
        assert not list(tmp_path.iterdir())
    finally:
        monkeypatch.setattr("kuntur.compiled.places._chosen", before)
