"""Whatever pages, docstrings and scripts name is there: links, paths, modules, make targets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("kuntur", "server", "trainer", "clients", "bench", "demo", "tests")
_FOLDERS = (*_PACKAGES, "docs", "docker", "protos", "locks", ".ci")
_PAGES = [
    *sorted(_ROOT.glob("*.md")),
    *sorted((_ROOT / "docs").rglob("*.md")),
]
_SCRIPTS = [
    *(
        _ROOT / name
        for name in ("Makefile", ".ci/run", "pyproject.toml", "buf.yaml", ".pre-commit-config.yaml")
    ),
    *sorted(path for path in (_ROOT / "docker").iterdir()),
]
_CODE = [
    path
    for folder in _PACKAGES
    for ending in ("*.py", "*.toml")
    for path in sorted((_ROOT / folder).rglob(ending))
    if "_pb2" not in path.name and not path.is_relative_to(_ROOT / "bench" / "work")
] + sorted((_ROOT / "protos").rglob("*.proto"))
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(rf"(?:{'|'.join(map(re.escape, _FOLDERS))})(?:/[\w.*-]+)+/?")
_MODULE = re.compile(rf"(?:{'|'.join(_PACKAGES)})(?:\.\w+)+")
_RUN = re.compile(r"python3? -m ([\w.]+)")
_MAKE = re.compile(r"(?:^|`)@?make (?:[A-Z]+=\S+ )*([a-z][a-z-]*(?: [a-z][a-z-]*)*)", re.MULTILINE)
_FILE = re.compile(r"\w[\w-]*\.(?:py|proto|toml|sh)")
_MADE = {
    "bench/work",
    "bench/work/",
    "kuntur/__compiled__",
    "kuntur/__compiled__/",
}  # by programs, never committed
_OF_USERS = {"banco.toml", "bindings.toml", "recipe.toml", "card.toml", "server.toml"}  # what a reader writes
_OLDER = re.compile(r"^## (?!.*unreleased)", re.MULTILINE)


def _read(path: Path) -> str:
    """Returns a page; of the changelog what is not released yet, since the rest tells of the past."""
    text = path.read_text(encoding="utf-8")
    return _OLDER.split(text)[0] if path.name == "CHANGELOG.md" else text


def _named(path: Path) -> str:
    return path.relative_to(_ROOT).as_posix()


def _spans(text: str) -> Iterator[str]:
    """Yields what stands in code spans, outside of blocks."""
    for found in _SPAN.finditer(_FENCE.sub("", text)):
        yield found[1]


@cache
def _there(path: str) -> bool:
    """Returns whether a path or glob leads to something, from the root or, as for callers, from protos/."""
    plain = path.rstrip("/")
    return path in _MADE or any(any(base.glob(plain)) for base in (_ROOT, _ROOT / "protos"))


@cache
def _file_names() -> frozenset[str]:
    found = (path for folder in _FOLDERS for path in (_ROOT / folder).rglob("*"))
    return frozenset(path.name for path in (*found, *_ROOT.iterdir()) if path.is_file())


@cache
def _is_module(name: str) -> bool:
    base = _ROOT.joinpath(*name.split("."))
    return base.is_dir() or base.with_suffix(".py").is_file()


@cache
def _is_known(name: str) -> bool:
    """Returns whether a dotted name is a module, something that one defines, or something of the protos."""
    if _is_module(name):
        return True
    parent, _, last = name.rpartition(".")
    if not parent:
        return False
    if not _is_module(parent):
        return _is_known(parent)  # a method or a field of something
    base = _ROOT.joinpath(*parent.split("."))
    sources = [base / "__init__.py"] if base.is_dir() else [base.with_suffix(".py")]
    sources += (_ROOT / "protos").joinpath(*parent.split(".")).glob("*.proto")
    return any(
        re.search(rf"\b{last}\b", each.read_text(encoding="utf-8")) for each in sources if each.exists()
    )


@cache
def _slugs(path: Path) -> frozenset[str]:
    """Returns the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings)


@cache
def _targets() -> frozenset[str]:
    text = (_ROOT / "Makefile").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


@pytest.mark.parametrize("page", _PAGES, ids=_named)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(_FENCE.sub("", _read(page))):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in _slugs(target), link


@pytest.mark.parametrize("page", _PAGES, ids=_named)
def test_paths_and_modules_that_a_page_names_are_there(page: Path) -> None:
    assert not sorted(_gone(_read(page)))


def test_paths_and_modules_that_code_and_protos_name_are_there() -> None:
    gone = {_named(path): found for path in _CODE if (found := sorted(_gone(_read(path))))}
    assert not gone


def _gone(text: str) -> set[str]:
    spans = set(_spans(text))
    return (
        {span for span in spans if _PATH.fullmatch(span) and not _there(span)}
        | {span for span in spans if _MODULE.fullmatch(span) and not _is_known(span)}
        | {span for span in spans if _FILE.fullmatch(span) and span not in _file_names() | _OF_USERS}
    )


@pytest.mark.parametrize("page", [*_PAGES, *_SCRIPTS], ids=_named)
def test_programs_and_make_targets_that_a_page_names_are_there(page: Path) -> None:
    text = _read(page)
    for module in _RUN.findall(text):
        if module.split(".")[0] in _PACKAGES:
            base = _ROOT.joinpath(*module.split("."))
            assert base.with_suffix(".py").is_file() or (base / "__main__.py").is_file(), module
    blocks = "\n".join([*_FENCE.findall(text), *_spans(text)]) if page.suffix == ".md" else text
    for targets in _MAKE.findall(blocks):
        assert set(targets.split()) <= _targets(), f"make {targets}"


def test_every_page_can_be_reached_from_the_first_one() -> None:
    reached, waiting = set(), [_ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        links = [link.partition("#")[0] for link in _LINK.findall(_read(page)) if "://" not in link]
        waiting += [(page.parent / link).resolve() for link in links if link.endswith(".md")]
    assert set(_PAGES) <= reached


def test_what_is_not_there_is_found() -> None:
    gone = {"server/nowhere.py", "server.rpc.nowhere", "server.rpc.errors.NOTHING", "nowhere.py"}
    assert _gone(" ".join(f"`{name}`" for name in gone)) == gone
    assert (
        _gone("`server/rpc/` `server.rpc.errors.ErrorTable` `errors.py` `kuntur/api/v1/score.proto`") == set()
    )
