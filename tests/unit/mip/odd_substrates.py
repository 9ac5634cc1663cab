"""Odd small substrates: hosts or providers, switches, links of all sorts, tunnel bridges."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from odd_chances import Chances
from odd_texts import Document

KVM, XEN = "/node/host/server/kvm", "/node/host/server/xen"
COLOURS: list[Any] = ["red", "blue", ["red", "blue"], ["blue", "red"]]
LEVELS: list[Any] = [
    1,
    2,
    2.5,
    True,
    [1, 3],
    {"min": 1, "max": 2},
    {"min": 2, "max": 2},
    {"min": 2},
]
MOST_LINKS = 9


@dataclass
class Substrate:
    """One substrate in the making."""

    chances: Chances
    is_pip: bool
    cpu: str
    bandwidth: str
    byte: int
    nodes: Document = field(default_factory=dict)
    links: Document = field(default_factory=dict)

    def document(self) -> Document:
        self._hosts()
        if not self.is_pip or self.chances.some(0.2):
            self._switches()
        self._links()
        if self.chances.has("partial"):
            self._bridges()
        head = {"rdl": 1, "graph": "ul", "layer": "underlay"}
        return {**head, "nodes": self.nodes, "links": self.links}

    # --- nodes --------------------------------------------------------------------------------

    def _hosts(self) -> None:
        c = self.chances
        for k in range(c.one([2, 3, 3, 3, 4])):
            resources: Document = {}
            if not c.some(0.05):
                resources["cpu"] = c.pooled(c.amount(self.cpu, 2, 9), "c")
            if c.some(0.7):
                resources["memory"] = c.pooled(c.rng.randint(2, 5) * self.byte, "m")
            if c.some(0.1):
                resources["gpu"] = c.rng.randint(0, 2)
            kind = c.one([KVM, KVM, XEN, XEN, XEN, "/node/host/mainframe"])
            if self.is_pip:
                kind = "/node/host/pip"
                self._limits(resources)
            self._add(f"h{k}", kind, resources, self._host_features())
        if c.has("others"):
            resources = {"terminals": c.rng.randint(1, 3)}
            self._add("h9", "/node/terminals", resources, {"price": c.one([0, 1])})

    def _add(self, name: str, kind: str, resources: Document, features: Document) -> None:
        node = {"type": kind, "resources": resources, "features": features}
        self.nodes[name] = {k: v for k, v in node.items() if v}

    def _limits(self, resources: Document) -> None:
        """What a switch or provider limits, sometimes."""
        c = self.chances
        if c.has("switches"):
            resources["bandwidth"] = c.amount(self.bandwidth, 2, 8)
        if c.has("vlans"):
            resources["vlans"] = c.rng.randint(0, 3)

    def _host_features(self) -> Document:
        c = self.chances
        out: Document = {}
        if self.is_pip:
            out["types"] = c.one([[KVM, XEN], [KVM, XEN], [KVM], [XEN], XEN])
        if c.has("prices"):
            out["price"] = c.one([0, 0.3, 1, 2, 5])
        if c.has("prices") and c.some(0.5):
            out["price.cpu"] = c.one([0, 0.1, 1, 2])
        if c.has("prices") and c.some(0.3):
            out["price.memory"] = c.one([0.1, 1, 3])
        if c.some(0.8):
            out["site"] = c.one(["x", "y", "z", ["x", "y"], ["x", "z"]])
        if c.some(0.8):
            out["arch"] = c.one(["m", "n", ["m", "n"]])
        if c.has("features") and c.some(0.7):
            out["level"] = c.one(LEVELS)
        if c.some(0.05):
            out["provider"] = c.one(["ul", "elsewhere"])
        if c.has("latency") and (self.is_pip or c.some(0.3)):
            out["latency"] = c.one([0.001, 0.002])
        return out

    def _switches(self) -> None:
        c = self.chances
        if c.has("bare"):
            return
        for k in range(c.one([1, 1, 2, 2, 3])):
            resources: Document = {}
            self._limits(resources)
            features: Document = {}
            if c.has("latency"):
                features["latency"] = c.one([0.001, 0.002])
            if c.has("others"):
                features["price"] = c.one([0, 0.3])
            self._add(
                f"s{k}", c.one(["/node/switch/openflow", "/node/bridge/linux"]), resources, features
            )

    def _bridges(self) -> None:
        """Tunnel bridges with transit end points, each joined to something."""
        c = self.chances
        for k in range(c.one([1, 1, 2])):
            ports = [self._port(f"t{k}.p{n}") for n in range(c.one([1, 2]))]
            resources: Document = {"vlans": c.rng.randint(1, 3)} if c.has("vlans") else {}
            features: Document = {"latency": 0.001} if c.has("latency") else {}
            self._add(f"t{k}", "/node/bridge/tunnel", resources, features)
            self.nodes[f"t{k}"]["interfaces"] = ports
            others = [n for n in self.nodes if n != f"t{k}"]
            passing = [n for n in others if n[0] in "st"] or others
            for n in range(c.one([1, 1, 2])):
                near = c.one(passing if c.some(0.8) else others)
                self.links[f"t{k}l{n}"] = self._link([f"t{k}", near], "/link/ethernet")

    def _port(self, name: str) -> Document:
        c = self.chances
        port: Document = {"id": name, "features": {"peer": "far"}}
        if c.some(0.7):
            port["resources"] = {"bandwidth": c.amount(self.bandwidth, 1, 8)}
        if c.has("latency"):
            port["features"]["latency"] = 0.008
        return port

    # --- links --------------------------------------------------------------------------------

    def _links(self) -> None:
        c = self.chances
        hosts = [n for n in self.nodes if n.startswith("h")]
        switches = [n for n in self.nodes if n.startswith("s")]
        pairs: list[list[str]] = []
        for host in hosts if switches else ():
            pairs.extend([host, c.one(switches)] for _ in range(2 if c.has("uplinks") else 1))
        pairs += [list(pair) for pair in pairwise(switches or hosts)]
        if len(switches) == 3 and c.some(0.5):
            pairs.append(["s0", "s2"])
        if c.has("joined") or not switches:
            pairs.append(c.few(hosts, 2))
        if c.has("joined") and c.some(0.5):
            pairs.append(c.few(hosts, 2))
        if c.has("parallel"):
            pairs.append(list(c.one(pairs)))
        if c.has("segment") and len(self.nodes) > 2:
            pairs.append(c.few(list(self.nodes), 3))
        kind = "/link/transit" if self.is_pip else "/link/ethernet"
        for k, ends in enumerate(pairs[:MOST_LINKS]):
            self.links[f"l{k}"] = self._link(ends, kind)

    def _link(self, ends: list[str], kind: str) -> Document:
        c = self.chances
        resources: Document = {}
        if not c.some(0.06):
            capacity = c.amount(self.bandwidth, 0 if c.some(0.1) else 1, 8)
            resources["bandwidth"] = c.pooled(capacity, "b")
        if c.has("vlans"):
            resources["vlans"] = c.rng.randint(0, 3)
        if c.has("others"):
            resources["tokens"] = c.rng.randint(1, 3)
        features: Document = {}
        if c.has("latency"):
            features["latency"] = c.one([0.0001, 0.001, 0.002, 0.003])
        if c.some(0.7):
            features["colour"] = c.one(COLOURS)
        if c.some(0.05):
            kind = "/link/transit/openvpn"
        out = {"ends": ends, "type": kind, "resources": resources, "features": features}
        return {k: v for k, v in out.items() if v}
