"""The agents of one provider: of its hosts and its tunnel bridges, by substrate element."""

from __future__ import annotations

from collections.abc import Mapping

from cloudnet_sdn.model.settings import Timing
from cloudnet_sdn.plugins.calls import Peer
from cloudnet_sdn.plugins.registry import Context
from cloudnet_sdn.ports import Rpc, Transient


class Agents:
    """Each by the element it is the agent of."""

    def __init__(self, by_element: Mapping[str, Rpc], timing: Timing) -> None:
        self._by_element = {element: Peer(rpc, timing) for element, rpc in by_element.items()}

    def __contains__(self, element: str) -> bool:
        return element in self._by_element

    def elements(self) -> tuple[str, ...]:
        """The substrate elements with an agent."""
        return tuple(self._by_element)

    def of(self, element: str) -> Peer:
        """The agent of an element; `plugins.calls.shell` says what its calls may come to.

        Raises:
            Transient: it has none (any more).
        """
        try:
            return self._by_element[element]
        except KeyError:
            raise Transient(f"{element} has no agent in the configuration") from None


def agents_of(context: Context) -> Agents | None:
    """The agents in a role's configuration; None where it names none."""
    settings = context.settings
    if not settings.agents:
        return None
    by_element = {element: context.shell(element, url) for element, url in settings.agents.items()}
    return Agents(by_element, settings.timing)
