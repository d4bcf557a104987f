"""Images built by buildah without a registry of images, and run with a root that nobody can write to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs.apt import installed_program

ROOT = Path(__file__).parents[3]
_PROGRAMS = ("sh", "mkdir", "chown", "echo", "false")
_LEFT_OUT = (
    "site-packages",
    "test",
    "idlelib",
    "tkinter",
    "turtledemo",
    "lib2to3",
    "config-*",
    "__pycache__",
)
# Which wheels expect of every system.
_LIBRARIES = (
    "libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libutil.so.1", "libgcc_s.so.1",
    "libstdc++.so.6", "libz.so.1",
)  # fmt: skip


class Buildah:
    """Buildah with a store of its own below a folder, and without anything that needs a kernel's help."""

    def __init__(self, folder: Path) -> None:
        """Installs buildah by apt where it is lacking; skips the test where that is not possible."""
        _require_buildah()
        self._environment = os.environ | {
            "STORAGE_DRIVER": "vfs",
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "TMPDIR": str(folder),
        }
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/store"\nrunroot = "{folder}/run"\n'
        )

    def environment(self, **more: str) -> dict[str, str]:
        """Returns the environment of a program that calls it."""
        return self._environment | more

    def __call__(self, *arguments: str | Path) -> str:
        """Runs a command and gives what it wrote."""
        done = subprocess.run(
            ["buildah", *map(str, arguments)],
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"buildah {arguments[0]}:\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def import_root(self, folder: Path, name: str) -> None:
        """Makes an image of a folder."""
        container = self("from", "scratch")
        self("add", "--quiet", container, folder, "/")
        self("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
        self("commit", "--quiet", "--rm", container, name)

    def config(self, image: str) -> dict[str, Any]:
        """Returns what an image says of how it is to be run."""
        config: dict[str, Any] = json.loads(self("inspect", "--type", "image", image))["OCIv1"]["config"]
        return config

    def mount(self, image: str) -> Path:
        """Unpacks an image and gives the folder that is its root."""
        return Path(self("mount", self("from", "--pull-never", image)))


def make_base(root: Path) -> None:
    """Puts a base image together from this machine's own Python, C library and a few programs."""
    prefix, version = Path(sys.base_prefix), f"python{sys.version_info[0]}.{sys.version_info[1]}"
    local = root / "usr/local"
    for name in ("etc", "tmp", "proc", "dev", "usr/bin", "usr/local/bin", "usr/local/lib"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "bin").symlink_to("usr/bin")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    interpreter = Path(sys.executable).resolve()
    shutil.copy2(interpreter, local / "bin" / version)
    for name in ("python", "python3"):
        (local / "bin" / name).symlink_to(version)
    library = local / "lib" / version
    shutil.copytree(
        sysconfig.get_path("stdlib"), library, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True
    )
    import pip  # of the environment of the tests

    shutil.copytree(Path(pip.__file__).parent, library / "site-packages/pip")
    for shared in (prefix / "lib").glob("libpython3*.so*"):
        shutil.copy2(shared, local / "lib", follow_symlinks=False)
    programs = [Path(str(shutil.which(name))).resolve() for name in _PROGRAMS]
    for name, program in zip(_PROGRAMS, programs, strict=True):
        shutil.copy2(program, root / "usr/bin" / name)
    extensions = (library / "lib-dynload").glob("*.so")
    for needed in sorted(_libraries([interpreter, *programs, *extensions])):
        target = root / needed.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(needed, target)
    (root / "etc/ld.so.conf").write_text(
        "/usr/local/lib\n"
        + "".join(f"{folder}\n" for folder in sorted({n.parent for n in _libraries([interpreter])}))
    )
    subprocess.run(["/sbin/ldconfig", "-r", str(root)], check=True)


def _libraries(files: Sequence[Path]) -> set[Path]:
    """Returns the shared libraries that files need, where the loader looks for them."""
    listed = subprocess.run(
        ["ldd", *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    ).stdout
    paths = {word for line in listed.splitlines() for word in line.split() if word.startswith("/")}
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    for name in _LIBRARIES:
        paths.update(line.split()[-1] for line in known.splitlines() if line.split()[:1] == [name])
    return {Path(path) for path in paths if not path.endswith(":") and "python" not in path}


def download_wheels(lock: Path, folder: Path) -> None:
    """Fetches what a lock file names, from wherever pip is set to look on this machine."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--no-deps"]
    command += ["--disable-pip-version-check", "--require-hashes", "-r", str(lock), "--dest", str(folder)]
    subprocess.run(command, check=True)


class ReadOnlyRun:
    """Programs of an image as its unprivileged user, on a root that is mounted read-only. Takes root."""

    def __init__(
        self, root: Path, config: Mapping[str, Any], folders: Mapping[str, Path], **environment: str
    ) -> None:
        """Prepares the mounts.

        root: of the unpacked image; config: what the image says; folders: what is mounted, by its place.
        """
        user, _, group = config["User"].partition(":")
        assert user.isdigit()
        assert int(user) > 0
        steps = ["mount --make-rprivate /", f"mount --bind {root} {root}"]
        steps += [f"mount --bind {folder} {root}{place}" for place, folder in folders.items()]
        steps += [f"mount --rbind /dev {root}/dev", f"mount -t proc proc {root}/proc"]
        steps += [f"mount -o remount,bind,ro {root}"]
        enter = ["chroot", f"--userspec={user}:{group}", str(root), "/usr/bin/sh", "-c"]
        self._enter = " && ".join(steps) + " && exec " + " ".join(enter)
        variables = dict(pair.split("=", 1) for pair in config["Env"])
        self._environment = variables | environment
        self._working_dir = config["WorkingDir"]

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Starts a program; what it writes goes to a pipe."""
        inside = f'cd {self._working_dir} && exec "$0" "$@"'
        return subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", f"{self._enter} '{inside}' \"$@\"", "sh", *command],
            env=self._environment | {"PATH": f"{self._environment['PATH']}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def _require_buildah() -> None:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("building and running an image here takes Linux and root")
    if installed_program("buildah") is None:
        pytest.skip("there is no buildah here, and it can be installed only as root by apt-get")
