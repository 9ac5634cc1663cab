"""Every call that changes something is written down: who, what, about what, and how it ended.

Before it is done, and its end after: so one whose process was killed meanwhile is seen too.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from cloudnet_sdn.ports import Clock
from cloudnet_sdn.store import audit
from cloudnet_sdn.store.contention import StoreAway, repeatable
from cloudnet_sdn.store.engine import Store
from cloudnet_sdn.wire.faults import CloudnetError, Internal
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.rpc import Method

log = logging.getLogger(__name__)

CHANGING: Mapping[str, int | None] = {
    "negotiation.request": 0,
    "negotiation.modify": 1,
    "negotiation.confirm": 0,
    "negotiation.cancel": 0,
    "negotiation.release": 0,
    "negotiation.renew": 0,
    "provisioning.start": 0,
    "provisioning.stop": 0,
    "provisioning.powercycle": 0,
    "provisioning.console": 0,
    "provisioning.migrate": 0,
    "operator.load": None,
    "operator.drain": 0,
    "operator.undrain": 0,
    "operator.forget": 0,
    "operator.apply": 0,
}
"""What is written down, each with the argument that says what it is about."""
_LONG = 200
"""An argument of more characters is told by its length: documents are kept elsewhere."""


class Audit:
    """Writes calls down."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def of(self, methods: Iterable[Method]) -> list[Method]:
        """The methods, those that change something with their calls written down."""
        return [self._kept(m) if m.name in CHANGING else m for m in methods]

    def _kept(self, method: Method) -> Method:
        def call(caller: Caller, *args: Any) -> Any:
            number = self._begin(caller, method.name, args)
            about, text = _about(method.name, args), _brief(args)
            try:
                answer = method.call(caller, *args)
            except CloudnetError as exc:
                self._end(number, about, f"fault {exc.code}", f"{text}: {exc}")
                raise
            except Exception:
                self._end(number, about, f"fault {Internal.code}", text)
                raise
            found = answer if isinstance(answer, dict) else {}
            state = str(found.get("state") or "done")
            self._end(number, str(found.get("cloudnet") or about), state, text)
            return answer

        return dataclasses.replace(method, call=call)

    @repeatable
    def _begin(self, caller: Caller, name: str, args: tuple[Any, ...]) -> int:
        with self._store.write() as conn:
            return audit.begin(
                conn,
                self._clock.now(),
                caller=caller.uri,
                method=name,
                about=_about(name, args),
                text=_brief(args),
            )

    def _end(self, number: int, about: str, outcome: str, text: str) -> None:
        """Write down how it ended; where that can't be, what was done is answered all the same."""
        try:
            self._ended(number, about, outcome, text)
        except (StoreAway, sa.exc.SQLAlchemyError):
            log.exception("its end isn't written down call=%s outcome=%s", number, outcome)

    @repeatable
    def _ended(self, number: int, about: str, outcome: str, text: str) -> None:
        with self._store.write() as conn:
            audit.end(conn, number, about=about, outcome=outcome, text=text)


def _about(name: str, args: tuple[Any, ...]) -> str:
    place = CHANGING[name]
    return "" if place is None or place >= len(args) else str(args[place])


def _brief(args: tuple[Any, ...]) -> str:
    """The arguments in short; of options their names, as their values may be secret."""
    return "; ".join(filter(None, map(_short, args)))


def _short(arg: Any) -> str:
    if isinstance(arg, dict):
        return f"with {', '.join(map(str, arg))}" if arg else ""
    text = ", ".join(map(str, arg)) if isinstance(arg, list) else str(arg)
    return text if len(text) <= _LONG else f"{len(text)} characters"
