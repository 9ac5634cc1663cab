"""The testbed's description to each party's substrate graph, configuration and certificates.

What is emulated is in `testbed.json` (see `mininet/testbed.py`); what it is called, sold for and
reached by is decided here. A site is a provider; each writes only below its own directory.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudnet_sdn import pki
from cloudnet_sdn.wire.identity import CONTROLLER, Caller, role, shell
from cloudnet_sdn.wire.tls import TlsFiles
from rdl.graph import Amount, Element, Feature, Graph, Interface, Layer, Range
from rdl.language.dump import dump

Json = dict[str, Any]
FreePorts = Callable[[int], list[int]]

SITES = ("berlin", "munich")
TUNNEL = "t1"
TRANSIT_TAGS = {"min": 2000, "max": 2099}
LOCAL_TAGS = {"min": 100, "max": 999}
OPENVPN_PORT = 1194
LATENCY = {"switch": 0.0002, "wide_area": 0.008}
PRICES = {
    "berlin": {"cpu": 0.020, "memory": 0.0030, "storage": 0.0001, "bandwidth": 0.0010},
    "munich": {"cpu": 0.026, "memory": 0.0025, "storage": 0.0001, "bandwidth": 0.0010},
}
HOST = {"cpu": 8, "memory": 16 << 30, "storage": 200 << 30}


@dataclass(frozen=True, slots=True)
class Agent:
    """A host agent: its URL, configuration and certificate."""

    url: str
    config: Path
    tls: TlsFiles


@dataclass
class Site:
    """A provider: its part of the testbed, its directory, and where its processes listen.

    Attributes:
        name: the provider's name.
        described: its entry in `testbed.json`.
        ovsdb: Open vSwitch's database.
        directory: everything of the provider's.
        of_port: where its controller awaits the switches.
        api_port, console_port, controller_port: TCP ports on loopback.
        agents: substrate host or tunnel bridge to its agent.
        internal: the role's certificate towards its own controller and agents.
        facade: the role's certificate in the federation.
    """

    name: str
    described: Json
    ovsdb: str
    directory: Path
    of_port: int
    api_port: int
    console_port: int
    controller_port: int
    internal: TlsFiles
    facade: TlsFiles
    agents: dict[str, Agent] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        """The facade."""
        return f"https://127.0.0.1:{self.api_port}/RPC2"

    @property
    def controller_url(self) -> str:
        """The VLink controller."""
        return f"https://127.0.0.1:{self.controller_port}/RPC2"

    @property
    def controller_config(self) -> Path:
        """The controller's configuration file."""
        return self.directory / "controller.toml"

    @property
    def pip_config(self) -> Path:
        """The role's configuration file."""
        return self.directory / "pip.toml"

    @property
    def switches(self) -> list[str]:
        """The names of its OpenFlow switches."""
        return [s["name"] for s in self.described["switches"]]

    @property
    def hosts(self) -> list[str]:
        """The names of its substrate hosts."""
        return [h["name"] for h in self.described["hosts"]]

    @property
    def tunnel_bridge(self) -> Json:
        """Its tunnel bridge as described."""
        bridge: Json = self.described["tunnel_bridges"][0]
        return bridge

    @property
    def tunnel_host(self) -> str:
        """The tunnel bridge's name."""
        return str(self.tunnel_bridge["name"])

    @property
    def fabric_links(self) -> int:
        """How many links join two switches."""
        kinds = [{link["a"]["kind"], link["b"]["kind"]} for link in self.described["links"]]
        return kinds.count({"switch"})


def summary(testbed: Json) -> str:
    """One line about the substrate."""
    sites = testbed["sites"]
    return "; ".join(
        f"{name} with {len(s['switches'])} switches, {len(s['hosts'])} hosts, a tunnel bridge"
        for name, s in sites.items()
    )


def site(
    testbed: Json, name: str, state: Path, *, federation: Path, of_port: int, ports: FreePorts
) -> Site:
    """The provider at a site, with certificates, an internal authority and ports of its own."""
    described = testbed["sites"][name]
    directory = state / name
    directory.mkdir(mode=0o700)
    pki.init_authority(directory / "authority", f"{name} internal")
    api, console, controller = ports(3)
    made = Site(
        name=name,
        described=described,
        ovsdb=testbed["ovsdb"],
        directory=directory,
        of_port=of_port,
        api_port=api,
        console_port=console,
        controller_port=controller,
        internal=_internal(directory, role(name), "role"),
        facade=pki.issue(federation, f"cloudnet:role:{name}", out=directory / "tls"),
    )
    for host in [*made.hosts, made.tunnel_host]:
        home = directory / "agents" / host
        made.agents[host] = Agent(
            url=f"https://127.0.0.1:{ports(1)[0]}/RPC2",
            config=home / "agent.toml",
            tls=_internal(directory, shell(host), f"agents/{host}/tls"),
        )
    return made


def _internal(directory: Path, who: Caller, where: str) -> TlsFiles:
    return pki.issue(directory / "authority", who.uri, out=directory / where)


def write(this: Site, other: Site, testbed: Json, *, vnp: str, operator: str) -> None:
    """Write the provider's substrate graph and every configuration file of its processes."""
    substrate = this.directory / "substrate.rdl.yaml"
    substrate.write_text(dump(underlay(this, other.name)), encoding="utf-8")
    _toml(
        this.controller_config,
        {
            "listen": f"127.0.0.1:{this.of_port}",
            "api": this.controller_url.removesuffix("/RPC2"),
            "store": f"sqlite:///{this.directory / 'controller.sqlite'}",
            "callers": [f"cloudnet:role:{this.name}"],
            "tls": _tls(_internal(this.directory, shell(CONTROLLER), "controller-tls")),
        },
    )
    for host in this.described["hosts"]:
        _toml(this.agents[host["name"]].config, _host_agent(this, host))
    tunnel = _tunnel(this, other, testbed)
    _toml(
        this.agents[this.tunnel_host].config,
        {**_agent(this, this.tunnel_host), "tunnel": [tunnel]},
    )
    _toml(this.pip_config, _pip(this, substrate, vnp=vnp, operator=operator))


def _pip(this: Site, substrate: Path, *, vnp: str, operator: str) -> Json:
    return {
        "kind": "pip",
        "name": this.name,
        "operators": [operator],
        "api": {"listen": f"127.0.0.1:{this.api_port}", "tls": _tls(this.facade)},
        "console": {"listen": f"127.0.0.1:{this.console_port}", "tls": _tls(this.facade)},
        "store": {"url": f"sqlite:///{this.directory / 'store.sqlite'}"},
        "substrate": {"file": str(substrate)},
        "internal": _tls(this.internal),
        "agents": {name: agent.url for name, agent in this.agents.items()},
        "controller": {"url": this.controller_url},
        "vlans": LOCAL_TAGS,
        "grant": [{"caller": f"cloudnet:role:{vnp}", "endpoint": TUNNEL, "vlan": TRANSIT_TAGS}],
    }


def write_vnp(
    directory: Path,
    tls: TlsFiles,
    *,
    name: str,
    api: int,
    console: int,
    sites: Sequence[Site],
    operator: str,
) -> Path:
    """Write the broker's configuration: its providers, and the transit link between them."""
    config = directory / "vnp.toml"
    _toml(
        config,
        {
            "kind": "vnp",
            "name": name,
            "operators": [operator],
            "api": {"listen": f"127.0.0.1:{api}", "tls": _tls(tls)},
            "console": {"listen": f"127.0.0.1:{console}", "tls": _tls(tls)},
            "store": {"url": f"sqlite:///{directory / 'store.sqlite'}"},
            "pip": [{"name": site.name, "url": site.api_url} for site in sites],
            "transit": [
                {
                    "id": "-".join(site.name for site in sites),
                    "type": "/link/transit/openvpn",
                    "ends": [f"{site.name}.{TUNNEL}" for site in sites],
                }
            ],
        },
    )
    return config


def set_timing(config: Path, timing: Mapping[str, float]) -> None:
    """Add a role's pauses and limits (`[timing]`) to its configuration."""
    if timing:
        lines = _lines({"timing": dict(timing)})
        config.write_text(config.read_text(encoding="utf-8") + "\n".join(lines) + "\n")


def underlay(this: Site, peer: str) -> Graph:
    """The provider's substrate (UL) graph."""
    ports: dict[str, list[Interface]] = {}
    links: list[Element] = []
    connections: list[tuple[str, str]] = []
    for link in this.described["links"]:
        a, b = link["a"], link["b"]
        name = f"{a['node']}-{b['node']}"
        for number, end in enumerate((a, b)):
            port: str | int = end["port"] if end["kind"] == "switch" else end["name"]
            facing = f"{end['node']}.{end['name'].rpartition('-')[2]}"
            ports.setdefault(end["node"], []).append(Interface(facing, {"port": port}))
            connections.append((facing, f"{name}.{number}"))
        links.append(
            Element(
                name,
                "/link/ethernet",
                {"bandwidth": Amount(link["capacity"])},
                {"latency": LATENCY["switch"]},
                (Interface(f"{name}.0"), Interface(f"{name}.1")),
            )
        )
    nodes = [_switch(s, ports) for s in this.described["switches"]]
    nodes += [_host(this, name, ports) for name in this.hosts]
    nodes.append(_tunnel_bridge(this, peer, ports))
    return Graph(
        this.name,
        Layer.UNDERLAY,
        {element.id: element for element in (*nodes, *links)},
        tuple(connections),
    )


def _switch(described: Json, ports: Mapping[str, Sequence[Interface]]) -> Element:
    name = described["name"]
    return Element(
        name,
        "/node/switch/openflow",
        features={"dpid": described["dpid"]},
        interfaces=tuple(ports[name]),
    )


def _host(this: Site, name: str, ports: Mapping[str, Sequence[Interface]]) -> Element:
    features: dict[str, Feature] = {"site": this.name, "arch": "x86_64", "currency": "EUR"}
    features |= {f"price.{what}": price for what, price in PRICES[this.name].items()}
    return Element(
        name,
        "/node/host/server/namespace",
        {what: Amount(amount) for what, amount in HOST.items()},
        features,
        tuple(ports[name]),
    )


def _tunnel_bridge(this: Site, peer: str, ports: Mapping[str, Sequence[Interface]]) -> Element:
    end_point = Interface(
        f"{this.tunnel_host}.{TUNNEL}",
        {
            "peer": peer,
            "tunnel": TUNNEL,
            "latency": LATENCY["wide_area"],
            "vlan": Range(TRANSIT_TAGS["min"], TRANSIT_TAGS["max"]),
        },
        {"bandwidth": Amount(this.tunnel_bridge["capacity"])},
    )
    return Element(
        this.tunnel_host,
        "/node/bridge/tunnel",
        interfaces=(*ports[this.tunnel_host], end_point),
    )


def _agent(this: Site, name: str) -> Json:
    agent = this.agents[name]
    return {
        "name": name,
        "provider": this.name,
        "state": str(agent.config.parent / "state"),
        "listen": agent.url.removeprefix("https://").removesuffix("/RPC2"),
        "tls": _tls(agent.tls),
    }


def _host_agent(this: Site, host: Json) -> Json:
    uplinks = [uplink["port"] for uplink in host["uplinks"]]
    bridge = {"name": host["bridge"], "uplinks": uplinks, "db": this.ovsdb}
    return {**_agent(this, host["name"]), "bridge": bridge}


def _tunnel(this: Site, other: Site, testbed: Json) -> Json:
    """This end of the OpenVPN tunnel: each trusts the other's certificate by its fingerprint."""
    ends = [testbed["wide_area"][0][which] for which in ("a", "b")]
    address = {end["site"]: end["address"] for end in ends}
    own = this.agents[this.tunnel_host].tls
    return {
        "name": TUNNEL,
        "bridge": "br-tun",
        "port": this.tunnel_bridge["port"],
        "netns": this.tunnel_bridge["netns"],
        "local": f"{address[this.name]}:{OPENVPN_PORT}",
        "remote": f"{address[other.name]}:{OPENVPN_PORT}",
        "cert": str(own.cert),
        "key": str(own.key),
        "peer_fingerprint": _fingerprint(other.agents[other.tunnel_host].tls.cert),
    }


def _fingerprint(certificate: Path) -> str:
    """SHA-256 of a PEM certificate, as OpenVPN wants it: 32 octets joined by colons."""
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="ascii"))
    digits = hashlib.sha256(der).hexdigest().upper()
    return ":".join(digits[n : n + 2] for n in range(0, len(digits), 2))


def _tls(files: TlsFiles) -> Json:
    return {"ca": str(files.ca), "cert": str(files.cert), "key": str(files.key)}


def _toml(path: Path, content: Json) -> None:
    """Write a table as TOML: scalars first, then tables and arrays of tables."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text("\n".join(_lines(content)) + "\n", encoding="utf-8")


def _lines(table: Json, prefix: str = "") -> list[str]:
    """TOML lines; strings are written as JSON's, which TOML's basic strings contain."""
    nested = {k: v for k, v in table.items() if isinstance(v, dict)}
    arrays = {k: v for k, v in table.items() if _is_tables(v)}
    lines = [
        f"{json.dumps(k)} = {json.dumps(v)}"
        for k, v in table.items()
        if k not in nested and k not in arrays
    ]
    for key, value in nested.items():
        lines += [f"[{prefix}{json.dumps(key)}]", *_lines(value, f"{prefix}{json.dumps(key)}.")]
    for key, values in arrays.items():
        for value in values:
            name = f"{prefix}{json.dumps(key)}"
            lines += [f"[[{name}]]", *_lines(value, f"{name}.")]
    return lines


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)
