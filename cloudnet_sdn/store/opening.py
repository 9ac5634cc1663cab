"""A role's database, ready to be worked on."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging

from sqlalchemy.exc import IntegrityError

from cloudnet_sdn.store import identity, substrate
from cloudnet_sdn.store.contention import repeatable
from cloudnet_sdn.store.engine import Store, create_engine
from cloudnet_sdn.store.sole import Sole
from cloudnet_sdn.store.upgrade import upgrade_engine

log = logging.getLogger(__name__)


def open_store(url: str, role: str, now: dt.datetime) -> Store:
    """The database of `role` at `url`, migrated where that is wanted.

    Raises:
        StoreError: it can't be used, isn't that role's, or is SQLite that another process uses.
    """
    engine = create_engine(url)
    sole = Sole(engine.url) if engine.dialect.name == "sqlite" else None
    store = Store(engine, () if sole is None else (sole.close,))
    try:
        before, after = upgrade_engine(engine)
        if before != after:
            log.info("store upgraded from=%s to=%s", before or "nothing", after)
        identity.check(store, role, before, now)
        _count(store)
    except BaseException:
        store.close()
        raise
    return store


@repeatable
def _count(store: Store) -> None:
    """What is locked and counted up has to be there."""
    # Where it isn't, another process may be starting as well.
    with contextlib.suppress(IntegrityError), store.write() as conn:
        substrate.begin(conn)
