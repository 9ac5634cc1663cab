"""Odd small requests: VNodes, VLinks and trees, partial VLinks, constraints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from odd_chances import Chances
from odd_substrates import KVM, XEN
from odd_texts import Document

TYPES = ["/node/host/generic"] * 6 + ["/node/host/server", "/node/host/server/generic", KVM]
OTHERS = ["/node/terminals", "/node/switch/openflow", "/node/switch/generic"]
RULED = ["site", "arch", "level", "virtualization", "provider"]
DEMANDS: dict[str, list[Any]] = {
    "site": ["x", ["x", "y"], {"not": ["x"]}, {"not": ["x", "y"]}],
    "arch": ["m", ["n", "m"], {"not": ["m"]}],
    "level": [1, 2, {"min": 2}, {"max": 1}, {"min": 1.5, "max": 1.75}, [3, 2], {"not": [2]}],
    "virtualization": ["kvm", ["xen", "kvm"], {"not": ["kvm"]}],
    "provider": ["ul", {"not": ["ul"]}, ["h0", "ul"]],
}
SHAPES = [(1, 1)] * 4 + [(0, 2), (2, 1), (1, 2)]
"""How many VNodes and transit end points a partial VLink joins."""


@dataclass
class Request:
    """One request in the making."""

    chances: Chances
    name: str
    substrate: Document
    cpu: str
    bandwidth: str
    byte: int
    nodes: Document = field(default_factory=dict)
    links: Document = field(default_factory=dict)
    elements: list[Document] = field(default_factory=list)
    connections: list[list[str]] = field(default_factory=list)

    def document(self) -> Document:
        c = self.chances
        many = c.one([1, 2, 2, 3, 3, 3])
        for k in range(3 if c.has("tree") else many):
            self.nodes[f"v{k}"] = self._vnode()
        if len(self.nodes) > 1:
            self._vlinks()
        ports = [
            port["id"]
            for node in self.substrate["nodes"].values()
            for port in node.get("interfaces", ())
        ]
        for k in range(c.one([1, 1, 2]) if ports else 0):
            self._segment(f"p{k}", ports)
        head = {"rdl": 1, "graph": self.name, "layer": "overlay"}
        out: Document = {**head, "nodes": self.nodes, "links": self.links}
        if ports:
            out |= {"elements": self.elements, "connections": self.connections}
        count = c.one([1, 1, 1, 2]) if c.has("rules") else 0
        rules = [self._rule(f"c{k}") for k in range(count)]
        return {**out, "constraints": rules} if rules else out

    # --- elements -----------------------------------------------------------------------------

    def _vnode(self) -> Document:
        c = self.chances
        kind = c.one(OTHERS) if c.has("others") else c.one(TYPES)
        resources: Document = {}
        if kind == "/node/terminals":
            resources["terminals"] = 1
        elif kind not in OTHERS and c.some(0.85):
            resources["cpu"] = c.amount(self.cpu, 0 if c.some(0.1) else 1, 3)
        if kind not in OTHERS and c.some(0.4):
            resources["memory"] = c.rng.randint(0, 2) * self.byte
        if c.some(0.03):
            resources["gpu"] = 1
        features: Document = {}
        if c.has("features") and c.some(0.6):
            name = c.one(list(DEMANDS))
            features[name] = c.one(DEMANDS[name])
        out = {"type": kind, "resources": resources, "features": features}
        return {k: v for k, v in out.items() if v}

    def _vlinks(self) -> None:
        c = self.chances
        names = list(self.nodes)
        pair = c.few(names, 2)
        for k in range(c.one([1, 2, 2, 3])):
            ends = list(pair) if c.has("shared") else c.few(names, 2)
            if len(names) == 3 and c.has("tree"):
                ends = c.few(names, 3)
            c.rng.shuffle(ends)
            self.links[f"e{k}"] = {"ends": ends, **self._vlink()}

    def _vlink(self) -> Document:
        c = self.chances
        resources: Document = {}
        if not c.has("free"):
            resources["bandwidth"] = c.amount(self.bandwidth, 0 if c.some(0.1) else 1, 3)
        if c.has("others") and c.some(0.5):
            resources["tokens"] = c.rng.randint(0, 1)
        features: Document = {}
        if c.has("bounds"):
            most = c.one([0.001, 0.002, 0.003, 0.005, 0.01])
            bounds: list[Any] = [{"max": most}] * 4 + [{"min": 0.001}]
            features["latency"] = c.one([*bounds, 0, {"min": 0}, {"min": most / 2, "max": most}])
        if c.has("protected"):
            features["protection"] = c.one(["link", "link", "node", "none"])
        if c.has("features") and c.some(0.4):
            features["colour"] = c.one(["red", "blue", ["red", "blue"], {"not": ["red"]}])
        out: Document = {"resources": resources, "features": features}
        if c.some(0.03):
            out = {"type": "/link/transit", **out}
        return {k: v for k, v in out.items() if v}

    def _segment(self, name: str, ports: list[str]) -> None:
        """A VLink that ends at transit interfaces, for one or two VNodes or for none."""
        c = self.chances
        shapes = [s for s in SHAPES if s[0] <= len(self.nodes) and s[1] <= len(ports)]
        near, far = c.one(shapes)
        ends = [f"{name}.{k}" for k in range(near + far)]
        vlink = {"id": name, "type": "/link/generic", **self._vlink(), "interfaces": ends}
        self.elements.append(vlink)
        for end, vnode in zip(ends, c.few(list(self.nodes), near), strict=False):
            own = f"{vnode}.{name}"
            self.nodes[vnode].setdefault("interfaces", []).append(own)
            self.connections.append([own, end])
        for k, (end, port) in enumerate(zip(ends[near:], c.few(ports, far), strict=True)):
            self._stub(f"_{name}-{k}", end, port, vlink.get("resources", {}))

    def _stub(self, name: str, end: str, port: str, resources: Document) -> None:
        far = f"{name}-far"
        transit = {
            "id": name,
            "type": "/link/transit",
            "resources": {r: a for r, a in resources.items() if r == "bandwidth"},
            "features": {"vlan": 2001, "endpoint": port},
            "interfaces": [f"{name}.0", f"{name}.1"],
        }
        neighbour = {"id": far, "type": "/node/host/pip", "interfaces": [f"{far}.0"]}
        self.elements += [transit, neighbour]
        self.connections += [[end, f"{name}.0"], [f"{name}.1", f"{far}.0"]]

    # --- constraints --------------------------------------------------------------------------

    def _rule(self, name: str) -> Document:
        c = self.chances
        names = list(self.nodes)
        hosts = [n for n in self.substrate["nodes"] if n.startswith("h")]
        feature = c.one(RULED)
        one = c.few(names, c.one([1, 2]))
        if c.some(0.03):
            return {c.one(["on", "not_on"]): ["nowhere"], "of": one}
        kinds: list[Document] = [
            {"on": c.few(hosts, c.one([1, 2])), "of": one},
            {"not_on": [c.one(list(self.substrate["nodes"]))], "of": one},
            {c.one(["on", "not_on"]): [c.one([KVM, XEN, "/node/host/server"])], "of": one},
            {"on": [c.one([KVM, XEN]), c.one(hosts)], "of": one},
        ]
        if len(names) > 1:
            some = c.few(names, c.rng.randint(2, len(names)))
            kinds += [
                {"same": feature, "of": some},
                {"different": feature, "of": some},
                {"together": some},
                {"apart": some},
                {"apart": some},
                {"together": some, "by": feature},
                {"apart": some, "by": feature},
            ]
        elif c.some(0.3):
            kind = c.one(["same", "different"])
            return {"id": name, kind: feature, "of": names, "elsewhere": 1}
        wires = c.few([*self.links, *(e["id"] for e in self.elements if e["id"][0] == "p")], 2)
        if len(wires) > 1:
            kinds += [{"same": "colour", "of": wires}, {"different": "colour", "of": wires}]
            kinds.append({"same": "colour", "of": [*wires, one[0]]})
        return c.one(kinds)
