"""A substrate without machines: agents and a controller that know their domain.

They keep what they are told behind the real methods and the real parsers of the shells, refuse what
those refuse, and together they answer the question that matters: does a frame of this VNode reach
that one (`Fabric.reached`)?
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cloudnet_sdn.wire.faults import BadRequest, CloudnetError, Conflict, Internal, NotFound
from cloudnet_sdn.wire.rpc import Method, Service
from hostagent import limits
from hostagent.ports import clash
from hostagent.spec import VNodeSpec, parse_key, parse_spec
from rdl.graph import Graph
from ryu_apps.spec import VLinkSpec, parse_id
from ryu_apps.spec import parse_spec as parse_vlink


@dataclass
class FakeVNode:
    """A VNode: how it should be, whether it runs, how often it has booted."""

    spec: VNodeSpec
    state: str = "stopped"
    boots: int = 0
    cycled: str = ""


@dataclass
class FakeAgent:
    """The agent of one host or tunnel bridge.

    Attributes:
        dead: tunnels that are down.
        unbootable: VNodes on which the host's tools fail when they are started.
        foreign: MAC addresses that the host can't give to any interface.
    """

    vnodes: dict[str, FakeVNode] = field(default_factory=dict)
    admitted: dict[str, tuple[str, int]] = field(default_factory=dict)
    tunnel_up: bool = True
    dead: set[str] = field(default_factory=set)
    unbootable: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def service(self) -> Service:
        table = {
            "vnode.put": (self.put, ("struct", "string", "struct")),
            "vnode.delete": (self.delete, ("boolean", "string")),
            "vnode.start": (self.start, ("struct", "string")),
            "vnode.stop": (self.stop, ("struct", "string")),
            "vnode.get_many": (
                lambda keys: {k: self.get(k) for k in keys if k in self.vnodes},
                ("struct", "array"),
            ),
            "vnode.powercycle": (self.powercycle, ("struct", "string", "string")),
            "vnode.get": (self.get, ("struct", "string")),
            "vnode.list": (lambda: list(self.vnodes), ("array",)),
            "vnode.console": (self.console, ("struct", "string")),
            "tunnel.admit": (self.admit, ("struct", "string", "string", "int")),
            "tunnel.dismiss": (self.dismiss, ("boolean", "string")),
            "tunnel.list": (lambda: list(self.admitted), ("array",)),
            "tunnel.status": (self.status, ("struct", "string")),
        }
        return _service(self.lock, table)

    def put(self, key: str, raw: dict[str, Any]) -> dict[str, Any]:
        spec = parse_spec(raw)
        limits.check(spec)
        for interface in spec.interfaces:
            if interface.mac in self.foreign:
                raise BadRequest("not on this host", f"{interface.name}.mac")
        for other, vnode in self.vnodes.items():
            taken = {i.mac for i in vnode.spec.interfaces}
            if other != key and taken & {i.mac for i in spec.interfaces}:
                raise Conflict("a MAC address is in use")
        if why := clash(parse_key(key), spec, {k: v.spec for k, v in self.vnodes.items()}):
            raise Conflict(why)
        known = self.vnodes.setdefault(parse_key(key), FakeVNode(spec))
        known.spec = spec
        return self.get(key)

    def delete(self, key: str) -> bool:
        self.vnodes.pop(parse_key(key), None)
        return True

    def start(self, key: str) -> dict[str, Any]:
        vnode = self._vnode(key)
        if key.rpartition(".")[2] in self.unbootable:
            vnode.state = "failed"
            raise Internal("a tool failed on the host")
        if vnode.state != "running":
            vnode.state, vnode.boots = "running", vnode.boots + 1
        return self.get(key)

    def stop(self, key: str) -> dict[str, Any]:
        self._vnode(key).state = "stopped"
        return self.get(key)

    def powercycle(self, key: str, wish: str) -> dict[str, Any]:
        vnode = self._vnode(key)
        if vnode.cycled != wish:
            self.stop(key)
        vnode.cycled = wish
        return self.start(key)

    def get(self, key: str) -> dict[str, Any]:
        vnode = self._vnode(key)
        ports = [{"name": i.name, "vlan": i.vlan, "up": True} for i in vnode.spec.interfaces]
        told = "it could not be started" if vnode.state == "failed" else ""
        return {"key": key, "state": vnode.state, "reason": told, "told": told, "ports": ports}

    def console(self, key: str) -> dict[str, str]:
        if self._vnode(key).state != "running":
            raise Conflict("it isn't running")
        return {"url": f"wss://agent/console/{key}", "token": "t0ken", "expires": ""}

    def admit(self, key: str, tunnel: str, vlan: int) -> dict[str, Any]:
        if any(v == (tunnel, vlan) and k != key for k, v in self.admitted.items()):
            raise Conflict("the tag is in use on that tunnel")
        self.admitted[parse_key(key)] = (tunnel, vlan)
        return {"key": key, "tunnel": tunnel, "vlan": vlan, "up": self.tunnel_up, "reason": ""}

    def dismiss(self, key: str) -> bool:
        self.admitted.pop(parse_key(key), None)
        return True

    def status(self, tunnel: str) -> dict[str, Any]:
        tags = sorted(v for t, v in self.admitted.values() if t == tunnel)
        up = self.tunnel_up and tunnel not in self.dead
        return {"tunnel": tunnel, "up": up, "reason": "", "tags": tags}

    def _vnode(self, key: str) -> FakeVNode:
        try:
            return self.vnodes[key]
        except KeyError:
            raise NotFound(f"no VNode {key}") from None


@dataclass
class FakeController:
    """The VLink controller: refuses a tag twice at a port, as the real one does.

    Attributes:
        away: dpids of switches that aren't connected.
        broken: VLinks whose path is interrupted.
        ports: of each switch, the ports that it has.
        dead: ports that are down, as (dpid, port).
        differences: by VLink of an overlay, what a check finds in the switches.
    """

    vlinks: dict[str, VLinkSpec] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    away: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    differences: dict[str, str] = field(default_factory=dict)
    ports: dict[str, frozenset[int]] = field(default_factory=dict)
    dead: set[tuple[str, int]] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def service(self) -> Service:
        table = {
            "vlinks.put": (self.put, ("struct", "string", "struct")),
            "vlinks.put_many": (self.put_many, ("struct", "struct")),
            "vlinks.delete_many": (
                lambda names: {name: self.delete(name) for name in names},
                ("struct", "array"),
            ),
            "vlinks.get": (self.get, ("struct", "string")),
            "vlinks.validate": (self.validate, ("struct", "string")),
            "vlinks.get_many": (
                lambda keys: {k: self.get(k) for k in keys if k in self.vlinks},
                ("struct", "array"),
            ),
            "vlinks.list": (lambda: list(self.vlinks), ("array",)),
            "vlinks.delete": (self.delete, ("struct", "string")),
            "topology.get": (self.topology, ("struct",)),
            "topology.forget": (self.forget, ("boolean", "string")),
        }
        return _service(self.lock, table)

    def validate(self, name: str) -> dict[str, Any]:
        found = self.differences.get(name.partition(".")[2])
        if name not in self.vlinks:
            found = "it isn't there"
        return {"ok": found is None, "differences": [] if found is None else [found]}

    def put(self, name: str, raw: dict[str, Any]) -> dict[str, Any]:
        spec, vlink = parse_vlink(raw), parse_id(name)
        for other, theirs in self.vlinks.items():
            if other != vlink and set(claims(theirs)) & set(claims(spec)):
                raise Conflict("a port and tag is in use by another VLink")
        if self.vlinks.get(vlink) != spec:
            self.confirmed.discard(vlink)
        self.vlinks[vlink] = spec
        if not self._away(spec):
            self.confirmed.add(vlink)
        return self.get(vlink)

    def put_many(self, wanted: dict[str, Any]) -> dict[str, Any]:
        before, confirmed = dict(self.vlinks), set(self.confirmed)
        try:
            return {name: self.put(name, raw) for name, raw in wanted.items()}
        except CloudnetError:
            # A fault means that nothing was done.
            self.vlinks, self.confirmed = before, confirmed
            raise

    def _away(self, spec: VLinkSpec) -> set[str]:
        return {dpid for dpid, _, _ in claims(spec)} & self.away

    def get(self, name: str) -> dict[str, Any]:
        if name not in self.vlinks:
            raise NotFound(f"no VLink {name}")
        spec = self.vlinks[name]
        state = "up"
        if name in self.leaving:
            state = "pending"
        elif name in self.broken or {(d, p) for d, p, _ in claims(spec)} & self.dead:
            state = "failed"
        elif self._away(spec):
            state = "degraded" if name in self.confirmed else "pending"
        path = [end.dpid for end in spec.ends]
        return {"id": name, "state": state, "reason": "switch s1 is away", "path": path}

    def delete(self, name: str) -> dict[str, Any]:
        if name in self.vlinks and self._away(self.vlinks[name]):
            self.leaving.add(name)
            return self.get(name)
        self.vlinks.pop(name, None)
        self.leaving.discard(name)
        self.confirmed.discard(name)
        return {"id": name, "state": "gone", "reason": "", "path": []}

    def forget(self, dpid: str) -> bool:
        self.away.discard(dpid)
        self.ports.pop(dpid, None)
        for name in sorted(self.leaving):
            self.delete(name)
        return True

    def topology(self) -> dict[str, Any]:
        switches = [
            {"dpid": d, "ports": [self._port(d, p) for p in sorted(ports)]}
            for d, ports in sorted(self.ports.items())
            if d not in self.away
        ]
        return {"switches": switches, "links": []}

    def _port(self, dpid: str, port: int) -> dict[str, Any]:
        return {"port": port, "name": f"p{port}", "up": (dpid, port) not in self.dead}


def claims(spec: VLinkSpec) -> Iterable[tuple[str, Any, int]]:
    yield from ((e.dpid, e.port, e.vlan) for e in spec.ends)
    yield from ((h.dpid, h.out_port, h.vlan) for h in spec.hops)


@dataclass
class Site:
    """One provider's machines, as its substrate graph describes them."""

    substrate: Graph
    agents: dict[str, FakeAgent]
    controller: FakeController

    def empty(self) -> bool:
        """Whether nothing of ours is anywhere."""
        busy = any(a.vnodes or a.admitted for a in self.agents.values())
        return not busy and not self.controller.vlinks

    def vnode(self, element: str) -> FakeVNode:
        """The VNode of that overlay id."""
        found = [
            v
            for a in self.agents.values()
            for k, v in a.vnodes.items()
            if k.partition(".")[2] == element
        ]
        if len(found) != 1:
            raise LookupError(f"{len(found)} VNodes {element}")
        return found[0]


class Fabric:
    """Where frames go, over all sites and the tunnels between them."""

    def __init__(self, sites: Iterable[Site]) -> None:
        self._sites = list(sites)
        self._root: dict[Any, Any] = {}
        for number, site in enumerate(self._sites):
            self._hosts(number, site)
            self._switches(number, site)
            self._tunnels(number, site)

    def reached(self, interface: tuple[str, str]) -> set[tuple[str, str]]:
        """The (VNode, interface name) that a broadcast of `interface` reaches."""
        root = self._find(("port", *interface))
        ports = [n for n in self._root if n[0] == "port" and self._find(n) == root]
        return {(n[1], n[2]) for n in ports} - {interface}

    def _hosts(self, number: int, site: Site) -> None:
        for host, agent in site.agents.items():
            for key, vnode in agent.vnodes.items():
                for i in vnode.spec.interfaces:
                    bridge = ("bridge", number, host, i.vlan)
                    self._join(("port", key.partition(".")[2], i.name), bridge)
                    if i.uplink:
                        link = self._link_at(site, host, "port", i.uplink)
                        self._join(bridge, ("wire", number, link, i.vlan))

    def _switches(self, number: int, site: Site) -> None:
        names = {e.features["dpid"]: e.id for e in site.substrate.nodes() if "dpid" in e.features}
        for key, spec in site.controller.vlinks.items():
            vlink = ("vlink", number, key)
            for dpid, port, tag in claims(spec):
                link = self._link_at(site, names[dpid], "port", port)
                self._join(vlink, ("wire", number, link, tag))

    def _tunnels(self, number: int, site: Site) -> None:
        for bridge, agent in site.agents.items():
            for tunnel, tag in agent.admitted.values():
                for own, _ in site.substrate.ends(bridge):
                    link = site.substrate.peer[own].partition(".")[0]
                    self._join(("tunnel", tunnel, tag), ("wire", number, link, tag))

    @staticmethod
    def _link_at(site: Site, element: str, feature: str, value: Any) -> str:
        for own, other in site.substrate.ends(element):
            if site.substrate.interface(own).features.get(feature) == value:
                return other.partition(".")[0]
        raise LookupError(f"{element} has no {feature} {value}")

    def _find(self, node: Any) -> Any:
        self._root.setdefault(node, node)
        while self._root[node] != node:
            node = self._root[node]
        return node

    def _join(self, a: Any, b: Any) -> None:
        self._root[self._find(a)] = self._find(b)


def _service(lock: threading.RLock, table: dict[str, Any]) -> Service:
    def locked(call: Any) -> Any:
        def run(_caller: Any, *args: Any) -> Any:
            with lock:
                return call(*args)

        return run

    return Service(
        Method(name, locked(call), signature, name) for name, (call, signature) in table.items()
    )
