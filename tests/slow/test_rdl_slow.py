"""The RDL tools on all real topologies at hand, and the loader under fuzzing."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import networkx as nx
import pytest
import topohub.data

from rdl.convert.formats import convert
from rdl.convert.topology import HostAt, Options
from rdl.draw.pictures import WRITERS, draw
from rdl.graph import Graph
from rdl.language.dump import dump
from rdl.language.load import load_graph

pytestmark = pytest.mark.slow

DATA = Path(next(iter(topohub.data.__path__)))
KEYS = sorted(
    f"{group}/{file.stem}"
    for group in ("topozoo", "sndlib")
    for file in (DATA / group).glob("*.json")
)
OPTIONS = Options(bandwidth=10**10, host=HostAt())


def topology(key: str) -> dict:
    """One of topohub's topologies, as it ships it."""
    return json.loads((DATA / f"{key}.json").read_bytes())


def test_there_are_as_many_as_expected():
    """Else the tests below show nothing."""
    assert len(KEYS) > 220


@pytest.mark.parametrize("key", KEYS)
def test_a_real_topology_converts_validates_and_draws(key: str):
    """Every node and link of it, in every kind of picture."""
    data = topology(key)
    bare = convert(json.dumps(data)).graph
    lines = [e for e in data["edges"] if e["source"] != e["target"]]
    assert sum(1 for _ in bare.nodes()) == len(data["nodes"])
    assert sum(1 for _ in bare.links()) == len(lines)
    hosted = convert(json.dumps(data), options=OPTIONS).graph
    for graph in (bare, hosted):
        assert load_graph(dump(graph), source=key) == graph
    for kind in WRITERS:
        text = draw(bare, kind)
        if kind in ("svg", "graphml"):
            ET.fromstring(text)


def said(data: dict) -> Counter[tuple[str, str]]:
    """How often each key of a topology says anything, by what it says it of."""
    things = [("graph", data["graph"])]
    things += [("graph", {k: v for k, v in data.items() if k not in ("graph", "nodes", "edges")})]
    things += [("node", node) for node in data["nodes"]]
    things += [("link", edge) for edge in data["edges"]]
    empty = (None, "", [], {}, False)
    return Counter((of, k) for of, thing in things for k, v in thing.items() if v not in empty)


def held(graph: Graph) -> Counter[tuple[str, str]]:
    """How often a graph holds what a key says."""
    nodes, links = list(graph.nodes()), list(graph.links())
    return Counter(
        {
            ("graph", "name"): 1,
            ("graph", "multigraph"): 1,
            ("node", "id"): len(nodes),
            ("node", "name"): len(nodes),
            ("node", "pos"): sum("longitude" in n.features for n in nodes),
            ("link", "source"): len(links),
            ("link", "target"): len(links),
            ("link", "dist"): sum("latency" in e.features for e in links),
        }
    )


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_a_real_topology_is_in_the_graph_or_in_the_account(key: str):
    """As often as it says anything; the labels and distances are those of the file."""
    data = topology(key)
    data["edges"] = [e for e in data["edges"] if e["source"] != e["target"]]
    done = convert(json.dumps(data))
    lost = Counter(
        (loss.of, "pos" if "coordinates" in loss.what else loss.what.removeprefix("key "))
        for loss in done.losses
    )
    assert not said(data) - (held(done.graph) + lost)
    names = [n.features.get("label", n.id) for n in done.graph.nodes()]
    assert names == [node["name"] for node in data["nodes"]]
    distances = [round(edge["dist"] / 200_000, 9) for edge in data["edges"]]
    for link, latency in zip(done.graph.links(), distances, strict=True):
        assert link.features.get("latency", latency) == latency


def test_the_accounts_of_all_real_topologies_together():
    """Printed as a summary; of no file is more lost than what the language has no word for."""
    lost: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for key in KEYS:
        kinds = Counter(
            f"{loss.of}: {loss.what}" for loss in convert(json.dumps(topology(key))).losses
        )
        lost += kinds
        files.update(kinds.keys())
    for kind, count in lost.most_common():
        print(f"left out: {kind}: {count} in {files[kind]} of {len(KEYS)} files")
    assert set(lost) <= {
        "graph: key demands",
        "graph: key stats",
        "link: key ecmp_fwd",
        "link: key ecmp_bwd",
        "link: key dist",
        "link: link to itself",
        "node: coordinates that are no degrees",
    }


@pytest.mark.parametrize("key", KEYS)
def test_a_real_topology_converts_from_the_format_it_came_in(key: str):
    """GraphML as the Topology Zoo writes it, SNDlib's XML: the same graph."""
    data = topology(key)
    text = sndlib_xml(data) if key.startswith("sndlib") else zoo_graphml(data)
    graph = convert(text, name="same").graph
    direct = convert(json.dumps(data)).graph
    near = {n.id: sorted(direct.neighbours(n.id)) for n in direct.nodes()}
    assert {n.id: sorted(graph.neighbours(n.id)) for n in graph.nodes()} == near
    assert load_graph(dump(graph)) == graph


def zoo_graphml(data: dict) -> str:
    """The topology as the Internet Topology Zoo would give it."""
    graph = nx.MultiGraph()
    for node in data["nodes"]:
        place = dict(zip(("Longitude", "Latitude"), node["pos"], strict=True))
        graph.add_node(str(node["id"]), label=node["name"], **place)
    for edge in data["edges"]:
        graph.add_edge(str(edge["source"]), str(edge["target"]), LinkSpeedRaw=1e9)
    out = io.BytesIO()
    nx.write_graphml(graph, out)
    return out.getvalue().decode()


def sndlib_xml(data: dict) -> str:
    """The topology as SNDlib would give it."""
    root = ET.Element("network", xmlns="http://sndlib.zib.de/network", version="1.0")
    structure = ET.SubElement(root, "networkStructure")
    nodes = ET.SubElement(structure, "nodes", coordinatesType="geographical")
    names = {}
    for node in data["nodes"]:
        names[node["id"]] = node["name"]
        place = ET.SubElement(ET.SubElement(nodes, "node", id=node["name"]), "coordinates")
        for axis, value in zip("xy", node["pos"], strict=True):
            ET.SubElement(place, axis).text = str(value)
    links = ET.SubElement(structure, "links")
    for number, edge in enumerate(data["edges"]):
        link = ET.SubElement(links, "link", id=f"Link_{number}")
        ET.SubElement(link, "source").text = names[edge["source"]]
        ET.SubElement(link, "target").text = names[edge["target"]]
        module = ET.SubElement(link, "preInstalledModule")
        ET.SubElement(module, "capacity").text = "2488.0"
    return ET.tostring(root, encoding="unicode")


@pytest.mark.timeout(1800)
def test_fuzzed_inputs():
    """A hundred thousand of them; `fuzz_rdl.py` runs as many as one has time for."""
    spec = importlib.util.spec_from_file_location(
        "fuzz_rdl", Path(__file__).with_name("fuzz_rdl.py")
    )
    fuzz = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_rdl"] = fuzz
    spec.loader.exec_module(fuzz)
    good, held = fuzz.fuzz(100_000, seed=7, tell=False)
    assert good > 1000
    assert held < fuzz.KIBIBYTES
