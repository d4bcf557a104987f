"""What the trainer says tells nothing of a customer: others keep and read it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.trainer.command import invoke

MAPPING = """
[columns]
transaction_id = "nro"
event_time = "momento"
account_id = "cuenta"
amount_minor = "importe"
currency_code = "moneda"
device_id = "equipo"
ip_address = "ip"
account_balance_minor = "saldo"
merchant_latitude = "latitud"
[attributes]
score = "puntaje"
[label]
column = "fraude"
fraud = ["1"]
legitimate = ["0"]
delay_days = 7
"""
HEADER = "nro,momento,cuenta,importe,moneda,equipo,ip,saldo,latitud,puntaje,fraude\n"
GOOD = "{n},2024-05-01T08:00:00Z,a-{n},100,PEN,d-{n},190.1.2.3,200,-12.1,3,0\n"
# By column: what breaks a rule there, with a mark of its own.
BAD = {
    "nro": "CLIENTE-" + "7351" * 50,
    "cuenta": "QUISPE-" + "7352" * 50,
    "importe": "S/ 7353,99",
    "equipo": "IPHONE-" + "7354" * 50,
    "ip": "190.7355.2.3",
    "saldo": "7356 soles",
    "latitud": "7357.5",
    "puntaje": "BURO7358",
}
MARKS = re.compile(r"735[0-9]|CLIENTE|QUISPE|IPHONE|soles|BURO")


def rows() -> str:
    """Returns good rows and, of each kind of value, one that is refused."""
    names = HEADER.strip().split(",")
    good = [GOOD.format(n=n) for n in range(20)]
    bad = []
    for number, (name, value) in enumerate(BAD.items(), start=100):
        fields = dict(zip(names, GOOD.format(n=number).strip().split(","), strict=True))
        fields[name] = f'"{value}"'
        bad.append(",".join(fields.values()) + "\n")
    return HEADER + "".join(good + bad)


@pytest.mark.parametrize("share", ["0.01", "1.0"])
def test_refused_rows_are_told_without_what_they_hold(tmp_path: Path, share: str) -> None:
    (tmp_path / "pagos.csv").write_text(rows())
    (tmp_path / "banco.toml").write_text(MAPPING)
    (tmp_path / "trainer.toml").write_text(f"[data]\nmax_reject_share = {share}\n")
    result = invoke(
        *("train", tmp_path / "pagos.csv", "--mapping", tmp_path / "banco.toml"),
        *("--config", tmp_path / "trainer.toml", "--work", tmp_path / "work"),
    )
    assert result.exit_code == 2, result.output
    found = MARKS.findall((tmp_path / "work" / "rejects.csv").read_text())
    assert len(set(found)) >= len(BAD)  # each was refused, and may be looked up
    assert MARKS.findall(result.output) == []
    if share == "0.01":
        for name in BAD:
            assert f"column '{name}' for " in result.output
        assert "of the form 'A/ 9999,99' in row" in result.output
