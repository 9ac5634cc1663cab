"""The RDL tools on all real topologies at hand, and the loader under fuzzing."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import networkx as nx
import pytest
import topohub.data

from rdl.convert.formats import convert
from rdl.convert.topology import HostAt, Options
from rdl.draw.pictures import WRITERS, draw
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
