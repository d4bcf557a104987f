"""docs/errors.md, from what the contract and the Python clients say of each reason.

`python -m tests.support.error_page > docs/errors.md` writes it. It stands here because only tests know both
server and clients.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from clients.errors import BY_REASON

_ROOT = Path(__file__).parents[2]
_PROTO = _ROOT / "protos" / "kuntur" / "api" / "v1" / "error_reason.proto"
_VALUE = re.compile(r"((?:^ *//.*\n)+) *ERROR_REASON_([A-Z_]+) = \d+;$", re.MULTILINE)
_COMMENT = re.compile(r"([A-Z_]+)(, with RetryInfo)?\. (.+) Example metadata: (\{.*\})\.")
_HEAD = """\
# Errors

`make generate` writes this page from the comments of `protos/kuntur/api/v1/error_reason.proto`.

Every error of Kuntur is a `google.rpc.Status` with ErrorInfo, whose `domain` is "kuntur" and whose `reason`
is one of these. A failed call has it in its trailing metadata (`grpc-status-details-bin`), an item of a frame
or of a report in the answer. The Python clients raise the exception of the last column. Sending again is
always safe: a transaction counts once, by its id. Statuses without a reason are in
[overload.md](overload.md).

| reason | status | what it means | metadata, for example | exception |
| --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class DocumentedReason:
    """What the contract says of a reason."""

    name: str
    code: str
    retried: bool
    meaning: str
    metadata: dict[str, str]


def documented_reasons() -> list[DocumentedReason]:
    """Returns the reasons in the order of the contract. Raises ValueError for a comment of another form."""
    found = []
    for comment, name in _VALUE.findall(_PROTO.read_text(encoding="utf-8")):
        text = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        if name == "UNSPECIFIED":
            continue
        matched = _COMMENT.fullmatch(text)
        if matched is None:
            raise ValueError(
                f"the comment of {name} should be CODE. Meaning. Example metadata: {{…}}.: {text}"
            )
        code, retried, meaning, metadata = matched.groups()
        found.append(DocumentedReason(name, code, retried is not None, meaning, json.loads(metadata)))
    return found


def render() -> str:
    """Returns the page."""
    rows = []
    for reason in documented_reasons():
        status = f"{reason.code}, with RetryInfo" if reason.retried else reason.code
        metadata = ", ".join(f'`{key}`: "{value}"' for key, value in reason.metadata.items()) or "–"
        exception = f"`{BY_REASON[reason.name].__name__}`"
        rows.append(f"| {reason.name} | {status} | {reason.meaning} | {metadata} | {exception} |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(render())
