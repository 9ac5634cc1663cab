"""The agent's XML-RPC methods (docs/architecture.md, "Host agent"), over its parts.

Parses what came, calls the parts, maps what they raise. Only the provider may call.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any

from cloudnet_sdn.wire.faults import Forbidden, Internal, NotFound
from cloudnet_sdn.wire.identity import Caller
from cloudnet_sdn.wire.rpc import Method
from hostagent.command import CommandFailedError
from hostagent.console import Consoles
from hostagent.spec import parse_key, parse_spec
from hostagent.tunnels import Tunnels
from hostagent.vnodes import VNodes

log = logging.getLogger(__name__)

API = 1

_STRUCT = ("struct", "string")


class Methods:
    """What a provider may ask of a host."""

    def __init__(
        self,
        *,
        name: str,
        provider: Caller,
        drivers: Sequence[str],
        vnodes: VNodes | None,
        consoles: Consoles | None,
        tunnels: Tunnels,
        tunnel_names: Sequence[str],
    ) -> None:
        self._name = name
        self._provider = provider
        self._drivers = drivers
        self._vnodes = vnodes
        self._consoles = consoles
        self._tunnels = tunnels
        self._tunnel_names = tunnel_names

    def table(self) -> list[Method]:
        """All methods with their signatures and help."""
        return [
            self._method("agent.describe", self._describe, ("struct",), "What this agent is."),
            *self._vnode_methods(),
            *self._tunnel_methods(),
        ]

    def _vnode_methods(self) -> list[Method]:
        return [
            self._method(
                "vnode.put",
                lambda key, spec: self._host().put(parse_key(key), parse_spec(spec)),
                ("struct", "string", "struct"),
                "The VNode exists as the spec says, stopped if it is new; answers as vnode.get.",
            ),
            self._method(
                "vnode.delete", self._delete, ("boolean", "string"), "It and its ports are gone."
            ),
            self._method(
                "vnode.start",
                lambda key: self._host().start(parse_key(key)),
                _STRUCT,
                "The VNode runs; answers as vnode.get.",
            ),
            self._method(
                "vnode.stop",
                lambda key: self._host().stop(parse_key(key)),
                _STRUCT,
                "The VNode and all in it has stopped; answers as vnode.get.",
            ),
            self._method(
                "vnode.powercycle",
                lambda key, wish: self._host().powercycle(parse_key(key), wish),
                ("struct", "string", "string"),
                "The VNode was off once for this wish, and runs; answers as vnode.get.",
            ),
            self._method(
                "vnode.get",
                lambda key: self._host().get(parse_key(key)),
                _STRUCT,
                "As seen: {key, state, reason, told, netns, ports: [{name, device, vlan, up}]}.",
            ),
            self._method(
                "vnode.get_many",
                lambda keys: self._host().get_many([parse_key(key) for key in keys]),
                ("struct", "array"),
                "vnode.get for many at once, {key: as vnode.get}; what isn't there isn't in it.",
            ),
            self._method("vnode.list", self._keys, ("array",), "Keys of VNodes, left-overs too."),
            self._method(
                "vnode.console",
                self._console,
                _STRUCT,
                "{url, token, expires} of the running VNode's console: once, within 60 s.",
            ),
        ]

    def _tunnel_methods(self) -> list[Method]:
        return [
            self._method(
                "tunnel.admit",
                lambda key, name, vlan: self._tunnels.admit(parse_key(key), name, vlan),
                ("struct", "string", "string", "int"),
                "The tag may cross the tunnel; answers {key, tunnel, vlan, up, reason}.",
            ),
            self._method(
                "tunnel.dismiss", self._dismiss, ("boolean", "string"), "The key's tag may not."
            ),
            self._method(
                "tunnel.list", self._tunnels.all_keys, ("array",), "Keys of all tags admitted."
            ),
            self._method(
                "tunnel.status",
                self._tunnels.status,
                _STRUCT,
                "{tunnel, up, reason, tags}, as observed.",
            ),
        ]

    def _method(
        self, name: str, call: Callable[..., Any], signature: tuple[str, ...], text: str
    ) -> Method:
        def guarded(caller: Caller | None, *args: Any) -> Any:
            if caller != self._provider:
                raise Forbidden(f"this agent obeys {self._provider} alone")
            log.debug("%s args=%s", name, args)
            try:
                return call(*args)
            except CommandFailedError as exc:
                fault = Internal("a tool failed on the host")
                log.exception("incident=%s method=%s", fault.incident, name)
                raise fault from exc

        return Method(name, guarded, signature, text)

    def _describe(self) -> dict[str, Any]:
        return {
            "api": API,
            "name": self._name,
            "host": socket.gethostname(),
            "drivers": list(self._drivers),
            "tunnels": list(self._tunnel_names),
        }

    def _host(self) -> VNodes:
        if self._vnodes is None:
            raise NotFound("no VNodes run here: this is a tunnel bridge")
        return self._vnodes

    def _delete(self, key: str) -> bool:
        self._host().delete(parse_key(key))
        return True

    def _keys(self) -> list[str]:
        return [*self._vnodes.all_keys()] if self._vnodes is not None else []

    def _console(self, key: str) -> dict[str, str]:
        self._host().shell(parse_key(key))  # so that one who can't have it is told now
        if self._consoles is None:
            raise NotFound("no consoles are served here")
        return self._consoles.grant(parse_key(key))

    def _dismiss(self, key: str) -> bool:
        self._tunnels.dismiss(parse_key(key))
        return True
