"""What callers have is not broken: `make contract` refuses a change that would, by what was last released."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_BUF = Path(sys.executable).parent / "buf"
_STATUS = Path("google", "rpc", "status.proto")
_API = Path("protos", "kuntur", "api", "v1")


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """A copy of the contract that may be changed."""
    shutil.copy(_ROOT / "buf.yaml", tmp_path)
    shutil.copytree(_ROOT / "protos", tmp_path / "protos")
    laid = tmp_path / "build" / "googleapis" / _STATUS
    laid.parent.mkdir(parents=True)
    shutil.copy(Path(sysconfig.get_path("purelib")) / _STATUS, laid)
    return tmp_path


def broken(contract: Path) -> str:
    """Returns what `make contract` finds broken, a line each."""
    now, released = "build/contract.binpb", "protos/released/contract.binpb"
    subprocess.run([_BUF, "build", "--output", now], cwd=contract, check=True)
    found = subprocess.run(
        [_BUF, "breaking", now, "--against", released],
        cwd=contract,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode == 0) == (not found.stdout), found.stderr
    return found.stdout


def test_nothing_is_broken_that_was_released(contract: Path) -> None:
    assert broken(contract) == ""


@pytest.mark.parametrize(
    ("file", "was", "becomes", "told"),
    [
        ("transaction.proto", "double merchant_latitude", "float merchant_latitude", "changed type"),
        ("transaction.proto", "account_age_days = 11", "account_age_days = 99", '"account_age_days"'),
        ("error_reason.proto", "ERROR_REASON_OVERLOADED = 6", "ERROR_REASON_BUSY = 6", "changed name"),
    ],
)
def test_a_change_that_breaks_callers_is_found(
    contract: Path, file: str, was: str, becomes: str, told: str
) -> None:
    path = contract / _API / file
    text = path.read_text(encoding="utf-8")
    assert was in text
    path.write_text(text.replace(was, becomes), encoding="utf-8")
    assert told in broken(contract)


def test_what_is_added_breaks_nothing(contract: Path) -> None:
    path = contract / _API / "score.proto"
    path.write_text(path.read_text(encoding="utf-8") + "\nmessage Later {}\n", encoding="utf-8")
    assert broken(contract) == ""
