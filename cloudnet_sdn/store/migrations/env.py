"""Alembic's entry: runs the versions over the connection that `store.upgrade` hands over."""

from alembic import context

from cloudnet_sdn.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
