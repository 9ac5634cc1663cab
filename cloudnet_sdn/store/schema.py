"""The tables. Portable SQL: SQLite, MariaDB and PostgreSQL.

Times are whole microseconds since 1970 (`Instant`), because the three databases disagree about
fractions and zones. Texts are long enough for a 16 MiB document on MariaDB too.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

ID = 96
NAME = 255
CURRENCY_LONGEST = 64
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
"""MariaDB's TEXT ends at 64 KiB."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Instant(sa.TypeDecorator[dt.datetime]):
    """An aware UTC datetime, kept as microseconds since 1970."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> int | None:
        """A datetime to microseconds."""
        del dialect
        return None if value is None else (value - _EPOCH) // dt.timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: Any) -> dt.datetime | None:
        """Microseconds to a datetime."""
        del dialect
        return None if value is None else _EPOCH + dt.timedelta(microseconds=int(value))


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
EXACT: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
"""MariaDB would take `Shop` and `shop` for one name."""
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

substrate = sa.Table(
    "substrate",
    metadata,
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("graph", LONG_TEXT, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("loaded", Instant, nullable=False),
    **EXACT,
)

cloudnets = sa.Table(
    "cloudnets",
    metadata,
    sa.Column("id", sa.String(ID), primary_key=True),
    sa.Column("owner", sa.String(NAME), nullable=False),
    sa.Column("name", sa.String(NAME), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("expires", Instant, nullable=False),
    sa.Column("created", Instant, nullable=False),
    # The generation in force is the round that its offer came to; 0 while there is none.
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    sa.Column("offer", sa.String(ID), nullable=False, server_default=""),
    # The last number that a round was given.
    sa.Column("rounds", sa.Integer, nullable=False, server_default="0"),
    sa.Index(None, "owner", "name"),
    sa.Index(None, "owner", "state"),
    sa.Index(None, "state", "expires"),
    sa.Index(None, "state", "created"),
    **EXACT,
)

names = sa.Table(
    "names",
    metadata,
    sa.Column("owner", sa.String(NAME), primary_key=True),
    sa.Column("name", sa.String(NAME), primary_key=True),
    sa.Column("cloudnet", sa.String(ID), nullable=False),
    sa.Index(None, "cloudnet"),
    **EXACT,
)

offers = sa.Table(
    "offers",
    metadata,
    sa.Column("id", sa.String(ID), primary_key=True),
    sa.Column("cloudnet", sa.String(ID), nullable=False),
    sa.Column("owner", sa.String(NAME), nullable=False),
    sa.Column("request_id", sa.String(NAME), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("expires", Instant),
    sa.Column("lease_until", Instant, nullable=False),
    sa.Column("price", sa.Double, nullable=False),
    sa.Column("currency", sa.String(CURRENCY_LONGEST), nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("choices", sa.JSON, nullable=False),
    sa.Column("created", Instant, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False, server_default="creation"),
    # The round it came to, or is in.
    sa.Column("round", sa.Integer, nullable=False, server_default="0"),
    # What of the generation before it keeps: {"tasks": [id], "tags": [id]}.
    sa.Column("kept", sa.JSON),
    # The process that works on it, and until when nobody else takes it up.
    sa.Column("worked_by", sa.String(64), nullable=False, server_default=""),
    sa.Column("worked_until", Instant),
    # What it counts for in its owner's quota: {resource: amount}. None: an earlier version's.
    sa.Column("asks", sa.JSON),
    # The size of the document as asked; 0 once that isn't kept any more.
    sa.Column("size", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("owner", "request_id"),
    sa.Index(None, "cloudnet"),
    sa.Index(None, "state", "expires"),
    sa.Index(None, "state", "created"),
    **EXACT,
)

graphs = sa.Table(
    "graphs",
    metadata,
    sa.Column("offer", sa.String(ID), primary_key=True),
    sa.Column("layer", sa.String(8), primary_key=True),
    sa.Column("graph", LONG_TEXT, nullable=False),
    **EXACT,
)

tags = sa.Table(
    "tags",
    metadata,
    sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
    sa.Column("link", sa.String(NAME), nullable=False),
    sa.Column("tag", sa.Integer, nullable=False),
    sa.Column("cloudnet", sa.String(ID), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("vlink", sa.String(NAME), nullable=False),
    sa.UniqueConstraint("link", "tag"),
    sa.Index(None, "cloudnet"),
    **EXACT,
)

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
    sa.Column("cloudnet", sa.String(ID), nullable=False),
    sa.Column("offer", sa.String(ID), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("plugin", sa.String(NAME), nullable=False),
    sa.Column("target", sa.String(NAME), nullable=False),
    sa.Column("key", sa.String(NAME), nullable=False),
    sa.Column("elements", sa.JSON, nullable=False),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("wanted", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("power", sa.JSON, nullable=False),
    sa.Column("powered", sa.JSON, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due", Instant, nullable=False),
    sa.Column("problem", sa.JSON, nullable=False),
    # Whether there is something left to do: wanted differs from state, or power from powered.
    sa.Column("open", sa.Boolean, nullable=False),
    # The task whose thing this one changes in place, until it has.
    sa.Column("succeeds", _SERIAL),
    # The process that works on it, and until when nobody else takes it up.
    sa.Column("claimed_by", sa.String(64), nullable=False, server_default=""),
    sa.Column("claimed_until", Instant),
    sa.Index(None, "cloudnet", "round"),
    sa.Index(None, "cloudnet", "wanted", "state"),
    sa.Index(None, "open", "due"),
    sa.Index(None, "plugin", "target"),
    **EXACT,
)

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("cloudnet", sa.String(ID), primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True, autoincrement=False),
    # A substrate element, an end point, or `pool NAME`.
    sa.Column("holder", sa.String(NAME), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    # In small whole units; `store/usage.py` says which.
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Index(None, "holder"),
    **EXACT,
)

totals = sa.Table(
    "totals",
    metadata,
    # What all CloudNets together take of a holder, in the units of `usage`; changed along with it,
    # so that nobody has to add all of them up.
    sa.Column("holder", sa.String(NAME), primary_key=True),
    sa.Column("resource", sa.String(64), primary_key=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
    # The revision that its last change made: who has read an earlier one reads the rest alone.
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Index(None, "revision"),
    **EXACT,
)

drained = sa.Table(
    "drained",
    metadata,
    sa.Column("element", sa.String(NAME), primary_key=True),
    sa.Column("since", Instant, nullable=False),
    # Whether it is gone for good: nothing waits for it.
    sa.Column("gone", sa.Boolean, nullable=False, server_default=sa.false()),
    **EXACT,
)

history = sa.Table(
    "history",
    metadata,
    sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
    sa.Column("cloudnet", sa.String(ID), nullable=False),
    sa.Column("time", Instant, nullable=False),
    sa.Column("element", sa.String(NAME), nullable=False),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("text", LONG_TEXT, nullable=False),
    sa.Index(None, "cloudnet", "time"),
    **EXACT,
)

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    **EXACT,
)

identity = sa.Table(
    "identity",
    metadata,
    # One row: whose store this is. Shells know the epoch, and obey no other one.
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("role", sa.String(NAME), nullable=False),
    sa.Column("epoch", sa.String(64), nullable=False),
    sa.Column("created", Instant, nullable=False),
    # What is drawn from it nobody else can foresee (MAC addresses).
    sa.Column("secret", sa.String(64), nullable=False, server_default=""),
    **EXACT,
)

strangers = sa.Table(
    "strangers",
    metadata,
    sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
    sa.Column("plugin", sa.String(NAME), nullable=False),
    sa.Column("target", sa.String(NAME), nullable=False),
    sa.Column("key", sa.String(NAME), nullable=False),
    sa.Column("seen", Instant, nullable=False),
    sa.Column("removed", Instant),
    sa.Index(None, "plugin", "target"),
    **EXACT,
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("beat", Instant, nullable=False),
    **EXACT,
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("until", Instant, nullable=False),
    **EXACT,
)

owners = sa.Table(
    "owners",
    metadata,
    sa.Column("owner", sa.String(NAME), primary_key=True),
    # The hour that `refusals` counts, in hours since 1970.
    sa.Column("hour", sa.Integer, nullable=False, server_default="0"),
    sa.Column("refusals", sa.Integer, nullable=False, server_default="0"),
    # The bytes of documents that are kept for it.
    sa.Column("stored", sa.BigInteger, nullable=False, server_default="0"),
    **EXACT,
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
    sa.Column("time", Instant, nullable=False),
    sa.Column("caller", sa.String(NAME), nullable=False),
    sa.Column("method", sa.String(64), nullable=False),
    sa.Column("about", sa.String(NAME), nullable=False),
    sa.Column("outcome", sa.String(64), nullable=False),
    sa.Column("text", LONG_TEXT, nullable=False),
    sa.Index(None, "time"),
    **EXACT,
)
