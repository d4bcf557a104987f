from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kuntur.tables import Mapping, Reason, SourceError, Table, TooManyRejects, read
from tests.support.programs.postgres import Database, database
from tests.unit.trainer.command import invoke, refused
from tests.unit.trainer.samples import Heard
from trainer.settings.config import load
from trainer.sources import postgres
from trainer.sources.postgres import PostgresError, fetched
from trainer.sources.source import read_source
from trainer.synthetic import SyntheticConfig, generate

MAPPING = """
[columns]
transaction_id = "nro"
event_time = "momento"
account_id = "cuenta"
amount_minor = "importe"
currency_code = "moneda"
channel = "canal"
merchant_category_code = "rubro"
device_id = "equipo"
ip_address = "ip"
account_balance_minor = "saldo"
[constants]
institution_id = "banco"
[time]
zone = "America/Lima"
[amount]
unit = "major"
[attributes]
score = "puntaje"
[label]
column = "fraude"
fraud = ["true"]
legitimate = ["false"]
delay_days = 30
"""
COLUMNS = (
    "nro numeric(20,0), momento timestamptz, cuenta char(12), importe numeric(12,2), moneda char(3), "
    "canal smallint, rubro int, equipo uuid, ip inet, saldo money, puntaje numeric, fraude bool, nombre text"
)
ROW = (
    "(12345678901234567890, '2024-05-01 08:45:10.123456-05', '0011-77', 1285.29, 'PEN', 5, 742, "
    "'6f1d0d3a-1111-2222-3333-444455556666', '190.1.2.3', '12.34', 0.1, true, 'Ana')"
)


@pytest.fixture(scope="session")
def server() -> Iterator[Database]:
    with database() as running:
        yield running


@pytest.fixture(scope="module")
def synthetic() -> pl.DataFrame:
    config = SyntheticConfig(transactions=3_000, accounts=100, merchants=400, days=12, fraud_rate=0.05)
    return generate(config).drop("fraud_cause")


@pytest.fixture
def pagos(tmp_path: Path) -> Path:
    path = tmp_path / "pagos.toml"
    path.write_text(MAPPING)
    return path


def table(server: Database, work: Path, heard: Heard | None = None, **given: Any) -> Table:
    data: dict[str, Any] = {
        name: given.pop(name) for name in ("mapping", "since", "until", "max_reject_share") if name in given
    }
    data["postgres"] = {"uri": server.uri(), **given}
    return read_source(load(None, {"data": data, "work": work}), heard or Heard()).table


def test_a_table_gives_what_a_file_of_the_same_rows_gives(
    server: Database, synthetic: pl.DataFrame, tmp_path: Path
) -> None:
    ordered = synthetic.sort("event_time", "institution_id", "transaction_id")
    ordered.write_parquet(tmp_path / "rows.parquet")
    server.ingest("synthetic", synthetic.sample(fraction=1, shuffle=True, seed=1))
    file = read(tmp_path / "rows.parquet", Mapping.load("kuntur"))
    found = table(server, tmp_path, table="public.synthetic", until=datetime(2100, 1, 1, tzinfo=UTC))
    assert_frame_equal(found.frame, file.frame)
    assert found.data_hash == file.data_hash
    assert len(found) == 3_000


def test_the_kind_of_fraud_is_fetched_for_those_who_judge_by_it(
    server: Database, synthetic: pl.DataFrame, tmp_path: Path
) -> None:
    kinds = pl.when("is_fraud").then(pl.lit("phishing")).otherwise(pl.lit("none")).alias("fraud_cause")
    server.ingest("judged", synthetic.with_columns(kinds))
    assert table(server, tmp_path, table="judged").kinds is None
    data = {"postgres": {"uri": server.uri(), "table": "judged"}}
    source = read_source(load(None, {"data": data, "work": tmp_path}), Heard(), in_hindsight=True)
    assert source.table.kinds is not None
    assert dict(source.table.kinds.value_counts().rows()) == {
        "phishing": int(synthetic["is_fraud"].sum()),
        "": int((~synthetic["is_fraud"]).sum()),
    }


def test_a_query_in_any_order_gives_the_same_data(
    server: Database, synthetic: pl.DataFrame, tmp_path: Path
) -> None:
    server.ingest("unordered", synthetic)
    orders = ("amount_minor", "transaction_id DESC")
    queries = [f"SELECT * FROM unordered ORDER BY {order} -- by hand" for order in orders]
    hashes = {table(server, tmp_path, query=query).data_hash for query in queries}
    assert hashes == {table(server, tmp_path, table="unordered").data_hash}


def test_values_of_every_type_arrive_exactly(server: Database, pagos: Path, tmp_path: Path) -> None:
    server.run(
        "DROP TABLE IF EXISTS pagos", f"CREATE TABLE pagos ({COLUMNS})", f"INSERT INTO pagos VALUES {ROW}"
    )
    empty = "(2, '2024-05-02 00:00Z', 'x', 0.07, 'PEN', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
    server.run(f"INSERT INTO pagos VALUES {empty}")
    until = datetime(2100, 1, 1, tzinfo=UTC)
    full, bare = table(server, tmp_path, table="pagos", mapping=str(pagos), until=until).frame.to_dicts()
    reported = datetime(2024, 5, 31, 13, 45, 10, 123456, tzinfo=UTC)
    expected = {
        "transaction_id": "12345678901234567890",
        "event_time": datetime(2024, 5, 1, 13, 45, 10, 123456, tzinfo=UTC),
        "account_id": "0011-77",
        "amount_minor": 128529,
        "currency_code": "PEN",
        "channel": 5,
        "merchant_category_code": "0742",
        "device_id": "6f1d0d3a-1111-2222-3333-444455556666",
        "ip_address": "190.1.2.3",
        "account_balance_minor": 1234,
        "attribute.score": 0.1,
        "is_fraud": True,
        "reported_time": reported,
        "source_row": 0,
    }
    assert {name: full[name] for name in expected} == expected
    assert (bare["amount_minor"], bare["channel"], bare["merchant_category_code"]) == (7, 0, "")
    assert (bare["account_balance_minor"], bare["attribute.score"], bare["is_fraud"]) == (None, None, None)


def test_columns_that_the_mapping_does_not_read_are_not_fetched(server: Database, pagos: Path) -> None:
    server.run("DROP TABLE IF EXISTS personas", f"CREATE TABLE personas ({COLUMNS})")
    settings = load(None, {"data": {"postgres": {"uri": server.uri(), "table": "personas"}}}).data.postgres
    with fetched(settings, Mapping.load(pagos), None, None, pagos.parent) as rows:
        assert "nombre" not in rows.collect_schema().names()


def test_the_database_orders_rows_as_their_values_arrive_whatever_its_language(
    server: Database, pagos: Path
) -> None:
    server.run(
        "DROP TABLE IF EXISTS orden",
        f"CREATE TABLE orden ({COLUMNS})".replace("char(12)", 'text COLLATE "und-x-icu"'),
        "INSERT INTO orden SELECT nro, momento, cuenta, importe, 'PEN', canal FROM (VALUES"
        " (10, timestamptz '2024-05-01Z', 'b', 1, 5), (9, '2024-05-01Z', 'b', 1, 5), (9, NULL, 'b', 1, 5),"
        " (9, '2024-05-01Z', 'é', 1, 5), (9, '2024-05-01Z', 'B', 1, 5), (9, '2024-05-01Z', NULL, 1, 5),"
        " (9, '2024-05-01Z', 'b', 1, 10), (9, '2024-04-30Z', 'z', 1, NULL)"
        ") AS rows (nro, momento, cuenta, importe, canal)",
    )
    settings = load(None, {"data": {"postgres": {"uri": server.uri(), "table": "orden"}}}).data.postgres
    with fetched(settings, Mapping.load(pagos), None, None, pagos.parent) as rows:
        found = rows.collect()
    assert [(row["nro"], row["cuenta"], row["canal"]) for row in found.to_dicts()] == [
        ("9", "b", 5), ("9", "z", None), ("10", "b", 5), ("9", None, 5), ("9", "B", 5), ("9", "b", 5),
        ("9", "é", 5), ("9", "b", 10),
    ]  # fmt: skip
    first = ["momento", "nro"]
    rest = sorted(set(found.columns) - set(first))
    assert_frame_equal(found, found.sort(*first, *rest, nulls_last=False))


def test_many_batches_are_one_table_and_leave_no_file(server: Database, pagos: Path, tmp_path: Path) -> None:
    server.run(
        "DROP TABLE IF EXISTS muchos",
        f"CREATE TABLE muchos ({COLUMNS})",
        "INSERT INTO muchos (nro, momento, cuenta, importe, moneda, canal, fraude)"
        " SELECT n, timestamptz '2024-05-01Z' - n * interval '1 second', repeat('x', 12), 1, 'PEN', 5, false"
        " FROM generate_series(1, 200000) n",
    )
    settings = load(None, {"data": {"postgres": {"uri": server.uri(), "table": "muchos"}}}).data.postgres
    before = set(tmp_path.iterdir())
    with fetched(settings, Mapping.load(pagos), None, None, tmp_path) as rows:
        assert set(tmp_path.iterdir()) == before
        assert rows.select("nro").collect()["nro"].cast(int).to_list() == list(range(200_000, 0, -1))


def test_bad_rows_are_refused_as_those_of_a_file_and_told_with_their_numbers(
    server: Database, synthetic: pl.DataFrame, tmp_path: Path
) -> None:
    number = pl.int_range(pl.len())
    bad = synthetic.sort("event_time", "institution_id", "transaction_id").with_columns(
        currency_code=pl.when(number == 3).then(pl.lit("sol")).otherwise("currency_code"),
        amount_minor=pl.when(number == 5).then(-1).otherwise("amount_minor"),
        event_time=pl.when(number == 0).then(None).otherwise("event_time"),
    )
    bad.write_parquet(tmp_path / "bad.parquet")
    server.ingest("bad", bad.reverse())
    file = read(tmp_path / "bad.parquet", Mapping.load("kuntur"), reject_path=tmp_path / "of_file.csv")
    heard = Heard()
    found = table(server, tmp_path, heard, table="bad", until=datetime(2100, 1, 1, tzinfo=UTC))
    assert_frame_equal(found.frame, file.frame)
    rejects = [pl.read_csv(path) for path in (tmp_path / "rejects.csv", tmp_path / "of_file.csv")]
    assert_frame_equal(*(one.drop("source_file") for one in rejects))
    assert set(rejects[0]["source_file"]) == {"table bad"}
    assert heard.notes[0].startswith("Refused 3 rows")
    with pytest.raises(TooManyRejects, match="column 'currency_code'"):
        table(server, tmp_path, table="bad", max_reject_share=0)


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "text"])
def test_bounds_hold_to_the_microsecond_whatever_the_type_of_the_times(
    server: Database, pagos: Path, tmp_path: Path, kind: str
) -> None:
    zone = "-05" if kind == "timestamptz" else ""
    times = [
        "2024-04-30 23:59:59.999999",
        "2024-05-01 00:00:00",
        "2024-05-01 23:59:59.999999",
        "2024-05-02 00:00:00",
    ]
    rows = ", ".join(f"({n}, '{time}{zone}', 'a', 1, 'PEN')" for n, time in enumerate(times))
    server.run(
        "DROP TABLE IF EXISTS tiempos",
        f"CREATE TABLE tiempos ({COLUMNS.replace('timestamptz', kind)})",
        f"INSERT INTO tiempos VALUES {rows}",
    )
    bounds = {"since": datetime(2024, 5, 1), "until": datetime(2024, 5, 2)}
    found = table(server, tmp_path, table="tiempos", mapping=str(pagos), **bounds)
    assert found.frame["transaction_id"].to_list() == ["1", "2"]


def test_a_bound_is_left_to_the_database_where_its_column_is_a_time(server: Database, pagos: Path) -> None:
    days = "SELECT n, date '2024-01-01' + n, 'a', 1, 'PEN' FROM generate_series(0, 99) n"
    server.run("DROP TABLE IF EXISTS dias", f"CREATE TABLE dias ({COLUMNS})", f"INSERT INTO dias {days}")
    settings = load(None, {"data": {"postgres": {"uri": server.uri(), "table": "dias"}}}).data.postgres
    since, until = datetime(2024, 1, 11, tzinfo=UTC), datetime(2024, 1, 21, tzinfo=UTC)
    with fetched(settings, Mapping.load(pagos), since, until, pagos.parent) as rows:
        assert rows.collect()["nro"].to_list() == [str(n) for n in range(10, 20)]


def test_event_times_beyond_all_calendars_are_refused_as_rows(
    server: Database, pagos: Path, tmp_path: Path
) -> None:
    rows = (
        "(1, 'infinity', 'a', 1, 'PEN'), (2, '-infinity', 'a', 1, 'PEN'), (3, '2024-05-01Z', 'a', 1, 'PEN')"
    )
    server.run(
        "DROP TABLE IF EXISTS eterno", f"CREATE TABLE eterno ({COLUMNS})", f"INSERT INTO eterno VALUES {rows}"
    )
    found = table(server, tmp_path, table="eterno", mapping=str(pagos), max_reject_share=1)
    assert found.frame["transaction_id"].to_list() == ["3"]
    assert {finding.reason for finding in found.rejects.findings} == {Reason.OUT_OF_RANGE}


def test_a_report_that_never_came_is_none(server: Database, pagos: Path, tmp_path: Path) -> None:
    rows = "(1, '2024-05-01Z', 'infinity', false), (2, '2024-05-01Z', '2024-05-07Z', true)"
    server.run(
        "DROP TABLE IF EXISTS reclamos",
        "CREATE TABLE reclamos (nro int, momento timestamptz, reclamo timestamptz, fraude bool)",
        f"INSERT INTO reclamos VALUES {rows}",
    )
    mapping = tmp_path / "reclamos.toml"
    mapping.write_text(pagos.read_text().replace("delay_days", 'reported_time = "reclamo"\ndelay_days'))
    query = "SELECT r.*, p.* FROM reclamos r LEFT JOIN (SELECT 'a' AS cuenta, 1 AS importe, 'PEN' AS moneda, "
    query += "0 AS canal, '' AS rubro, '' AS equipo, '' AS ip, 0 AS saldo, 0 AS puntaje) p ON true"
    found = table(
        server, tmp_path, query=query, mapping=str(mapping), until=datetime(2024, 12, 1, tzinfo=UTC)
    )
    known = [datetime(2024, 5, 31, tzinfo=UTC), datetime(2024, 5, 7, tzinfo=UTC)]  # after delay_days; as told
    assert found.frame["reported_time"].to_list() == known


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"table": "nowhere"}, 'table nowhere cannot be read: relation "nowhere" does not exist'),
        ({"table": 'x"; DROP TABLE synthetic; --'}, "does not exist"),
        ({"query": "SELEC 1"}, "the PostgreSQL query cannot be read: syntax error"),
        ({"query": "SELECT 1 AS a, 2 AS a"}, "several columns of one name: a"),
        ({"query": "SELECT setval('numbers', 5)"}, "read-only transaction; a query may only read"),
        ({"query": "SELECT 1/0 AS transaction_id, now() AS event_time, 'a' AS account_id, 1 AS amount_minor, "
          "'PEN' AS currency_code"}, "division by zero"),
    ],
)  # fmt: skip
def test_what_the_database_refuses_is_told_in_a_sentence(
    server: Database, tmp_path: Path, given: dict[str, str], says: str
) -> None:
    server.run("CREATE SEQUENCE IF NOT EXISTS numbers")
    mapping = {"mapping": "kuntur"}
    if "setval" in given.get("query", ""):
        (tmp_path / "m.toml").write_text('[columns]\ntransaction_id="setval"\nevent_time="setval"\n'
            'account_id="setval"\namount_minor="setval"\ncurrency_code="setval"\n')  # fmt: skip
        mapping = {"mapping": str(tmp_path / "m.toml")}
    with pytest.raises(PostgresError) as caught:
        table(server, tmp_path, **given, **mapping)
    assert says in str(caught.value)
    assert "source" not in str(caught.value)


def test_what_the_database_refuses_on_the_way_is_told_though_the_drivers_inside_is_another(
    server: Database, pagos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "SELECT 1 / (n - 3) AS nro, now() AS momento, 'a' AS cuenta, 1 AS importe, 'PEN' AS moneda, "
    query += "0 AS canal, '' AS rubro, '' AS equipo, '' AS ip, 0 AS saldo, 0 AS puntaje, false AS fraude "
    query += "FROM generate_series(1, 9) n"
    settings = load(None, {"data": {"postgres": {"uri": server.uri(), "query": query}}}).data.postgres
    for inside in (postgres._inside, lambda _: None):
        monkeypatch.setattr(postgres, "_inside", inside)
        refusal = pytest.raises(PostgresError, match="query cannot be read: division by zero")
        with refusal, fetched(settings, Mapping.load(pagos), None, None, pagos.parent):
            pass


def test_a_column_that_is_lacking_is_named_with_those_close_to_it(server: Database, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"table pg_tables: no column 'transaction_id'"):
        table(server, tmp_path, table="pg_catalog.pg_tables".rpartition(".")[2])


@pytest.mark.parametrize("password", ["wrong", "wr@ng/x", "100%"])
def test_a_failing_connection_is_told_without_the_password(
    server: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("KUNTUR_TRAINER_DATA__POSTGRES__URI", server.uri(password))
    message = refused(invoke("train", "--postgres-table", "cards", "--work", tmp_path))
    assert f"cannot connect to PostgreSQL at 127.0.0.1:{server.port}/postgres" in message
    assert 'password authentication failed for user "kuntur"' in message
    assert password not in message
    assert quote(password, safe="") not in message


@pytest.mark.parametrize(
    "uri", ["postgresql://u:wr@ng/x@h/d", "host=h password=wrong", "postgresql://u:wr%ong@h/d"]
)
def test_an_address_that_is_none_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("KUNTUR_TRAINER_DATA__POSTGRES__URI", uri)
    message = refused(invoke("train", "--postgres-query", "SELECT 1", "--work", tmp_path))
    assert "data.postgres.uri: is not an address such as postgresql://user:password@host" in message
    assert "wr" not in message.replace("write", "")


def test_a_lacking_driver_is_told_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    monkeypatch.setenv("KUNTUR_TRAINER_DATA__POSTGRES__URI", "postgresql://h/d")
    message = refused(invoke("train", "--postgres-table", "cards", "--work", tmp_path))
    assert "python -m pip install '.[postgres]'" in message


def test_a_table_without_an_address_says_which_variable_to_set() -> None:
    message = refused(invoke("train", "--postgres-table", "cards"))
    assert "set KUNTUR_TRAINER_DATA__POSTGRES__URI=" in message


def test_postgres_and_files_together_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "x.parquet"
    there.touch()
    monkeypatch.setenv("KUNTUR_TRAINER_DATA__POSTGRES__URI", "postgresql://h/d")
    message = refused(invoke("train", there, "--postgres-table", "cards"))
    assert "only one of them" in message
