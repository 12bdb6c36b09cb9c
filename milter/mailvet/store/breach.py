"""breach – the breach verdicts that outlive a process and are shared between hosts, and the hosts' common pace.

A verdict stands under an HMAC: the database contains no address, no hash prefix and no name of a breach. One
instance belongs to one thread.

Raises     StoreTrouble
Not here   connections and the secret's file (store.database); what a verdict means and how its key is made
           (breach_service.verdict_cache)
"""

from typing import Final

import sqlalchemy as sa

from mailvet.checks.breach.pace import Pace
from mailvet.checks.breach.source import Kept
from mailvet.store.database import Database, secret_table
from mailvet.verdict import BreachResult, BreachVerdict

_FARTHEST_AHEAD: Final = 120.0  # seconds: a pace farther ahead comes from a clock that was put back
_SHORTEST_WAIT: Final = 0.05  # seconds

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
    sa.Column("next", sa.Float(53), nullable=False),  # when the next request is due at the steady rate
    sa.Column("blocked", sa.Float(53), nullable=False),  # until when the source has told us to wait
)
_SECRET = secret_table("breach_secret", _METADATA)


class BreachStore:
    """A `checks.breach.source.VerdictStore` in a database."""

    def __init__(self, url: str, secret_file: str = "") -> None:
        self._database = Database(url)
        self._secret_file = secret_file

    def open(self) -> bytes:
        self._database.create(_METADATA)
        with self._database.write() as connection:
            row = self._database.insert(_PACE).values(id=1, next=0.0, blocked=0.0)
            connection.execute(row.on_conflict_do_nothing())
        return self._database.secret(self._secret_file, _SECRET)

    def close(self) -> None:
        self._database.close()

    def find(self, key: bytes, now: float) -> Kept | None:
        query = sa.select(_VERDICTS).where(_VERDICTS.c.key == key, _VERDICTS.c.expires > now)
        with self._database.read() as connection:
            row = connection.execute(query).first()
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
        row = self._database.insert(_VERDICTS).values(key=key, **values)
        with self._database.write() as connection:
            connection.execute(row.on_conflict_do_update(index_elements=["key"], set_=values))

    def purge(self, now: float) -> int:
        with self._database.write() as connection:
            return connection.execute(sa.delete(_VERDICTS).where(_VERDICTS.c.expires <= now)).rowcount

    def take(self, pace: Pace, now: float | None = None) -> float:
        moment = self._database.moment(now)
        due = sa.case((_PACE.c.next.between(moment, moment + _FARTHEST_AHEAD), _PACE.c.next), else_=moment)
        statement = (
            sa.update(_PACE)
            .where(_PACE.c.id == 1, due <= moment + pace.slack, _PACE.c.blocked <= moment)
            .values(next=due + pace.interval)
        )
        waits = sa.select(_PACE.c.next - pace.slack - moment, _PACE.c.blocked - moment).where(_PACE.c.id == 1)
        with self._database.write() as connection:
            if connection.execute(statement).rowcount:
                return 0.0
            until_due, until_unblocked = connection.execute(waits).one()
        return max(float(until_due), float(until_unblocked), _SHORTEST_WAIT)

    def block(self, seconds: float, now: float | None = None) -> None:
        until = self._database.moment(now) + seconds
        statement = sa.update(_PACE).where(_PACE.c.id == 1, _PACE.c.blocked < until).values(blocked=until)
        with self._database.write() as connection:
            connection.execute(statement)
