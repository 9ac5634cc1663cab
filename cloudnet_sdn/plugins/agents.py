"""The agents of one provider: of its hosts and its tunnel bridges, by substrate element."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudnet_sdn.model.settings import Timing
from cloudnet_sdn.plugins.registry import Context
from cloudnet_sdn.ports import Rpc, Transient

_LOOKS = (".get", ".get_many", ".list", ".status")
"""How methods end that only look, and should answer soon."""


class Agents:
    """Calls them."""

    def __init__(self, by_element: Mapping[str, Rpc], timing: Timing) -> None:
        self._by_element = by_element
        self._timing = timing

    def __contains__(self, element: str) -> bool:
        return element in self._by_element

    def elements(self) -> tuple[str, ...]:
        """The substrate elements with an agent."""
        return tuple(self._by_element)

    def call(self, element: str, method: str, *args: Any) -> Any:
        """Call a method of an element's agent.

        Raises:
            Transient: it has none (any more).
            CloudnetError: what the call came to; see `plugins.calls.shell`.
        """
        try:
            agent = self._by_element[element]
        except KeyError:
            raise Transient(f"{element} has no agent in the configuration") from None
        timeout_s = self._timing.peer_s if method.endswith(_LOOKS) else self._timing.shell_s
        return agent.call(method, *args, timeout_s=timeout_s)


def agents_of(context: Context) -> Agents | None:
    """The agents in a role's configuration; None where it names none."""
    settings = context.settings
    if not settings.agents:
        return None
    by_element = {element: context.shell(url) for element, url in settings.agents.items()}
    return Agents(by_element, settings.timing)
