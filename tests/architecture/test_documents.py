"""What pages, docstrings and scripts name is there: links, paths, modules, programs, make targets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.architecture.statements.reading import ROOT
from tests.architecture.statements.vocabulary import FOLDERS, PACKAGES, PAGES, is_there, sources, words

_SCRIPTS = (
    "Makefile",
    ".ci/run",
    "pyproject.toml",
    "buf.yaml",
    ".pre-commit-config.yaml",
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docker").iterdir())),
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(rf"(?<![\w./:$-])((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*-]*[\w/*])")
_MODULE = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
_RUN = re.compile(r"python3? -m ([\w.]+)")
_MAKE = re.compile(r"(?:^|`)@?make (?:[A-Z]+=\S+ )*([a-z][a-z-]*(?: [a-z][a-z-]*)*)", re.MULTILINE)
_FILE = re.compile(r"\w[\w-]*\.(?:py|proto|toml|sh)")
_MADE = ("bench/work", "kuntur/__compiled__")  # by programs, never committed
_OF_USERS = {"banco.toml", "recipe.toml", "card.toml", "server.toml"}  # what a reader writes
_ANY = ".NAME"  # stands for any module of a package


def _spans(text: str) -> Iterator[str]:
    """Yields what stands in code spans, outside of blocks."""
    for found in _SPAN.finditer(_FENCE.sub("", text)):
        yield found[1]


def _read(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def _files(place: str) -> list[str]:
    """Returns a file, or the sources, settings and protos of a folder."""
    if not (ROOT / place).is_dir():
        return [place]
    others = (path for ending in ("*.toml", "*.proto") for path in sorted((ROOT / place).rglob(ending)))
    return [
        *(file for file in sources() if file.startswith(f"{place}/")),
        *(file for path in others if not (file := path.relative_to(ROOT).as_posix()).startswith(_MADE)),
    ]


def _said(file: str) -> str:
    """Returns what a file says: of Python comments, docstrings and whatever else stands in backticks."""
    text = _read(file)
    if not file.endswith(".py"):
        return text
    return "\n".join([*words(file), *(f"`{span}`" for span in _spans(text))])


@cache
def _leads_somewhere(path: str) -> bool:
    """Returns whether a path or glob is there, from the root or, as for callers, from protos/."""
    plain = path.rstrip("/")
    return plain.startswith(_MADE) or any(any(base.glob(plain)) for base in (ROOT, ROOT / "protos"))


@cache
def _file_names() -> frozenset[str]:
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    return frozenset(path.name for path in (*found, *ROOT.iterdir()) if path.is_file())


def _runs(module: str) -> bool:
    base = ROOT.joinpath(*module.split("."))
    return base.with_suffix(".py").is_file() or (base / "__main__.py").is_file()


def _gone(text: str) -> set[str]:
    """Returns the paths, modules, files and programs that a text names and that are not there."""
    spans = set(_spans(text))
    modules = {span for span in spans if _MODULE.fullmatch(span) and not _FILE.fullmatch(span)}
    programs = {name.rstrip(".") for name in _RUN.findall(text)}
    return (
        {path for path in _PATH.findall(text) if not _leads_somewhere(path)}
        | {name for name in modules if not is_there(name.removesuffix(_ANY))}
        | {span for span in spans if _FILE.fullmatch(span) and span not in _file_names() | _OF_USERS}
        | {
            name
            for name in programs
            if name.split(".")[0] in PACKAGES and not name.endswith(_ANY) and not _runs(name)
        }
    )


@cache
def _slugs(file: str) -> frozenset[str]:
    """Returns the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", _read(file)), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings)


@cache
def _targets() -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z][a-z-]*):", _read("Makefile"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in _LINK.findall(_FENCE.sub("", _read(page))):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / file).resolve() if file else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in _slugs(target.relative_to(ROOT).as_posix()), link


@pytest.mark.parametrize("place", [*PAGES, *PACKAGES, "protos", *_SCRIPTS])
def test_what_is_named_is_there(place: str) -> None:
    gone = {file: found for file in _files(place) if (found := sorted(_gone(_said(file))))}
    assert not gone


@pytest.mark.parametrize("file", [*PAGES, *_SCRIPTS])
def test_make_targets_that_are_named_are_there(file: str) -> None:
    text = _read(file)
    blocks = "\n".join([*_FENCE.findall(text), *_spans(text)]) if file.endswith(".md") else text
    for targets in _MAKE.findall(blocks):
        assert set(targets.split()) <= _targets(), f"make {targets}"


def test_every_page_can_be_reached_from_the_first_one() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        text = page.read_text(encoding="utf-8")
        links = [link.partition("#")[0] for link in _LINK.findall(text) if "://" not in link]
        waiting += [(page.parent / link).resolve() for link in links if link.endswith(".md")]
    assert {ROOT / page for page in PAGES} <= reached


def test_what_is_not_there_is_found() -> None:
    gone = {
        "server/nowhere.py", "server.rpc.nowhere", "server.rpc.errors.NOTHING", "nowhere.py",
        "kuntur.api.v1.NoService",
    }  # fmt: skip
    assert _gone(" ".join(f"`{name}`" for name in gone)) == gone
    assert _gone("see server/nowhere.py; run python -m bench.nowhere") == {
        "server/nowhere.py",
        "bench.nowhere",
    }
    there = (
        "`server/rpc/` `server.rpc.errors.ErrorTable` `errors.py` `kuntur/api/v1/score.proto` "
        "`kuntur.api.v1.ScoringService` `kuntur.journal.v1.Entry` `python -m bench.serving.rates`"
    )
    assert _gone(there) == set()
