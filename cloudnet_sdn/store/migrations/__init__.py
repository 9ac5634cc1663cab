"""Alembic's scripts, run by `cloudnet_sdn.store.upgrade`."""
