"""`make fuzz`: every reader of what strangers may have written, under a fuzzer that is led by coverage.

Each runs in a process of its own for so many minutes, from what was kept of the last run on. What it found
stays in build/fuzzing/READER/findings; the figures go to tests/fuzzing/results.json and docs/security.md.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from tests.fuzzing.readers import MAX_GROWTH_MB, MAX_MEMORY_MB, MAX_SECONDS, READERS, Reader
from tests.fuzzing.reading_again import ReadAgain
from tests.fuzzing.results import Result, keep

_WORK = Path("build/fuzzing")
_FUZZER = _WORK / "atheris"
_STATED = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)
_COVERED = re.compile(r"\bcov: (\d+) ")
_ONLY = {each.name for each in READERS}


def main(
    minutes: Annotated[float, typer.Option(help="Minutes for each reader.")] = 30.0,
    only: Annotated[str, typer.Option(help="Readers, with commas between them; empty for all.")] = "",
    at_once: Annotated[int, typer.Option(help="Readers that are fuzzed at a time.", min=1)] = 1,
) -> None:
    """Fuzzes the readers and says what was found."""
    chosen = set(filter(None, only.split(","))) or _ONLY
    if not chosen <= _ONLY:
        raise typer.BadParameter(f"the readers are {', '.join(sorted(_ONLY))}")
    readers = [each for each in READERS if each.name in chosen]
    with ThreadPoolExecutor(at_once) as pool:
        results = list(pool.map(lambda reader: _fuzzed(reader, minutes), readers))
    keep(results)
    for result in results:
        for finding in result.findings:
            typer.echo(f"{result.reader}: {finding}")
    if any(result.findings for result in results):
        sys.exit(1)
    typer.echo("Nothing was found.")


def _fuzzed(reader: Reader, minutes: float) -> Result:
    """Runs the fuzzer of a reader until its time is over or it found something."""
    work = _WORK / reader.name
    seeds, corpus, findings = (_folder(work / name) for name in ("seeds", "corpus", "findings"))
    harness = reader.harness()
    for number, seed in enumerate(harness.seeds()):
        (seeds / f"{number:03d}").write_bytes(seed)
    words = work / "words"
    words.write_text("".join(f"{_quoted(word)}\n" for word in harness.DICTIONARY), encoding="ascii")
    known = set(findings.iterdir())
    options = {
        "max_total_time": round(60 * minutes),
        "timeout": MAX_SECONDS,
        "rss_limit_mb": MAX_MEMORY_MB,
        "max_len": reader.longest,
        "dict": words,
        "print_final_stats": 1,
        "artifact_prefix": f"{findings}/",
    }
    command = [sys.executable, "-m", "tests.fuzzing.running", reader.name]
    command += [f"-{name}={value}" for name, value in options.items()]
    log = work / "log"
    with log.open("wb") as stream:
        path = os.pathsep.join([str(_FUZZER), os.environ.get("PYTHONPATH", "")])
        ended = subprocess.run(
            [*command, str(corpus), str(seeds)],
            env=os.environ | {"PYTHONPATH": path},
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    said = log.read_text(encoding="utf-8", errors="replace")
    found = [f"{path}: see {log}" for path in sorted(set(findings.iterdir()) - known)]
    if ended.returncode and not found:
        found.append(f"the fuzzer ended with {ended.returncode}: see {log}")
    again = _read_again(reader, corpus)
    found += again.failures
    if again.grown_mb > MAX_GROWTH_MB:
        found.append(f"{corpus}: read again, it takes {again.grown_mb:.0f} MB")
    stated = {name: int(value) for name, value in _STATED.findall(said)}
    return Result(
        reader=reader.name,
        minutes=minutes,
        executions=stated.get("number_of_executed_units", 0),
        edges=max(map(int, _COVERED.findall(said)), default=0),
        inputs=len(list(corpus.iterdir())),
        peak_mb=stated.get("peak_rss_mb", 0),
        slowest_s=round(again.slowest_s, 3),
        grown_mb=round(again.grown_mb, 1),
        findings=found,
    )


def _read_again(reader: Reader, corpus: Path) -> ReadAgain:
    """Has the reader as it is served read what was kept, in a process of its own."""
    command = [sys.executable, "-m", "tests.fuzzing.reading_again", reader.name, str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return ReadAgain(failures=[f"{corpus}: it cannot be read again: {done.stderr.strip()[-500:]}"])
    return ReadAgain(**json.loads(done.stdout.splitlines()[-1]))


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _quoted(word: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


if __name__ == "__main__":
    typer.run(main)
