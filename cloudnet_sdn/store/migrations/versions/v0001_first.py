"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_EXACT: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "cloudnets",
        sa.Column("id", sa.String(length=96), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("live", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cloudnets")),
        sa.UniqueConstraint("owner", "live", name=op.f("uq_cloudnets_owner_live")),
        **_EXACT,
    )
    op.create_index(op.f("ix_cloudnets_state"), "cloudnets", ["state"], unique=False)
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
        **_EXACT,
    )
    op.create_table(
        "drained",
        sa.Column("element", sa.String(length=255), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("element", name=op.f("pk_drained")),
        **_EXACT,
    )
    op.create_table(
        "graphs",
        sa.Column("offer", sa.String(length=96), nullable=False),
        sa.Column("layer", sa.String(length=8), nullable=False),
        sa.Column("graph", _LONG, nullable=False),
        sa.PrimaryKeyConstraint("offer", "layer", name=op.f("pk_graphs")),
        **_EXACT,
    )
    op.create_table(
        "history",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("cloudnet", sa.String(length=96), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("element", sa.String(length=255), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("text", _LONG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
        **_EXACT,
    )
    op.create_index(op.f("ix_history_cloudnet"), "history", ["cloudnet"], unique=False)
    op.create_table(
        "offers",
        sa.Column("id", sa.String(length=96), nullable=False),
        sa.Column("cloudnet", sa.String(length=96), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("request_id", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.Double(), nullable=False),
        sa.Column("currency", sa.String(length=16), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offers")),
        sa.UniqueConstraint("owner", "request_id", name=op.f("uq_offers_owner_request_id")),
        **_EXACT,
    )
    op.create_index(op.f("ix_offers_cloudnet"), "offers", ["cloudnet"], unique=False)
    op.create_index(op.f("ix_offers_state_expires"), "offers", ["state", "expires"], unique=False)
    op.create_table(
        "substrate",
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("graph", _LONG, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("loaded", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_substrate")),
        **_EXACT,
    )
    op.create_table(
        "tags",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("link", sa.String(length=255), nullable=False),
        sa.Column("tag", sa.Integer(), nullable=False),
        sa.Column("cloudnet", sa.String(length=96), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("vlink", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
        sa.UniqueConstraint("link", "tag", name=op.f("uq_tags_link_tag")),
        **_EXACT,
    )
    op.create_index(op.f("ix_tags_cloudnet"), "tags", ["cloudnet"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("cloudnet", sa.String(length=96), nullable=False),
        sa.Column("offer", sa.String(length=96), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("plugin", sa.String(length=255), nullable=False),
        sa.Column("target", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("elements", sa.JSON(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("wanted", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("power", sa.JSON(), nullable=False),
        sa.Column("powered", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.JSON(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        **_EXACT,
    )
    op.create_index(op.f("ix_tasks_cloudnet_round"), "tasks", ["cloudnet", "round"], unique=False)
    op.create_index(op.f("ix_tasks_open_due"), "tasks", ["open", "due"], unique=False)
    op.create_index(op.f("ix_tasks_plugin_target"), "tasks", ["plugin", "target"], unique=False)
    counters = sa.table("counters", sa.column("name"), sa.column("value"))
    op.bulk_insert(counters, [{"name": "revision", "value": 0}, {"name": "macs", "value": 0}])


def downgrade() -> None:
    """Drop the tables."""
    for table in ("cloudnets", "counters", "drained", "graphs", "history", "offers", "substrate"):
        op.drop_table(table)
    op.drop_table("tags")
    op.drop_table("tasks")
