"""The names that pages may use, as the code has them: settings, metrics, reasons, options, modules."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from tests.architecture.statements.reading import ROOT

PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))),
)
FOLDERS = (
    ".ci",
    "bench",
    "clients",
    "demo",
    "docker",
    "docs",
    "kuntur",
    "locks",
    "protos",
    "server",
    "tests",
    "trainer",
)
PACKAGES = ("bench", "clients", "demo", "kuntur", "server", "tests", "trainer")


def lines(file: str) -> list[str]:
    """Returns the lines of a file."""
    return (ROOT / file).read_text(encoding="utf-8").splitlines()


def sources() -> Iterator[str]:
    """Yields every Python file that people write."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "_pb2" not in path.name and not path.is_relative_to(ROOT / "bench" / "work"):
                yield str(path.relative_to(ROOT))


def words(file: str) -> Iterator[str]:
    """Yields the comments and docstrings of a Python file."""
    with (ROOT / file).open("rb") as source:
        for token in tokenize.tokenize(source.readline):
            if token.type == tokenize.COMMENT or token.string.startswith('"""'):
                yield token.string


@cache
def settings(program: str) -> dict[str, Any]:
    """Returns the settings of server, trainer or mapping by key, with their fields."""
    from kuntur.settings.document import fields
    from kuntur.tables.mapping import Mapping
    from server.settings.config import ServerSettings
    from trainer.settings.config import TrainerSettings

    model: type[BaseModel] = {"server": ServerSettings, "trainer": TrainerSettings, "mapping": Mapping}[
        program
    ]
    return {f"{section}.{name}" if section else name: field for section, name, field in fields(model)}


@cache
def keys() -> dict[str, Any]:
    """Returns all of them."""
    from kuntur.tables.formats import Label

    label = {f"label.{name}": field for name, field in Label.model_fields.items()}
    return settings("mapping") | label | settings("trainer") | settings("server")


@cache
def metrics() -> frozenset[str]:
    """Returns the names under which Prometheus has the server's metrics."""
    from server.telemetry.catalogue import CATALOGUE, HistogramDeclaration

    behind = {HistogramDeclaration: ("", "_bucket", "_sum", "_count")}
    return frozenset(
        declared.exposed + ending for declared in CATALOGUE for ending in behind.get(type(declared), ("",))
    )


@cache
def proto_words() -> frozenset[str]:
    """Returns the names of all enum values of the contract, with their prefix and without."""
    found: set[str] = set()
    for path in sorted((ROOT / "protos").rglob("*.proto")):
        text = path.read_text(encoding="utf-8")
        for enum, body in re.findall(r"\nenum (\w+) \{(.*?)\n\}", text, re.DOTALL):
            prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum).upper() + "_"
            for name in re.findall(r"^\s+([A-Z][A-Z0-9_]+) = \d", body, re.MULTILINE):
                found |= {name, name.removeprefix(prefix)}
    return frozenset(found)


@cache
def options() -> dict[str, frozenset[str]]:
    """Returns the options of each command: "kuntur-trainer train" and so on; the program alone has all."""
    import clients.cli.app
    import server.cli.app
    import trainer.cli.app

    apps = {
        "kuntur": clients.cli.app.app,
        "kuntur-server": server.cli.app.app,
        "kuntur-trainer": trainer.cli.app.app,
    }
    found: dict[str, frozenset[str]] = {}
    for program, app in apps.items():
        for name, command in _commands(program, typer.main.get_command(app)):
            given = {"--help"} | {
                option
                for each in command.params
                for option in (*each.opts, *each.secondary_opts)
                if option[0] == "-"
            }
            found[name] = frozenset(given)
        found[program] = frozenset().union(*(found[name] for name in found if name.startswith(f"{program} ")))
    return found


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, each in inner.items():
        yield from _commands(f"{name} {word}", each)


@cache
def module_options(module: str) -> frozenset[str]:
    """Returns the options of a program of bench, demo or tests, read from its source."""
    path = source_of(module)
    text = "" if path is None else path.read_text(encoding="utf-8")
    named = {
        f"--{name.replace('_', '-')}" for name in re.findall(r"^\s{4}(\w+): Annotated\[", text, re.MULTILINE)
    }
    return frozenset(named | set(re.findall(r'"(--[a-z-]+)"', text)))


def source_of(module: str) -> Path | None:
    """Returns the file of a module or package of this repository, None where there is none."""
    path = ROOT.joinpath(*module.split("."))
    for found in (path / "__main__.py", path.with_suffix(".py"), path / "__init__.py"):
        if found.is_file():
            return found
    return path if path.is_dir() else None


def is_there(dotted: str) -> bool:
    """Returns whether a dotted name is a module, or of something that a module or its protos define."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        path = source_of(".".join(parts[:count]))
        if path is None:
            continue
        if count == len(parts):
            return True
        folder = ROOT.joinpath(*parts[:count])
        package = folder / "__init__.py"
        text = (package if package.is_file() else path).read_text(encoding="utf-8") if path.is_file() else ""
        return parts[count] in _names(text) | _of_protos(ROOT / "protos" / folder.relative_to(ROOT))
    return False


def _of_protos(folder: Path) -> set[str]:
    """Returns the messages, enums and services that the protos of a folder have at their top."""
    top = re.compile(r"^(?:message|enum|service) (\w+)", re.MULTILINE)
    return {name for path in folder.glob("*.proto") for name in top.findall(path.read_text(encoding="utf-8"))}


def _names(text: str) -> set[str]:
    """Returns the names that a module has at its top."""
    found: set[str] = set()
    for node in ast.parse(text).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found |= {each.asname or each.name for each in names}
            case ast.Assign() | ast.AnnAssign():
                found |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return found
