"""Pages name settings, metrics, reasons and options that there are; `test_documents` looks for all else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import grpc
import pytest

from tests.architecture.statements import vocabulary
from tests.architecture.statements.reading import VALUE, agrees
from tests.architecture.statements.vocabulary import PAGES, lines, sources

_SECTIONS = {key.rpartition(".")[0] for key in list(vocabulary.keys()) if "." in key}
_DOTTED = re.compile(r"`([a-z_]+(?:\.[a-z_]+)+)(?: = [^`]*)?`")
_FILES = (
    "json",
    "md",
    "toml",
    "py",
    "proto",
    "npy",
    "npz",
    "onnx",
    "db",
    "html",
    "parquet",
    "csv",
    "zip",
    "lock",
)
_PROGRAM = re.compile(r"(?:\.venv/bin/)?\b(kuntur(?:-server|-trainer)?)((?: [a-z-]+)*)((?: .*)?)$")
_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)")
# Words in capitals that are of others, or of this repository and of no enum.
_CAPITALS = {
    "AVX", "CRC", "LC_ALL", "MAX_CONCURRENT_STREAMS", "NOT_SERVING", "RST_STREAM", "SO_REUSEPORT",
    "SCHED_BATCH", "SCHED_IDLE", "SCHED_OTHER", "XDG_CACHE_HOME", "DO_NOT_TRACK", "PIP_CONFIG_FILE",
    "STORAGE_DRIVER", "MODEL_VERSION", "NRO_OPERACION", "FECHA_HORA", "NRO_CUENTA", "PUNTAJE_BURO",
    "FECHA_RECLAMO",
}  # fmt: skip
_ENVIRONMENT = ("BUILDAH_", "IMAGE_", "KUNTUR_", "MLFLOW_", "NUMBA_", "ORT_", "RAY_")
_OTHERS_OPTIONS = {
    "docker": {"--network"},
    "ray": {"--address", "--head", "--num-cpus", "--port"},
    "mlflow": {"--backend-store-uri"},
    "python -m bench.costs.search_speed": {"--trials"},
}


def _code(file: str) -> Iterator[tuple[int, str]]:
    """Yields number and text of each piece of code: commands in fences, words in backticks."""
    fenced, command = False, ""
    for number, line in enumerate(lines(file), 1):
        if line.startswith("```"):
            fenced, command = not fenced, ""
        elif fenced:
            command += line.split("  #")[0].rstrip("\\")
            if not line.endswith("\\"):
                yield number, command.strip()
                command = ""
        else:
            yield from ((number, text) for text in re.findall(r"`([^`]+)`", line))


def _wrong(file: str, number: int, what: str) -> str:
    return f"{file}:{number}: {what}"


@pytest.mark.parametrize("file", PAGES)
def test_settings_that_a_page_names_are_settings(file: str) -> None:
    known = vocabulary.keys()
    wrong = [
        _wrong(file, number, f"no setting {key}")
        for number, line in enumerate(lines(file), 1)
        for key in _DOTTED.findall(line)
        if key.split(".")[0] in _SECTIONS and key.rsplit(".", 1)[1] not in _FILES and key not in known
    ]
    assert not wrong


@pytest.mark.parametrize("file", PAGES)
def test_a_value_behind_the_name_of_a_setting_is_its_default(file: str) -> None:
    units = {"_ms": 1e-3}
    wrong = []
    for number, line in enumerate(lines(file), 1):
        for key, said in re.findall(rf"`([a-z_]+(?:\.[a-z_]+)+)` \(({VALUE})\)", line):
            field = vocabulary.keys().get(key)
            if field is None or not isinstance(field.default, int | float):
                continue
            factor = next((units[end] for end in units if key.endswith(end)), 1)
            if not agrees(said, field.default * factor):
                wrong.append(_wrong(file, number, f"{key} is {field.default}, not {said}"))
    assert not wrong


@pytest.mark.parametrize("file", PAGES)
def test_metrics_that_a_page_names_are_those_that_prometheus_has(file: str) -> None:
    known = vocabulary.metrics()
    assert len(known) > 20
    wrong = [
        _wrong(file, number, f"no metric {name}")
        for number, line in enumerate(lines(file), 1)
        for name in re.findall(r"\bkuntur_[a-z_]+", line)
        if name not in known
    ]
    assert not wrong


@pytest.mark.parametrize("file", PAGES)
def test_words_in_capitals_are_names_of_the_contract(file: str) -> None:
    """Reasons, states, kinds and codes: a name that is mistyped, or is gone, is none of them."""
    known = vocabulary.proto_words() | {code.name for code in grpc.StatusCode} | _CAPITALS
    wrong = [
        _wrong(file, number, f"{word} is nothing that there is")
        for number, line in enumerate(lines(file), 1)
        for word in re.findall(r"\b[A-Z]+(?:_[A-Z0-9]+)+\b", line)
        if word not in known and not word.startswith(_ENVIRONMENT)
    ]
    assert not wrong


@pytest.mark.parametrize("file", [*PAGES, *(f for f in sources() if f.split("/")[1] == "cli")])
def test_options_that_a_page_names_are_those_of_the_command(file: str) -> None:
    known = vocabulary.options()
    others = frozenset().union(*_OTHERS_OPTIONS.values())
    wrong = []
    pieces = _code(file) if file.endswith(".md") else enumerate(lines(file), 1)
    for number, text in pieces:
        given = set(_OPTION.findall(text))
        ran = _PROGRAM.search(text.split("#")[0]) if given else None
        if ran and file.endswith(".md"):
            words = [ran[1], *ran[2].split()]
            name = next(
                (" ".join(words[:n]) for n in range(len(words), 0, -1) if " ".join(words[:n]) in known), ""
            )
            allowed = known[name or ran[1]]
        elif module := re.search(r"python -m ((?:bench|tests|demo)[\w.]*)", text):
            allowed = vocabulary.module_options(module[1])
        elif file.endswith(".md"):
            allowed = frozenset().union(*known.values()) | others | _of_modules(file)
        else:
            allowed = known[
                {"clients": "kuntur", "server": "kuntur-server", "trainer": "kuntur-trainer"}[
                    file.split("/", maxsplit=1)[0]
                ]
            ]
        wrong += [_wrong(file, number, f"no option {option}: {text}") for option in sorted(given - allowed)]
    assert not wrong


def _of_modules(file: str) -> frozenset[str]:
    """Returns the options of the programs that a page names."""
    named = re.findall(r"python -m ((?:bench|tests|demo)[\w.]*)", "\n".join(lines(file)))
    return frozenset().union(*map(vocabulary.module_options, named))
