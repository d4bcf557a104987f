"""Which files a path or glob names, and what is wrong with those that name none.

Nothing but the standard library is loaded here, so that a mistyped path is refused before anything heavy is.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

# The ending of a file's name and the format it stands for.
FORMATS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_GLOB_CHARACTERS = frozenset("*?[")
_MAPPINGS = Path(__file__).parent / "tables" / "mappings"


def matches(pattern: str) -> list[Path]:
    """Returns the files or folders that a path or a glob names, sorted; none where there is none."""
    path = Path(pattern).expanduser()
    if path.exists():
        return [path]
    if not _GLOB_CHARACTERS & set(pattern):
        return []
    root = Path(path.anchor) if path.anchor else Path()
    return sorted(root.glob(str(path.relative_to(path.anchor))))


def path_problem(path: Path, file_format: str | None) -> str | None:
    """Returns why a path that exists cannot be read as a file of transactions; None where it may be.

    file_format: one of the values of FORMATS for all files, None where each file's ending says it.
    """
    if path.is_dir():
        return f"{path}: is a folder; name its files, such as {path}/*.parquet"
    if file_format is None and path.suffix.lower() not in FORMATS:
        return (
            f"{path}: extension {path.suffix!r} is none of {', '.join(FORMATS)}; name the format of such "
            'files in the mapping, such as file_format = "csv"'
        )
    return None


def refusal(lines: Iterable[str]) -> str:
    """Returns the problems of files as one message."""
    return "\n".join(["cannot read the files:", *(f"  {line}" for line in lines)])


def missing_files(patterns: Iterable[str]) -> str | None:
    """Returns a message that names every path or glob without a file; None where each has one."""
    lines = [f"{pattern}: no such file" for pattern in patterns if not matches(pattern)]
    return refusal(lines) if lines else None


def shipped_mappings() -> tuple[str, ...]:
    """Returns the names of the mappings that come with Kuntur."""
    return tuple(sorted(path.stem for path in _MAPPINGS.glob("*.toml")))


def missing_mapping(name: str) -> str | None:
    """Returns a message where there is no mapping of this name or path; None where there is one."""
    if name in shipped_mappings() or Path(name).is_file():
        return None
    return f"no mapping {name!r}: no such file, and the shipped ones are {', '.join(shipped_mappings())}"
