# ruff: noqa: E501 - files of other formats are easier to read unbroken
"""Other formats to RDL, and RDL to RFC 8345."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdl.convert.formats import convert
from rdl.convert.rfc8345 import to_rfc8345
from rdl.convert.topology import ConvertError, HostAt, Options
from rdl.graph import Amount, Range
from rdl.language.dump import dump
from rdl.language.load import load_graph, load_mapping

ZOO = """<?xml version="1.0" encoding="utf-8"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="Latitude" attr.type="double" for="node" id="d29" />
  <key attr.name="Longitude" attr.type="double" for="node" id="d32" />
  <key attr.name="label" attr.type="string" for="node" id="d33" />
  <key attr.name="LinkSpeedRaw" attr.type="double" for="edge" id="d38" />
  <key attr.name="LinkSpeed" attr.type="string" for="edge" id="d39" />
  <key attr.name="LinkSpeedUnits" attr.type="string" for="edge" id="d40" />
  <key attr.name="LinkLabel" attr.type="string" for="edge" id="d36" />
  <key attr.name="Network" attr.type="string" for="graph" id="d15" />
  <graph edgedefault="undirected">
    <data key="d15">My Net</data>
    <node id="0"><data key="d29">52.52</data><data key="d32">13.40</data><data key="d33">Berlin / DE</data></node>
    <node id="1"><data key="d29">48.14</data><data key="d32">11.58</data><data key="d33">Muenchen</data></node>
    <node id="2"><data key="d33">Muenchen</data></node>
    <edge source="0" target="1"><data key="d38">10000000000.0</data><data key="d36">10 Gbit/s</data></edge>
    <edge source="0" target="1"><data key="d39">2.5</data><data key="d40">G</data></edge>
    <edge source="1" target="2"/>
    <edge source="2" target="2"/>
  </graph>
</graphml>"""


def test_topology_zoo_graphml():
    """Labels to ids, distances to latency, speeds to bandwidth; parallel links stay apart."""
    done = convert(ZOO)
    graph = done.graph
    assert graph.name == "My-Net"
    assert [n.id for n in graph.nodes()] == ["Berlin-DE", "Muenchen", "Muenchen-2"]
    assert graph.elements["Berlin-DE"].features["label"] == "Berlin / DE"
    first, second, third = graph.links()
    assert (first.amount("bandwidth"), second.amount("bandwidth")) == (10**10, 2.5e9)
    assert "bandwidth" not in third.resources
    assert first.features["latency"] == pytest.approx(504 / 200_000, rel=0.01)
    assert done.notes == ("left out: link Muenchen-2--Muenchen-2: link to itself",)
    assert load_graph(dump(graph)) == graph


def test_a_host_at_each_place():
    """Where one is asked for; capacities where the file tells none."""
    options = Options(bandwidth=10**9, host=HostAt(resources={"cpu": 8}))
    graph = convert(ZOO, options=options).graph
    host = graph.elements["Berlin-DE-host"]
    assert host.resources == {"cpu": Amount(8)}
    assert graph.neighbours(graph.neighbours(host.id)[0]) == (host.id, "Berlin-DE")
    assert graph.elements["Muenchen--Muenchen-2"].amount("bandwidth") == 10**9


SNDLIB_XML = """<?xml version="1.0" encoding="ISO-8859-1"?>
<network xmlns="http://sndlib.zib.de/network" version="1.0">
 <meta><unit>MBITPERSEC</unit></meta>
 <networkStructure>
  <nodes coordinatesType="geographical">
   <node id="Gdansk"><coordinates><x>18.60</x><y>54.20</y></coordinates></node>
   <node id="Bydgoszcz"><coordinates><x>17.90</x><y>53.10</y></coordinates></node>
  </nodes>
  <links>
   <link id="Link_0_10"><source>Gdansk</source><target>Bydgoszcz</target>
    <preInstalledModule><capacity>0.0</capacity><cost>0.0</cost></preInstalledModule>
    <additionalModules><addModule><capacity>155.0</capacity><cost>156.0</cost></addModule>
    <addModule><capacity>622.0</capacity><cost>468.0</cost></addModule></additionalModules></link>
  </links>
 </networkStructure>
</network>"""
SNDLIB_NATIVE = """?SNDlib native format; type: network; version: 1.0
# network polska
META (
  granularity = 2months
  unit = MBITPERSEC
)
# NODE SECTION
NODES (
  Gdansk ( 18.60 54.20 )
  Bydgoszcz ( 17.90 53.10 )
  Kolobrzeg ( 15.57 54.18 )
)
LINKS (
  Link_0_10 ( Gdansk Bydgoszcz ) 0.00 0.00 0.00 156.00 ( 155.00 156.00 622.00 468.00 )
  Link_0_2 ( Gdansk Kolobrzeg ) 155.00 0.00 0.00 272.00 ( )
)
DEMANDS (
  Demand_0_1 ( Gdansk Bydgoszcz ) 1 195.00 UNLIMITED
)
ADMISSIBLE_PATHS (
)
"""


@pytest.mark.parametrize("text", [SNDLIB_XML, SNDLIB_NATIVE], ids=["xml", "native"])
def test_sndlib(text):
    """Both of its formats: installed capacity, else the largest module."""
    graph = convert(text, name="polska").graph
    assert graph.name == "polska"
    link = graph.elements["Gdansk--Bydgoszcz"]
    assert link.amount("bandwidth") == 622_000_000
    assert link.features["label"] == "Link_0_10"
    assert link.features["latency"] == pytest.approx(130.7 / 200_000, rel=0.01)
    if "Kolobrzeg" in graph.elements:
        assert graph.elements["Gdansk--Kolobrzeg"].amount("bandwidth") == 155_000_000
    assert load_graph(dump(graph)) == graph


RSPEC = """<?xml version="1.0" encoding="UTF-8"?>
<rspec xmlns="http://www.geni.net/resources/rspec/3" xmlns:emulab="http://www.protogeni.net/resources/rspec/ext/emulab/1" type="request">
  <node client_id="web" component_manager_id="urn:publicid:IDN+emulab.net+authority+cm" exclusive="false">
    <sliver_type name="emulab-xen"><disk_image name="urn:publicid:IDN+emulab.net+image+emulab-ops:UBUNTU22-64-STD"/>
      <emulab:xen cores="2" ram="1024" disk="8"/></sliver_type>
    <interface client_id="web:if0"><ip address="10.10.1.1" netmask="255.255.255.0" type="ipv4"/></interface>
    <services><execute shell="sh" command="true"/></services>
  </node>
  <node client_id="db"><interface client_id="db:if0"/></node>
  <link client_id="link-0"><interface_ref client_id="web:if0"/><interface_ref client_id="db:if0"/>
    <property source_id="web:if0" dest_id="db:if0" capacity="50000" latency="10"/></link>
</rspec>"""


def test_geni_request():
    """Nodes, interfaces, links, what can be held of them; the rest is told."""
    done = convert(RSPEC, name="mine")
    graph = done.graph
    web = graph.elements["web"]
    assert web.resources == {
        "cpu": Amount(2),
        "memory": Amount(2**30),
        "storage": Amount(8 * 10**9),
    }
    assert web.features == {
        "virtualization": "xen",
        "image": "emulab-ops:UBUNTU22-64-STD",
        "provider": "emulab.net",
    }
    assert web.interfaces[0].features == {"address": "10.10.1.1/24"}
    link = graph.elements["link-0"]
    assert link.amount("bandwidth") == 50_000_000
    assert link.features == {"latency": Range(None, 0.01)}
    assert graph.neighbours("link-0") == ("web", "db")
    assert done.notes == ("left out: node web: <services> <execute>",)
    assert load_graph(dump(graph)) == graph


NODE_LINK = json.dumps(
    {
        "directed": False,
        "graph": {"name": "tiny"},
        "nodes": [{"id": 0, "name": "A", "pos": [1.0, 2.0]}, {"id": 1, "name": "B"}],
        "edges": [{"source": 0, "target": 1, "dist": 100.0}],
    }
)


def test_node_link_json():
    """As networkx and topohub write it."""
    graph = convert(NODE_LINK).graph
    assert graph.elements["A--B"].features["latency"] == 0.0005


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><graphml><graph>&b;</graph></graphml>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello", "no GraphML"),
        ("<html/>", "unknown kind"),
        ("<graphml", "not well-formed"),
        ("<graphml/>", "has no graph"),
        (BOMB, "entities"),
        ("{}", "no node-link"),
        ("{" * 100_000, "no node-link"),
        ('{"nodes": [{"id": 1}], "edges": [{"source": 1, "target": 2}]}', "isn't there"),
        ("<network/>", "no nodes and links"),
        ("?SNDlib\nNODES ( a ( 1 2 )", "brackets"),
        ("?SNDlib\nLINKS ( )", "no NODES"),
        ('<rspec type="manifest"/>', "a request is wanted"),
        ('<rspec><link client_id="l"><interface_ref client_id="x"/></link></rspec>', "isn't there"),
        (ZOO.replace('id="1"', 'id="0"'), "two nodes"),
        (" " * (17 * 2**20), "16 MiB"),
    ],
)
def test_files_that_can_not_be_taken(text, words):
    """One error of ours, that says why."""
    with pytest.raises(ConvertError, match=words):
        convert(text)


@given(st.sampled_from([ZOO, SNDLIB_XML, SNDLIB_NATIVE, RSPEC, NODE_LINK]), st.data())
def test_damaged_files_give_a_graph_or_our_error(text, data):
    """Never another exception, and what is taken is RDL."""
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 30)))
    with suppress(ConvertError):
        graph = convert(text[:begin] + data.draw(st.text(max_size=5)) + text[end:]).graph
        assert load_graph(dump(graph)) == graph


def test_rfc8345():
    """Two one-way links for each of ours, a node for a broadcast segment, the layers by reference."""
    overlay = load_graph("""
rdl: 1
graph: o
nodes: {a: {}, b: {}, c: {}}
links: {l: {ends: [a, b]}, lan: {ends: [a, b, c]}}
""")
    underlay = load_graph("""
rdl: 1
graph: u
layer: underlay
nodes: {h1: {}, h2: {}, s: {type: /node/switch/openflow}}
links: {x: {ends: [h1, s]}, y: {ends: [s, h2]}}
""")
    mapping = load_mapping(
        "rdl: 1\ngraph: o\nlayer: mapping\nunderlay: u\nmapping: {a: {on: [h1]}, b: {on: [h2]}, l: {on: [x, s, y]}}"
    )
    networks = to_rfc8345(overlay, mapping, underlay)["ietf-network:networks"]["network"]
    top, below = networks
    assert top["supporting-network"] == [{"network-ref": "u"}]
    nodes = {n["node-id"]: n for n in top["node"]}
    assert list(nodes) == ["a", "b", "c", "lan"]
    assert nodes["a"]["supporting-node"] == [{"network-ref": "u", "node-ref": "h1"}]
    links = {e["link-id"]: e for e in top["ietf-network-topology:link"]}
    assert links["l:b"]["source"] == {"source-node": "b", "source-tp": "b.l"}
    assert [e["link-ref"] for e in links["l:b"]["supporting-link"]] == ["y:h2", "x:s"]
    assert len([i for i in links if i.startswith("lan.")]) == 6
    refs = {e["link-id"] for e in below["ietf-network-topology:link"]}
    assert {"x:h1", "x:s", "y:s", "y:h2"} == refs
    json.dumps(networks)


def test_an_address_that_no_interface_can_have_is_left_out_of_a_request_and_told():
    done = convert(RSPEC.replace("10.10.1.1", "10.10.1.0"), name="mine")
    assert done.graph.elements["web"].interfaces[0].features == {}
    assert "left out: interface web:if0: address that is none 10.10.1.0/255.255.255.0" in done.notes
    assert load_graph(dump(done.graph)) == done.graph
