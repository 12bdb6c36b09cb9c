"""breach – what outlives a process and is shared between hosts: breach verdicts, the common pace, the secret.

SQLite for one host, PostgreSQL for several; SQLAlchemy speaks to both. A verdict stands under an HMAC: no
address, prefix or name of a breach is in here. One instance belongs to one thread.

Raises     StoreTrouble, for whatever goes wrong with the database or the secret's file
Not here   what the verdicts mean, and how the keys are made (breach_service.verdict_cache)
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

from mailvet.checks.breach.pace import Pace
from mailvet.checks.breach.source import Kept, StoreTrouble
from mailvet.verdict import BreachResult, BreachVerdict

_SECRET: Final = 32  # octets
_ASTRAY: Final = 120.0  # seconds: a pace so far ahead is a clock that was put back

_METADATA = sa.MetaData()
_VERDICTS = sa.Table(
    "breach_verdicts",
    _METADATA,
    sa.Column("key", sa.LargeBinary(32), primary_key=True),
    sa.Column("listed", sa.Boolean, nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("newest", sa.String(7), nullable=False),
    sa.Column("classes", sa.String(64), nullable=False),
    sa.Column("checked", sa.String(10), nullable=False),
    sa.Column("expires", sa.Float(53), nullable=False, index=True),
)
_PACE = sa.Table(
    "breach_pace",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("next", sa.Float(53), nullable=False),  # when the next question is due at the steady rate
    sa.Column("blocked", sa.Float(53), nullable=False),  # until when the source has told us to wait
)
_SHARED_SECRET = sa.Table(
    "breach_secret",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("secret", sa.LargeBinary(_SECRET), nullable=False),
)


class Store:
    """`breach_source.Verdicts`."""

    def __init__(self, url: str, secret_file: str = "") -> None:
        with _trouble():
            self._url = sa.make_url(url)
            self._sqlite = self._url.get_backend_name() == "sqlite"
            self._engine = sa.create_engine(
                self._url, hide_parameters=True, pool_pre_ping=not self._sqlite, connect_args=self._arguments()
            )
        if self._sqlite:
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
        self._secret_file = secret_file

    def _arguments(self) -> dict[str, Any]:
        if self._sqlite:
            return {"timeout": 5}
        return {
            "connect_timeout": 5,  # seconds
            "options": "-c statement_timeout=5000",  # ms; counted by the server, if it is there
            "tcp_user_timeout": 10_000,  # ms until a host that vanished without a word is given up
            "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2,  # s, while we wait for its answer
        }  # fmt: skip

    def open(self) -> bytes:
        with _trouble():
            file = self._url.database if self._sqlite else None
            if file and file != ":memory:":
                os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            try:
                _METADATA.create_all(self._engine)
            except sa.exc.DBAPIError:  # another host makes them at this moment
                _METADATA.create_all(self._engine)
            with self._engine.begin() as db:
                db.execute(self._insert(_PACE).values(id=1, next=0.0, blocked=0.0).on_conflict_do_nothing())
            if self._secret_file:
                return _secret_in(Path(self._secret_file))
            if file and file != ":memory:":
                return _secret_in(Path(file + ".secret"))
            return self._shared_secret()

    def close(self) -> None:
        self._engine.dispose()

    def find(self, key: bytes, now: float) -> Kept | None:
        with _trouble(), self._engine.connect() as db:
            row = db.execute(sa.select(_VERDICTS).where(_VERDICTS.c.key == key, _VERDICTS.c.expires > now)).first()
        if row is None:
            return None
        verdict = BreachVerdict(
            result=BreachResult.LISTED if row.listed else BreachResult.NOT_LISTED,
            source=row.source,
            newest=row.newest,
            classes=tuple(row.classes.split()),
            checked=row.checked,
        )
        return Kept(verdict, row.expires)

    def keep(self, key: bytes, kept: Kept) -> None:
        verdict = kept.verdict
        values = {
            "listed": verdict.result is BreachResult.LISTED,
            "source": verdict.source,
            "newest": verdict.newest,
            "classes": " ".join(verdict.classes),
            "checked": verdict.checked,
            "expires": kept.expires,
        }
        statement = self._insert(_VERDICTS).values(key=key, **values)
        with _trouble(), self._engine.begin() as db:
            db.execute(statement.on_conflict_do_update(index_elements=["key"], set_=values))

    def purge(self, now: float) -> int:
        with _trouble(), self._engine.begin() as db:
            return db.execute(sa.delete(_VERDICTS).where(_VERDICTS.c.expires <= now)).rowcount

    def take(self, pace: Pace, now: float | None = None) -> float:
        moment = self._moment(now)
        due = sa.case((_PACE.c.next.between(moment, moment + _ASTRAY), _PACE.c.next), else_=moment)
        statement = (
            sa.update(_PACE)
            .where(_PACE.c.id == 1, due <= moment + pace.slack, _PACE.c.blocked <= moment)
            .values(next=due + pace.interval)
        )
        waits = sa.select(_PACE.c.next - pace.slack - moment, _PACE.c.blocked - moment).where(_PACE.c.id == 1)
        with _trouble(), self._engine.begin() as db:
            if db.execute(statement).rowcount:
                return 0.0
            turn, leave = db.execute(waits).one()
        return max(float(turn), float(leave), 0.05)

    def block(self, seconds: float, now: float | None = None) -> None:
        until = self._moment(now) + seconds
        with _trouble(), self._engine.begin() as db:
            db.execute(sa.update(_PACE).where(_PACE.c.id == 1, _PACE.c.blocked < until).values(blocked=until))

    def _moment(self, now: float | None) -> sa.ColumnElement[float]:
        """Hosts that share a pace go by one clock, the database's: theirs may differ by more than the pace allows."""
        if now is None and not self._sqlite:
            return sa.cast(sa.func.extract("epoch", sa.func.statement_timestamp()), sa.Float(53))
        return sa.literal(time.time() if now is None else now, sa.Float(53))

    def _shared_secret(self) -> bytes:
        with self._engine.begin() as db:
            db.execute(
                self._insert(_SHARED_SECRET).values(id=1, secret=secrets.token_bytes(_SECRET)).on_conflict_do_nothing()
            )
            return bytes(db.execute(sa.select(_SHARED_SECRET.c.secret)).scalar_one())

    def _insert(self, table: sa.Table) -> Any:
        """The two dialects say ON CONFLICT alike, but have no common class for it."""
        return sqlite.insert(table) if self._sqlite else postgresql.insert(table)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")  # readers do not wait for the writer
    cursor.execute("PRAGMA synchronous=NORMAL")  # the last verdicts may be lost with the power; they are asked anew
    cursor.close()


@contextlib.contextmanager
def _trouble() -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as e:
        raise StoreTrouble(str(e.orig).partition("\n")[0][:200]) from e
    except (sa.exc.SQLAlchemyError, ImportError, OSError) as e:
        raise StoreTrouble(str(e).partition("\n")[0][:200]) from e


def _secret_in(path: Path) -> bytes:
    """The secret in this file, which is made if it is missing: whole, by one of those who want it."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, secrets.token_bytes(_SECRET))
        os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    if path.stat().st_mode & 0o077:
        raise StoreTrouble(f"{path} can be read by others: chmod 600")
    secret = path.read_bytes()
    if len(secret) != _SECRET:
        raise StoreTrouble(f"{path} does not have {_SECRET} octets")
    return secret
