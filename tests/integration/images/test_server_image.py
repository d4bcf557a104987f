"""The server's image, built as `make images` builds it, and run as a cautious platform runs it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.bundles import publish
from tests.support.programs.images import ROOT, Buildah, ReadOnlyRun, download_wheels, make_base
from tests.support.serving import stubs_for, transaction, unary, wait_until

pytestmark = pytest.mark.timeout(900)
_BASE = "localhost/kuntur-base"


@dataclass(frozen=True)
class Image:
    """An unpacked image: its root, and how it wants to be run."""

    root: Path
    config: dict[str, Any]

    def run(self, folder: Path, **environment: str) -> ReadOnlyRun:
        """Prepares to run it on a registry and a journal below a folder."""
        registry, journal = folder / "registry", folder / "journal"
        publish(registry, "m-1")
        journal.mkdir()
        shutil.chown(journal, *map(int, self.config["User"].split(":")))
        return ReadOnlyRun(
            self.root, self.config, {"/registry": registry, "/journal": journal}, **environment
        )

    def files(self) -> dict[str, tuple[int, int, int]]:
        """Returns mode, size and time of every file and folder."""
        found = {}
        for path in self.root.rglob("*"):
            status = path.lstat()
            found[str(path.relative_to(self.root))] = (status.st_mode, status.st_size, status.st_mtime_ns)
        return found


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder = tmp_path_factory.mktemp("images")
    buildah = Buildah(folder)
    make_base(folder / "base")
    buildah.import_root(folder / "base", _BASE)
    download_wheels(ROOT / "locks" / "server.txt", folder / "wheels")
    (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    built = subprocess.run(
        [ROOT / "docker" / "build.sh", "server"],
        env=buildah.environment(
            IMAGE_BUILDER="buildah",
            IMAGE_BASE=_BASE,
            IMAGE_OPTIONS=f"--pull-never --volume {folder}/wheels:/wheels:ro",
            PIP_CONFIG_FILE=str(folder / "pip.conf"),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    name = "localhost/kuntur-server:latest"
    yield Image(buildah.mount(name), buildah.config(name))
    buildah("rm", "--all")
    shutil.rmtree(folder)


def output_of(run: ReadOnlyRun, code: str) -> str:
    """Runs Python code in the image and gives what it wrote."""
    process = run.start("python", "-c", code)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    return output.strip()


def test_a_start_compiles_and_writes_nothing_and_scores(
    image: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = image.files()
    run = image.run(tmp_path, KUNTUR_SERVER_LISTEN_ADDRESS="127.0.0.1:0")
    began = time.monotonic()
    process = run.start(*image.config["Entrypoint"], *image.config["Cmd"])
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
    reader.start()
    try:
        wait_until(lambda: process.poll() is not None or port_in(lines) is not None)
        port = port_in(lines)
        assert port is not None, "".join(lines)
        with stubs_for(f"127.0.0.1:{port}") as stubs:
            answer = stubs.scoring.ScoreTransaction(
                unary(transaction("t-1")), wait_for_ready=True, timeout=60
            )
        took = time.monotonic() - began
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.terminate()
        assert process.wait(timeout=60) == 0, "".join(lines)
    finally:
        process.kill()
        process.wait()
        reader.join()
    assert answer.score.transaction_id == "t-1"
    assert answer.score.model_version == "m-1"
    assert re.search(r"^Uid:\s+10001\s+10001\s+10001\s+10001$", status, re.MULTILINE)
    ready = [json.loads(line) for line in lines if "compiled functions ready" in line]
    assert ready, "".join(lines)
    assert {(line["compiled"], line["kept"]) for line in ready} == {(0, None)}
    assert all(line["found"] > 10 and line["ahead"].startswith("/kuntur/kuntur/") for line in ready)
    assert image.files() == before
    with capsys.disabled():
        sys.stdout.write(f"\nThe image's server scored {took:.1f} s after its start.\n")


def port_in(lines: list[str]) -> int | None:
    """Returns the port that a server or a worker said it listens on."""
    found = [json.loads(line) for line in list(lines) if '"server started"' in line]
    return int(found[0]["port"]) if found else None


def test_it_does_not_listen_to_other_machines_in_plain_text_unless_that_is_said(
    image: Image, tmp_path: Path
) -> None:
    process = image.run(tmp_path).start(*image.config["Entrypoint"], *image.config["Cmd"])
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 2, output
    assert "0.0.0.0:50051 is open to other machines" in output


def test_nothing_can_be_written_but_the_volumes(image: Image, tmp_path: Path) -> None:
    code = """
import errno, os
for place in ("/", "/usr/local", "/kuntur", "/packages", "/registry", "/history"):
    try:
        open(place + "/x", "w")
    except OSError as error:
        print(place, errno.errorcode[error.errno])
open("/journal/x", "w").close()
print(os.getuid(), os.getgid())
"""
    told = output_of(image.run(tmp_path), code).splitlines()
    assert told[-1] == "10001 10001"
    assert {place for place, _ in map(str.split, told[:-1])} == {
        "/", "/usr/local", "/kuntur", "/packages", "/registry", "/history",
    }  # fmt: skip


def test_code_compiled_on_one_processor_is_found_on_another(image: Image, tmp_path: Path) -> None:
    code = """
import llvmlite.binding as llvm
features = llvm.get_host_cpu_features()
features["sse4a"] = not features["sse4a"]
llvm.get_host_cpu_name = lambda: "znver1"
llvm.get_host_cpu_features = lambda: features
from server.cli.app import app
app(["compile", "--check"])
"""
    assert re.search(r"\b0 of them compiled", output_of(image.run(tmp_path), code))


def test_neither_pip_settings_nor_a_compiler_are_in_the_image(image: Image) -> None:
    names = {Path(path).name for path in image.files()}
    assert not names & {"pip.conf", "cc", "gcc", "clang", "c++", "ld"}
    assert not list((image.root / "wheels").glob("*"))


def test_bytecode_is_there_for_every_module_and_does_not_hang_on_times(image: Image) -> None:
    sources = [path for part in ("kuntur", "packages") for path in (image.root / part).rglob("*.py")]
    lacking = [
        str(source)
        for source in sources
        if not list((source.parent / "__pycache__").glob(f"{source.stem}.*.pyc"))
    ]
    assert not lacking
    (bytecode,) = (image.root / "kuntur/server/__pycache__").glob("app.*.pyc")
    unchecked_hash = 0b01
    assert int.from_bytes(bytecode.read_bytes()[4:8], "little") == unchecked_hash
