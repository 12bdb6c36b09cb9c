"""database – one connection to SQLite (for one host) or PostgreSQL (for several), and the secret that goes with it.

A store declares its tables, lets `Database.create` make them, and runs its statements in `read` or `write`. The
differences between the two databases are known here alone. One instance belongs to one thread.

Raises     StoreTrouble, for every failure of the database or the secret's file
Not here   any table but the secret's (store.breach)
"""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mailvet.values import Problem

_SECRET_OCTETS: Final = 32
_LONGEST_REASON: Final = 200  # characters
_SQLITE_ARGUMENTS: Final = {"timeout": 5}  # seconds to wait for another process's write
_POSTGRESQL_ARGUMENTS: Final = {
    "connect_timeout": 5,  # seconds
    "options": "-c statement_timeout=5000",  # ms; counted by the server, if it is there
    "tcp_user_timeout": 10_000,  # ms until a host that vanished without a word is given up
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2,  # s, while we wait for its answer
}  # fmt: skip


class StoreTrouble(Exception):
    """The exception of a store that cannot be used now. Its text says why, without a stored value or a password."""


def secret_table(name: str, metadata: sa.MetaData) -> sa.Table:
    """Declare the table of one row in which PostgreSQL keeps a secret that several hosts share."""
    return sa.Table(
        name,
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("secret", sa.LargeBinary(_SECRET_OCTETS), nullable=False),
    )


class Database:
    """SQLite or PostgreSQL, as the URL says."""

    def __init__(self, url: str) -> None:
        """Check the URL; nothing is opened yet."""
        with _as_store_trouble(), _as_url_trouble():
            parsed = _parsed(url)
            self._sqlite = parsed.get_backend_name() == "sqlite"
            self._engine = sa.create_engine(
                parsed,
                hide_parameters=True,
                pool_pre_ping=not self._sqlite,
                connect_args=_SQLITE_ARGUMENTS if self._sqlite else _POSTGRESQL_ARGUMENTS,
            )
        if self._sqlite:
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
        in_file = self._sqlite and parsed.database not in (None, "", ":memory:")
        self._file = parsed.database if in_file else None

    def create(self, metadata: sa.MetaData) -> None:
        """Create the tables that are missing, and the SQLite file with mode 0600."""
        with _as_store_trouble(), _as_url_trouble():
            if self._file:
                os.close(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            try:
                metadata.create_all(self._engine)
            except sa.exc.DBAPIError:  # another host creates them at this moment
                metadata.create_all(self._engine)

    def secret(self, file: str, table: sa.Table) -> bytes:
        """Return the secret from `file` if given, else from beside SQLite's file, else from `table`.

        It is made at first use. `table` is a `secret_table` that exists.
        """
        with _as_store_trouble():
            if file:
                return _secret_in(Path(file))
            if self._file:
                return _secret_in(Path(self._file + ".secret"))
        with self.write() as connection:
            fresh = secrets.token_bytes(_SECRET_OCTETS)
            connection.execute(self.insert(table).values(id=1, secret=fresh).on_conflict_do_nothing())
            return bytes(connection.execute(sa.select(table.c.secret)).scalar_one())

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a connection for queries."""
        with _as_store_trouble(), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Open a connection in a transaction that is committed at the end of the block."""
        with _as_store_trouble(), self._engine.begin() as connection:
            yield connection

    def insert(self, table: sa.Table) -> Any:
        """Start an INSERT that may continue with ON CONFLICT: SQLAlchemy has no common class for the two dialects."""
        return sqlite.insert(table) if self._sqlite else postgresql.insert(table)

    def moment(self, now: float | None) -> sa.ColumnElement[float]:
        """Return `now` (seconds since 1970); for None the present, by the clock that all users of the database share.

        That is PostgreSQL's own: the clocks of its hosts may differ by more than their common pace allows.
        """
        if now is None and not self._sqlite:
            return sa.cast(sa.func.extract("epoch", sa.func.statement_timestamp()), sa.Float(53))
        return sa.literal(time.time() if now is None else now, sa.Float(53))

    def close(self) -> None:
        """Close every connection; the next statement would open one again."""
        self._engine.dispose()


def url_problem(url: str) -> Problem | None:
    """Return why no database can have this URL, as far as can be told without opening one."""
    try:
        Database(url).close()
    except StoreTrouble as e:
        return Problem(str(e))
    return None


def _parsed(url: str) -> sa.URL:
    if "\0" in url:
        raise StoreTrouble("the URL contains a NUL")
    try:
        return sa.make_url(url)
    except ValueError as e:  # it would quote a password with a "/", and an IPv6 address without its bracket
        raise StoreTrouble("the port in the URL is not a number") from e


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # readers do not wait for the writer
    cursor.execute("PRAGMA synchronous=NORMAL")  # the last rows may be lost with the power
    cursor.close()


@contextlib.contextmanager
def _as_store_trouble() -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as e:
        raise StoreTrouble(_first_line(e.orig)) from e
    except (sa.exc.SQLAlchemyError, ImportError, OSError) as e:
        raise StoreTrouble(_first_line(e)) from e


@contextlib.contextmanager
def _as_url_trouble() -> Iterator[None]:
    """Raise StoreTrouble for the ValueError or TypeError with which SQLAlchemy or a driver refuses a parameter."""
    try:
        yield
    except (ValueError, TypeError) as e:
        raise StoreTrouble(f"the URL has a parameter that cannot be used: {_first_line(e)}") from e


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0][:_LONGEST_REASON]


def _secret_in(path: Path) -> bytes:
    """Return the secret in this file. A missing file is created whole, by exactly one of those who want it."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, secrets.token_bytes(_SECRET_OCTETS))
        os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    if path.stat().st_mode & 0o077:
        raise StoreTrouble(f"{path} can be read by others: chmod 600")
    secret = path.read_bytes()
    if len(secret) != _SECRET_OCTETS:
        raise StoreTrouble(f"{path} does not have {_SECRET_OCTETS} octets")
    return secret
