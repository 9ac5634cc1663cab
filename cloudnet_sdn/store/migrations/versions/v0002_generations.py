"""Generations: CloudNets that change, with usage, observation and work in tables of their own."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_EXACT: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add what is new, and tell what stands already in its terms."""
    _add_tables()
    op.execute(
        "INSERT INTO names (owner, name, cloudnet) "
        "SELECT owner, live, id FROM cloudnets WHERE live IS NOT NULL"
    )
    with op.batch_alter_table("cloudnets") as table:
        table.drop_constraint(op.f("uq_cloudnets_owner_live"), type_="unique")
        table.drop_column("live")
        table.drop_index(op.f("ix_cloudnets_state"))
        table.add_column(sa.Column("generation", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("offer", sa.String(96), nullable=False, server_default=""))
        table.add_column(sa.Column("rounds", sa.Integer(), nullable=False, server_default="0"))
        table.create_index(op.f("ix_cloudnets_owner_name"), ["owner", "name"])
        table.create_index(op.f("ix_cloudnets_owner_state"), ["owner", "state"])
        table.create_index(op.f("ix_cloudnets_state_expires"), ["state", "expires"])
        table.create_index(op.f("ix_cloudnets_state_created"), ["state", "created"])
    with op.batch_alter_table("drained") as table:
        table.add_column(sa.Column("gone", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("offers") as table:
        table.alter_column(
            "currency", existing_type=sa.String(16), type_=sa.String(64), existing_nullable=False
        )
        table.add_column(
            sa.Column("kind", sa.String(16), nullable=False, server_default="creation")
        )
        table.add_column(sa.Column("round", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("kept", sa.JSON(), nullable=True))
        table.add_column(sa.Column("worked_by", sa.String(64), nullable=False, server_default=""))
        table.add_column(sa.Column("worked_until", sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("asks", sa.JSON(), nullable=True))
        table.add_column(sa.Column("size", sa.BigInteger(), nullable=False, server_default="0"))
        table.create_index(op.f("ix_offers_state_created"), ["state", "created"])
    with op.batch_alter_table("history") as table:
        table.drop_index(op.f("ix_history_cloudnet"))
        table.create_index(op.f("ix_history_cloudnet_time"), ["cloudnet", "time"])
    with op.batch_alter_table("tasks") as table:
        table.add_column(sa.Column("succeeds", _SERIAL, nullable=True))
        table.add_column(sa.Column("claimed_by", sa.String(64), nullable=False, server_default=""))
        table.add_column(sa.Column("claimed_until", sa.BigInteger(), nullable=True))
        table.create_index(op.f("ix_tasks_cloudnet_wanted_state"), ["cloudnet", "wanted", "state"])
    _tell()


def _tell() -> None:
    """Rounds and generations of what stands: one offer, whose last round it is."""
    op.execute(
        "UPDATE offers SET round = COALESCE((SELECT MAX(round) FROM tasks "
        "WHERE tasks.wanted <> 'absent' AND tasks.cloudnet = offers.cloudnet), 0) "
        "WHERE state IN ('held', 'confirming', 'confirmed')"
    )
    op.execute(
        "UPDATE cloudnets SET rounds = COALESCE((SELECT MAX(round) FROM tasks "
        "WHERE tasks.cloudnet = cloudnets.id), 0) "
        "WHERE state IN ('preliminary', 'ready', 'releasing')"
    )
    op.execute(
        "UPDATE cloudnets SET generation = COALESCE((SELECT MAX(round) FROM tasks "
        "WHERE tasks.wanted <> 'absent' AND tasks.cloudnet = cloudnets.id), 0), "
        "offer = COALESCE((SELECT MAX(id) FROM offers "
        "WHERE offers.cloudnet = cloudnets.id AND offers.state = 'confirmed'), '') "
        "WHERE state = 'ready'"
    )


def _add_tables() -> None:
    op.create_table(
        "names",
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("cloudnet", sa.String(96), nullable=False),
        sa.PrimaryKeyConstraint("owner", "name", name=op.f("pk_names")),
        **_EXACT,
    )
    op.create_index(op.f("ix_names_cloudnet"), "names", ["cloudnet"])
    op.create_table(
        "usage",
        sa.Column("cloudnet", sa.String(96), nullable=False),
        sa.Column("round", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cloudnet", "round", "holder", "resource", name=op.f("pk_usage")),
        **_EXACT,
    )
    op.create_index(op.f("ix_usage_holder"), "usage", ["holder"])
    op.create_table(
        "totals",
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("holder", "resource", name=op.f("pk_totals")),
        **_EXACT,
    )
    op.create_index(op.f("ix_totals_revision"), "totals", ["revision"])
    op.create_table(
        "identity",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.String(255), nullable=False),
        sa.Column("epoch", sa.String(64), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity")),
        **_EXACT,
    )
    op.create_table(
        "strangers",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("plugin", sa.String(255), nullable=False),
        sa.Column("target", sa.String(255), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strangers")),
        **_EXACT,
    )
    op.create_index(op.f("ix_strangers_plugin_target"), "strangers", ["plugin", "target"])
    op.create_table(
        "workers",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
        **_EXACT,
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
        **_EXACT,
    )
    op.create_table(
        "owners",
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("refusals", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("stored", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_owners")),
        **_EXACT,
    )
    op.create_table(
        "audit",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("caller", sa.String(255), nullable=False),
        sa.Column("method", sa.String(64), nullable=False),
        sa.Column("about", sa.String(255), nullable=False),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.Column("text", _LONG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        **_EXACT,
    )
    op.create_index(op.f("ix_audit_time"), "audit", ["time"])


def downgrade() -> None:
    """Not offered: what changed while it ran can't be told in the old terms."""
    raise NotImplementedError("a store is not taken back to an earlier version: restore a copy")
