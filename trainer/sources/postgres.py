"""Fetches the rows that a mapping reads from a PostgreSQL table or query, in a stream, to a file of its own.

Which columns mean what, and which rows are refused, is left to `kuntur.tables`.
"""

from __future__ import annotations

import re
import tempfile
import zoneinfo
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import polars as pl

from kuntur.tables import Mapping, needed_columns, prefixed_attributes, require_columns
from trainer.settings.data import PostgresSettings
from trainer.sources.address import address_of, redacted

INSTALL = "python -m pip install '.[postgres]'"

# Types that arrive in Polars as they are. Every other is brought to text by the server, which writes each
# value exactly: numeric keeps all its digits, where a float would round them.
_AS_IT_IS = {"bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar"}
# Polars cannot show what lies far beyond calendars, infinity for one. An event time is brought to the nearest
# one that the reader refuses as out of range; any other such time, as of a report that never came, is unset.
_TIMES = {"date", "timestamp", "timestamptz"}
_NO_TEXT = {"bool", "int2", "int4", "int8", "float4", "float8"} | _TIMES  # what is not text as it arrives
_EVENT_TIME = (
    "CASE WHEN {0} >= {1} '10000-01-01' THEN {1} '10000-01-01' "
    "WHEN {0} < {1} '0001-01-01' THEN {1} '0001-01-01' ELSE {0} END AS {0}"
)
_OTHER_TIME = "CASE WHEN {0} >= {1} '0001-01-01' AND {0} < {1} '10000-01-01' THEN {0} END AS {0}"
_AS_TEXT = {"inet": "host({})", "money": "{}::numeric::text"}  # text of inet has a mask, that of money a sign
_HINTS = {
    "42P01": "; a table's name is taken as it is, in upper and lower case, with its schema before a dot",
    "42501": "; the user needs the right to SELECT from it",
    "25006": "; a query may only read",
}
# A local time may stand for another moment around a clock change; what is exact is applied afterwards.
_LOCAL_MARGIN = timedelta(days=1)


class PostgresError(ValueError):
    """Says what keeps rows from being fetched; never with a password."""


def source_name(settings: PostgresSettings) -> str:
    """Returns what the rows go by in messages and reject files."""
    return f"table {settings.table}" if settings.table is not None else "the PostgreSQL query"


@contextmanager
def fetched(
    settings: PostgresSettings,
    mapping: Mapping,
    since: datetime | None,
    until: datetime | None,
    folder: Path,
) -> Iterator[pl.LazyFrame]:
    """Fetches the columns that a mapping reads, in one read-only transaction, and yields a scan of them.

    The rows come by event time, institution and transaction id, and those that agree in all three by the
    rest of their columns, so that the same rows give the same frame wherever the database keeps them.
    A batch of them is in memory at a time: they go to a Parquet file in `folder` that has no name and is gone
    with the block, or with the process however that ends.
    since, until: aware bounds of the event time, used where its column is a date or timestamp to fetch
    less; rows a little outside of them may come too. Raises PostgresError, SourceError for columns that
    the mapping names and the rows lack.
    """
    relation = _relation(settings)
    with tempfile.TemporaryFile(dir=folder) as file:
        _fetch(settings, mapping, relation, since, until, file)
        yield pl.scan_parquet(f"/proc/self/fd/{file.fileno()}", glob=False)


def _fetch(
    settings: PostgresSettings,
    mapping: Mapping,
    relation: str,
    since: datetime | None,
    until: datetime | None,
    file: IO[bytes],
) -> None:
    with _transaction(settings) as connection:
        types = _types(connection, relation)
        name = source_name(settings)
        require_columns(name, pl.Schema(dict.fromkeys(types, pl.String())), mapping)
        wanted = {*needed_columns(mapping), *prefixed_attributes(mapping, types).values()}
        types = {column: type_name for column, type_name in types.items() if column in wanted}
        columns = ", ".join(_value(column, type_name, mapping) for column, type_name in types.items())
        where = _bounds(mapping, types, since, until)
        # Names are quoted, bounds are dates. Ordered in a query around: by values as they arrive.
        rows = f"SELECT {columns} FROM {relation}{where}"  # noqa: S608
        _write(connection, f"SELECT * FROM ({rows}) AS wanted ORDER BY {_order(types, mapping)}", file)  # noqa: S608


def _write(connection: Any, statement: str, file: IO[bytes]) -> None:
    from pyarrow import parquet

    with connection.cursor() as cursor:
        cursor.execute(statement)
        batches = _inside(cursor) or cursor.fetch_record_batch()
        with parquet.ParquetWriter(file, batches.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
    file.flush()


def _inside(cursor: Any) -> Any:
    """Returns the reader that `fetch_record_batch` gives the inside of; None where there is none.

    What fails in it is the driver's error, with the database's code, and not Arrow's.
    """
    return getattr(getattr(cursor, "_results", None), "reader", None)


def _order(types: dict[str, str], mapping: Mapping) -> str:
    """Returns what to order the rows by; text by its bytes, whatever language the database sorts by."""
    names = ("event_time", "institution_id", "transaction_id")
    first = [column for column in map(mapping.columns.get, names) if column in types]
    return ", ".join(
        _quoted(column) + ("" if types[column] in _NO_TEXT else ' COLLATE "C"') + " NULLS FIRST"
        for column in (*first, *sorted(types.keys() - set(first)))
        if column is not None
    )


def _relation(settings: PostgresSettings) -> str:
    if settings.table is not None:
        return ".".join(_quoted(part) for part in settings.table.split(".")) + " AS source"
    # On lines of its own: a comment at its end must not swallow what follows.
    return f"(\n{(settings.query or '').strip().rstrip(';')}\n) AS source"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _value(column: str, type_name: str, mapping: Mapping) -> str:
    quoted = _quoted(column)
    if type_name in _AS_IT_IS:
        return quoted
    if type_name in _TIMES:
        is_event = column == mapping.columns.get("event_time")
        return (_EVENT_TIME if is_event else _OTHER_TIME).format(quoted, type_name)
    return f"{_AS_TEXT.get(type_name, '{}::text').format(quoted)} AS {quoted}"


def _bounds(mapping: Mapping, types: dict[str, str], since: datetime | None, until: datetime | None) -> str:
    column = mapping.columns.get("event_time", "")
    if types.get(column) not in _TIMES:
        return ""
    quoted, zone = _quoted(column), zoneinfo.ZoneInfo(mapping.time.zone)
    tests: list[str] = []
    for bound, comparison, margin in ((since, ">=", -_LOCAL_MARGIN), (until, "<", _LOCAL_MARGIN)):
        if bound is None:
            continue
        if types[column] == "timestamptz":
            moment = f"TIMESTAMPTZ '{bound.astimezone(UTC).isoformat()}'"
        else:
            moment = f"TIMESTAMP '{(bound.astimezone(zone).replace(tzinfo=None) + margin).isoformat()}'"
        tests.append(f"{quoted} {comparison} {moment}")
    # A row without a time is fetched too: the reader refuses and counts it.
    return f" WHERE {quoted} IS NULL OR ({' AND '.join(tests)})" if tests else ""


def _types(connection: Any, relation: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        schema = cursor.adbc_execute_schema(f"SELECT * FROM {relation}")  # noqa: S608  the user's own query
    doubled = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if doubled:
        raise PostgresError(
            f"the query gives several columns of one name: {', '.join(doubled)}; name each by AS"
        )
    return {field.name: (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode() for field in schema}


@contextmanager
def _transaction(settings: PostgresSettings) -> Iterator[Any]:
    try:
        from adbc_driver_manager import Error
        from adbc_driver_postgresql import dbapi
        from pyarrow import ArrowException
    except ModuleNotFoundError as error:
        raise PostgresError(f"PostgreSQL needs its driver: {INSTALL}") from error
    uri = "" if settings.uri is None else settings.uri.get_secret_value()
    try:
        address = address_of(uri)
    except ValueError as error:
        raise PostgresError(f"data.postgres.uri: {error}") from None
    try:
        connection = dbapi.connect(address.with_timeout())
    except Error as error:
        said = redacted(_said(error), uri)
        raise PostgresError(f"cannot connect to PostgreSQL at {address.place}: {said}") from None
    try:
        with closing(connection):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                cursor.execute("SET LOCAL TIME ZONE 'UTC'")
            yield connection
    except (Error, ArrowException, OSError) as error:
        if not isinstance(error, Error) and "[libpq]" not in str(error):
            raise  # of the file that the rows go to
        said, hint = redacted(_said(error), uri), _HINTS.get(getattr(error, "sqlstate", None) or "", "")
        # Not from the error: that one holds the whole statement.
        raise PostgresError(f"{source_name(settings)} cannot be read: {said}{hint}") from None


def _said(error: Exception) -> str:
    text = str(error).split("\n\nQuery was:")[0]
    found = re.search(r"(?:ERROR|FATAL):\s*(.*)", text)
    if found:
        return found[1]
    return " ".join(text.removeprefix("IO: [libpq] Failed to connect: ").split())
