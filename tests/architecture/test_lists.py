"""Lists in pages and what they list: both have the same entries, and the same values beside them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest

from kuntur.api.v1 import model_pb2
from kuntur.bundle.refusal import RefusalReason
from kuntur.tables.rejects import REJECT_COLUMNS
from kuntur.validation.columns import Reason
from tests.architecture.statements import vocabulary
from tests.architecture.statements.reading import ROOT, VALUE, value_of

_CODE = re.compile(r"`([^`]+)`")


def rows(file: str, heading: str) -> Iterator[list[str]]:
    """Yields the cells of each row of the table whose first heading is given; at least one."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    starts = [n for n, line in enumerate(lines) if line.startswith(f"| {heading} |")]
    assert starts, f"{file} has no table headed {heading!r}"
    for start in starts:
        for line in lines[start + 2 :]:
            if not line.startswith("|"):
                break
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def names(file: str, heading: str) -> set[str]:
    """Returns what stands in backticks in the first column of a table."""
    return {name for cells in rows(file, heading) for name in _CODE.findall(cells[0])}


def test_the_page_on_bundles_has_each_reason_to_refuse_one() -> None:
    listed = {cells[0] for cells in rows("docs/bundle.md", "reason")}
    proto = {
        value.name.removeprefix("MODEL_REFUSAL_REASON_")
        for value in model_pb2.ModelRefusalReason.DESCRIPTOR.values
    }
    assert listed == {str(reason) for reason in RefusalReason} == proto - {"UNSPECIFIED"}


def test_the_page_on_data_has_each_reason_to_reject_a_row_and_each_column() -> None:
    reasons = names("docs/data.md", "reason")
    assert reasons == {str(reason) for reason in Reason}
    assert names("docs/data.md", "column") == set(REJECT_COLUMNS)


def test_the_page_on_data_has_each_key_of_a_mapping() -> None:
    listed = {name.strip("[]") for name in names("docs/data.md", "key")}
    tables = {name for name, field in vocabulary.settings("mapping").items() if "." not in name} - {
        "label",
        "values",
    }
    label = {key for key in list(vocabulary.keys()) if key.startswith("label.")}
    inner = {key for key in vocabulary.settings("mapping") if key.startswith(("time.", "amount."))}
    assert {name for name in listed if not name.startswith("values.")} == tables | label | inner


@pytest.mark.parametrize(
    ("file", "heading", "section"),
    [
        ("docs/overload.md", "setting", "limits"),
        ("docs/data.md", "setting in `[checks]`", "checks"),
        ("docs/tracking.md", "setting in `[tracking]`", "tracking"),
    ],
)
def test_a_table_of_settings_has_their_defaults(file: str, heading: str, section: str) -> None:
    known = vocabulary.keys()
    for cells in rows(file, heading):
        keys = [f"{section}.{name}" for name in _CODE.findall(cells[0])]
        values = re.findall(VALUE, cells[1])
        for place, key in enumerate(keys):
            default = known[key].default
            if isinstance(default, bool):
                assert cells[1] == str(default).lower(), key
            elif isinstance(default, int | float):
                assert value_of(values[place]) == pytest.approx(default), key
            else:
                assert default is None or _CODE.findall(cells[1]) == [default], key


def test_the_page_on_overload_has_each_bound() -> None:
    limits = {
        key.removeprefix("limits.") for key in vocabulary.settings("server") if key.startswith("limits.")
    }
    elsewhere = {
        "caller_metadata_key",
        "max_frame_transactions",
        "max_request_outcomes",
        "keepalive_s",
        "retry_delay_s",
    }
    assert names("docs/overload.md", "setting") == limits - elsewhere


def test_the_page_on_dependencies_has_each_package_of_each_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {"Kernel (`kuntur`), in every install": project["dependencies"]}
    extras |= {f"`[{name}]`": packages for name, packages in project["optional-dependencies"].items()}
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    for title, packages in extras.items():
        section = text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
        listed = {
            name
            for cell in re.findall(r"^\| ([^|`]+) \|", section, re.MULTILINE)
            for name in re.sub(r" \(.*?\)", "", cell).split(", ")
        }
        wanted = {re.split(r"[<>=]", package)[0] for package in packages if not package.startswith("kuntur[")}
        assert listed - {"package", "---"} == wanted, title


def test_the_features_of_the_page_on_serving_are_services_of_the_protos() -> None:
    protos = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "protos").rglob("*_service.proto"))
    services = set(re.findall(r"^service (\w+)", protos, re.MULTILINE))
    methods = set(re.findall(r"^  rpc (\w+)", protos, re.MULTILINE))
    table = [cells for cells in rows("docs/serving.md", "service") if cells[0].endswith("Service")]
    assert {cells[0] for cells in table} == services
    assert {name for cells in table for name in _CODE.findall(cells[1])} == methods


def test_only_these_modules_of_the_kernel_know_the_stubs() -> None:
    """As `kuntur.wire` says of itself; the journal knows its own."""
    modules = {
        file.removesuffix(".py").replace("/", ".").removeprefix("kuntur.")
        for file in vocabulary.sources()
        if file.startswith("kuntur/")
        and "from kuntur.api.v1 import" in (ROOT / file).read_text(encoding="utf-8")
    }
    knowing = {"wire" if module.startswith("wire.") else module for module in modules}
    assert knowing == {"journal.exchanges.messages", "values", "validation.messages", "wire"}
    said = (ROOT / "kuntur" / "wire" / "__init__.py").read_text(encoding="utf-8").split('"""')[1]
    assert set(re.findall(r"`kuntur\.([\w.]+)`", said)) == knowing - {"wire"}
