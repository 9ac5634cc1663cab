# ruff: noqa: E501 - files of other formats are easier to read unbroken
"""What a conversion leaves out is told, and what it writes is valid."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from rdl.convert.account import Loss, lines
from rdl.convert.formats import convert
from rdl.convert.quantities import rate, rate_unit, seconds
from rdl.convert.rfc8345 import lost_in_rfc8345
from rdl.convert.topology import ConvertError
from rdl.graph import Amount, Range
from rdl.language.dump import dump
from rdl.language.load import load_graph

GRAPHML = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:y="http://www.yworks.com/xml/graphml">'
KEYS = "".join(
    f'<key id="{name}" for="{of}" attr.name="{name}" attr.type="string"/>'
    for of, names in {
        "node": ("label", "Longitude", "Latitude", "Internal"),
        "edge": ("LinkLabel", "LinkSpeed", "LinkSpeedUnits", "LinkSpeedRaw", "bandwidth"),
    }.items()
    for name in names
)


def graphml(inside: str, edges: str = "undirected") -> str:
    return f'{GRAPHML}{KEYS}<graph id="g" edgedefault="{edges}">{inside}</graph></graphml>'


def data(**values: str) -> str:
    return "".join(f'<data key="{name}">{value}</data>' for name, value in values.items())


def rspec(inside: str) -> str:
    return f'<rspec xmlns="http://www.geni.net/resources/rspec/3" xmlns:emulab="http://www.protogeni.net/resources/rspec/ext/emulab/1" type="request">{inside}</rspec>'


PAIR = '<node client_id="a"><interface client_id="a:0"/></node><node client_id="b"><interface client_id="b:0"/></node>'
REFS = '<interface_ref client_id="a:0"/><interface_ref client_id="b:0"/>'


# -- the account


def test_few_losses_are_told_one_by_one_and_many_as_a_sum():
    few = [Loss("node", f"n{i}", "attribute Internal", "1") for i in range(2)]
    many = [Loss("link", f"l{i}", "key dist", str(i)) for i in range(12)]
    assert list(lines([*few, *many, Loss("graph", "", "attribute Creator", "me")])) == [
        "left out: node n0: attribute Internal 1",
        "left out: node n1: attribute Internal 1",
        "left out: 12 links' key dist (first l0: 0)",
        "left out: graph: attribute Creator me",
    ]


def test_a_loss_stays_on_one_line_however_long_its_value():
    done = convert(json.dumps({"nodes": [{"id": 1, "note": "x\n\x1b[31m" * 500}], "edges": []}))
    (note,) = done.notes
    assert note.startswith("left out: node 1: key note x [31m")
    assert len(note) < 200
    assert note.isprintable()


# -- units


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        *[(u, 1) for u in ("bps", "bit/s", "BITSPERSEC", "BITPERSEC", "b/s", "bits/sec")],
        *[(u, 10**3) for u in ("K", "kbps", "Kbit/s", "KBITPERSEC", "KBITSPERSEC")],
        *[(u, 10**6) for u in ("M", "Mbps", "MBPS", "Mb/s", "MBITPERSEC", "Mbits per second")],
        *[(u, 10**9) for u in ("G", "g", "Gbps", "Gbit/s", "GBITPERSEC", "Gb")],
        *[(u, 10**12) for u in ("T", "Tbps")],
        *[(u, None) for u in ("", "STM1", "GB/s", "MBps", "Gibit/s", "furlongs", "E", "GB")],
    ],
)
def test_units_of_rates(unit, factor):
    """Bytes are unknown: whoever writes them for a link may well mean bits."""
    assert rate_unit(unit) == factor


def test_amounts_with_units():
    assert rate("10 Gbit/s") == 10**10
    assert rate("4.35Mbps") == 4_350_000
    assert rate("100", plain=1000) == 100_000
    assert [rate(t) for t in ("100", "-1Mbps", "fast", "", "10 Gbps or so", "1e99999 bps")] == [
        None
    ] * 6
    assert seconds("20ms", "ms") == seconds("20", "ms") == 0.02
    assert [seconds(t, "ms") for t in ("-1ms", "soon", "3 weeks")] == [None] * 3


# -- SNDlib


def native(nodes: str, links: str, head: str = "") -> str:
    return f"?SNDlib native format; type: network; version: 1.0\n{head}NODES (\n{nodes}\n)\nLINKS (\n{links}\n)\n"


def test_names_of_sndlib_may_be_numbers():
    text = native(
        "1 ( 10.0 50.0 )\n2 ( 11.0 51.0 )\n3 ( 12.0 52.0 )",
        "1 ( 1 2 ) 0.00 0.00 0.00 0.00 ( 155.00 10.00 622.00 30.00 )\n2 ( 2 3 ) 155 0 0 0 ( )\n3 ( 3 1 ) 155 0 0 0\n4 ( 1 3 )",
    )
    graph = convert(text).graph
    assert [n.id for n in graph.nodes()] == ["1", "2", "3"]
    rates = [e.amount("bandwidth") for e in graph.links()]
    assert rates == [622_000_000, 155_000_000, 155_000_000, 0]


@pytest.mark.parametrize(
    "links", ["L ( a b c )", "( a b )", "L", "L ( a ( b ) )", "L ( a b ) 1 2 3 4 5 6 ( )"]
)
def test_links_of_sndlib_that_are_none(links):
    with pytest.raises(ConvertError):
        convert(native("a ( 1 2 )\nb ( 1 3 )", links))


SNDLIB = """<network xmlns="http://sndlib.zib.de/network" version="1.0"><meta><unit>{unit}</unit></meta>
<networkStructure><nodes coordinatesType="{kind}"><node id="A"><coordinates><x>13.4</x><y>52.5</y></coordinates></node>
<node id="B"><coordinates><x>13.5</x><y>52.4</y></coordinates></node></nodes>
<links><link id="A_B"><source>A</source><target>B</target><additionalModules><addModule><capacity>1000.0</capacity><cost>0</cost></addModule></additionalModules></link></links>
</networkStructure><demands><demand id="d"><source>A</source></demand></demands></network>"""


@pytest.mark.parametrize(
    ("unit", "rate"),
    [("BITSPERSEC", 1000), ("KBITPERSEC", 10**6), ("GBITPERSEC", 10**12), ("", 10**9)],
)
def test_units_of_sndlib(unit, rate):
    text = SNDLIB.format(unit=unit, kind="geographical")
    assert convert(text).graph.elements["A--B"].amount("bandwidth") == rate
    head = f"META (\n unit = {unit}\n)\n" if unit else ""
    text = native("A ( 1 2 )\nB ( 2 3 )", "L ( A B ) 1000 0 0 0 ( )", head)
    assert convert(text).graph.elements["A--B"].amount("bandwidth") == rate


def test_an_unknown_unit_of_sndlib_is_told_and_no_capacity_made_up():
    xml = SNDLIB.format(unit="STM1", kind="geographical")
    own = native("A ( 1 2 )\nB ( 2 3 )", "A_B ( A B ) 1000.0 0 0 0 ( )", "META ( unit = STM1 )\n")
    for text in (xml, own):
        done = convert(text)
        assert "bandwidth" not in done.graph.elements["A--B"].resources
        assert "left out: graph: unknown unit of capacities STM1" in done.notes
        assert "left out: link A_B: capacity 1000.0" in done.notes


def test_what_a_planning_problem_has_besides_its_network_is_told():
    done = convert(SNDLIB.format(unit="MBITPERSEC", kind="geographical"))
    assert done.notes == ("left out: graph: <demands> <demand>",)
    text = native(
        "A ( 1 2 7 )\nB ( 2 3 )", "L ( A B ) 155 0 3 0 ( 622 9 )", "META ( granularity = day )\n"
    )
    assert convert(text + "DEMANDS ( D ( A B ) 1 2.0 UNLIMITED )").notes == (
        "left out: graph: meta granularity day",
        "left out: node A: further coordinate 7",
        "left out: link L: routing cost 3",
        "left out: link L: cost of a module 9",
        "left out: link L: capacity 622",
        "left out: graph: section DEMANDS D ( A B ) 1 2.0 UNLIMITED ...",
    )


def test_text_between_the_sections_of_sndlib_is_told_and_a_section_is_there_once():
    text = native("A ( 1 2 )\nB ( 2 3 )", "")
    assert convert(f"{text}stray words").notes == (
        "left out: graph: text between the sections stray words",
    )
    for more in ("NODES ( )", "( )"):
        with pytest.raises(ConvertError, match=r"twice|without a name"):
            convert(text + more)


# -- coordinates


PIXELS = {
    "graphml": graphml(
        f'<node id="A">{data(Longitude="243", Latitude="574")}</node><node id="B">{data(Longitude="26", Latitude="36")}</node><edge source="A" target="B"/>'
    ),
    "native": native("A ( 243.00 574.00 )\nB ( 26.00 36.00 )", "L ( A B ) 155.00 0 0 0 ( )"),
    "xml": SNDLIB.format(unit="MBITPERSEC", kind="pixel"),
    "json": json.dumps(
        {
            "nodes": [{"id": "A", "pos": [243, 574]}, {"id": "B", "pos": [26, 36]}],
            "edges": [{"source": "A", "target": "B"}],
        }
    ),
}


@pytest.mark.parametrize("kind", PIXELS)
def test_coordinates_that_are_no_place_on_earth_give_no_place_and_no_latency(kind):
    """Of none of the file's nodes: those that look like degrees are pixels as well."""
    done = convert(PIXELS[kind])
    assert [dict(n.features) for n in done.graph.nodes()] == [{}, {}]
    assert "latency" not in done.graph.elements["A--B"].features
    assert [loss.where for loss in done.losses if "coordinates" in loss.what] == ["A", "B"]


def test_a_distance_that_was_computed_from_pixels_is_none_and_one_that_was_measured_is_kept():
    nodes = [{"id": "A", "pos": [243, 574]}, {"id": "B", "pos": [264, 363]}]
    from rdl.convert.topology import Place, distance_km

    computed = distance_km(Place("A", "A", 243, 574), Place("B", "B", 264, 363))
    for km, kept in ((computed, False), (200.0, True)):
        edges = [{"source": "A", "target": "B", "dist": km}]
        done = convert(json.dumps({"nodes": nodes, "edges": edges}))
        assert ("latency" in done.graph.elements["A--B"].features) is kept
        assert any(loss.what == "key dist" for loss in done.losses) is not kept


def test_half_a_position_and_one_that_is_no_number_are_told():
    done = convert(
        graphml(
            f'<node id="A">{data(Longitude="13.4")}</node><node id="B">{data(Longitude="x", Latitude="1")}</node>'
        )
    )
    assert [str(loss) for loss in done.losses] == [
        "node A: attribute Longitude 13.4",
        "node B: attribute Longitude x",
        "node B: attribute Latitude 1",
    ]


# -- GraphML


YED = f"""{GRAPHML}<key for="node" id="d6" yfiles.type="nodegraphics"/><key for="edge" id="d9" yfiles.type="edgegraphics"/>
<graph edgedefault="undirected" id="G">
<node id="n0"><data key="d6"><y:ShapeNode><y:NodeLabel>core-north</y:NodeLabel><y:NodeLabel>rack 4</y:NodeLabel></y:ShapeNode></data></node>
<node id="n1" yfiles.foldertype="group"><data key="d6"><y:ProxyAutoBoundsNode><y:Realizers active="0"><y:GroupNode><y:NodeLabel fontSize="12">South</y:NodeLabel></y:GroupNode></y:Realizers></y:ProxyAutoBoundsNode></data>
<graph id="n1:" edgedefault="undirected"><node id="n1::n0"><data key="d6"><y:GenericNode><y:Geometry/>dashed<y:NodeLabel>core-south</y:NodeLabel></y:GenericNode></data></node></graph></node>
<edge id="e0" source="n0" target="n1::n0"><data key="d9"><y:PolyLineEdge><y:EdgeLabel>10 Gbps</y:EdgeLabel></y:PolyLineEdge></data></edge>
</graph></graphml>"""


def test_labels_and_groups_that_yed_draws():
    done = convert(YED)
    graph = done.graph
    assert [n.id for n in graph.nodes()] == ["core-north", "core-south"]
    assert graph.elements["core-south"].features["group"] == "South"
    (link,) = graph.links()
    assert graph.neighbours(link.id) == ("core-north", "core-south")
    assert link.resources == {"bandwidth": Amount(10**10)}
    assert link.features["label"] == "10 Gbps"
    assert {str(loss) for loss in done.losses} == {
        "node n0: further label rack 4",
        "node n1: drawing ProxyAutoBoundsNode",
        "node South: node of its own (it is the group of others)",
        "node South: attribute yfiles.foldertype group",
        "node n1::n0: drawing GenericNode",
    }


def test_nodes_within_nodes_and_the_links_among_them():
    text = graphml(
        '<node id="rack"><graph edgedefault="undirected" id="rack:"><node id="rack::t1"/><node id="rack::t2"/><edge source="rack::t1" target="rack::t2"/></graph></node><node id="s1"/><edge source="s1" target="rack"/>'
    )
    done = convert(text)
    assert {n.id: n.features.get("group") for n in done.graph.nodes()} == {
        "rack": None,
        "s1": None,
        "rack-t1": "rack",
        "rack-t2": "rack",
    }
    assert {done.graph.neighbours(e.id) for e in done.graph.links()} == {
        ("s1", "rack"),
        ("rack-t1", "rack-t2"),
    }
    assert done.losses == ()


def test_a_hyperedge_is_a_link_of_several_ends():
    ends = "".join(f'<endpoint node="{n}"/>' for n in "abca")
    text = graphml(
        f'<node id="a"/><node id="b"/><node id="c"/><hyperedge>{ends}</hyperedge><hyperedge><endpoint node="a"/></hyperedge>'
    )
    done = convert(text)
    (link,) = done.graph.links()
    assert done.graph.neighbours(link.id) == ("a", "b", "c")
    assert [(loss.where, loss.what) for loss in done.losses] == [
        ("a", "link of 1 ends"),
        ("a--b--c", "end at a node that is there already"),
    ]


@pytest.mark.parametrize(
    ("said", "bandwidth", "lost"),
    [
        ({"LinkSpeed": "10", "LinkSpeedUnits": "Gbps"}, 10**10, set()),
        ({"LinkSpeed": "622 Mbit/s"}, 622_000_000, set()),
        ({"LinkSpeed": "10", "LinkSpeedUnits": "lanes"}, 0, {"LinkSpeed", "LinkSpeedUnits"}),
        ({"LinkSpeed": "10"}, 0, {"LinkSpeed"}),
        ({"LinkSpeed": "fast", "LinkSpeedUnits": "G"}, 0, {"LinkSpeed", "LinkSpeedUnits"}),
        ({"LinkSpeedRaw": "1e9", "LinkSpeed": "1", "LinkSpeedUnits": "G"}, 10**9, set()),
        (
            {"LinkSpeedRaw": "1e9", "LinkSpeed": "2", "LinkSpeedUnits": "G"},
            10**9,
            {"LinkSpeed", "LinkSpeedUnits"},
        ),
        ({"LinkSpeedRaw": "-5"}, 0, {"LinkSpeedRaw"}),
        ({"LinkLabel": "2.5 Gbps"}, 2_500_000_000, set()),
        ({"LinkLabel": "OC-48"}, 0, set()),
        ({"bandwidth": "1Gbps"}, 10**9, set()),
        ({"bandwidth": "7"}, 0, {"bandwidth"}),
    ],
)
def test_speeds_of_graphml(said, bandwidth, lost):
    done = convert(
        graphml(f'<node id="a"/><node id="b"/><edge source="a" target="b">{data(**said)}</edge>')
    )
    (link,) = done.graph.links()
    assert link.amount("bandwidth") == bandwidth
    assert {loss.what for loss in done.losses} == {f"attribute {name}" for name in lost}


def test_what_else_a_graphml_has_is_told():
    text = graphml(
        f'<desc>all of it</desc><node id="left"><port name="p"/>{data(label="L", Internal="1")}{data(Internal="2")}</node><node id="n1"/>'
        '<edge id="trunk" source="left" target="n1" sourceport="p" directed="true"/>stray<data key="who">me</data>',
        "directed",
    ).replace("</key>", "")
    assert {str(loss) for loss in convert(text).losses} == {
        "graph: direction of its links directed",
        "graph: attribute who me",
        "graph: <desc> all of it",
        "graph: text in <graph> stray",
        "node L: id left",
        "node L: <port> name=p",
        "node L: attribute Internal 1",
        "node L: attribute Internal 2",
        "link L--n1: direction directed",
        "link L--n1: attribute sourceport p",
    }


def test_defaults_of_graphml_keys_hold_where_nothing_is_said():
    key = '<key id="k" for="edge" attr.name="LinkSpeedRaw" attr.type="double"><default>1000</default></key>'
    text = f'{GRAPHML}{key}<graph><node id="a"/><node id="b"/><edge source="a" target="b"/><edge source="a" target="b"><data key="k">5</data></edge></graph></graphml>'
    assert [e.amount("bandwidth") for e in convert(text).graph.links()] == [1000, 5]


def test_thousands_of_places_with_one_label_each_get_an_id_of_their_own():
    """So many that a search from the first number on would not end in the test's time."""
    nodes = "".join(f'<node id="{i}">{data(label="router")}</node>' for i in range(16_000))
    graph = convert(graphml(nodes)).graph
    assert len(graph.elements) == 16_000
    assert "router-16000" in graph.elements


# -- node-link JSON


def test_what_a_node_link_graph_has_besides_is_told():
    text = json.dumps(
        {
            "directed": True,
            "multigraph": True,
            "graph": {"name": "g", "demands": {"a": 1}, "stats": {}},
            "nodes": [
                {"id": 0, "name": "x", "pos": [1, 2, 3], "size": 0},
                {"id": "why", "name": "y"},
            ],
            "links": [
                {
                    "source": 0,
                    "target": "why",
                    "key": 0,
                    "capacity": "1Gbps",
                    "weight": 3,
                    "bandwidth": True,
                }
            ],
        }
    )
    done = convert(text)
    assert done.graph.elements["x--y"].amount("bandwidth") == 10**9
    assert {str(loss) for loss in done.losses} == {
        "graph: direction of its links directed",
        "graph: key demands {'a': 1}",
        "node x: key pos [1, 2, 3]",
        "node x: key size 0",
        "node y: id why",
        "link x--y: key weight 3",
        "link x--y: key bandwidth True",
    }


@pytest.mark.parametrize(
    "text",
    [
        '{"nodes": 1, "links": []}',
        '{"nodes": [1], "links": []}',
        '{"nodes": [], "links": null}',
        '{"nodes": [{}], "links": []}',
        '{"nodes": [], "links": [], "graph": 3}',
        '{"nodes": [{"id": ' + "[" * 900 + "]" * 900 + '}], "links": [{"source": 2}]}',
        '{"nodes": [{"id": 1}, {"id": 1}], "links": []}',
        '{"nodes": [{"id": 1, "name": "x", "name": "y"}], "links": []}',
    ],
)
def test_json_that_is_no_node_link_graph(text):
    with pytest.raises(ConvertError):
        convert(text)


def test_a_label_of_a_node_link_edge_that_reads_as_a_rate_is_one():
    edges = [{"source": 1, "target": 2, "label": label} for label in ("10 Gbps", "trunk")]
    done = convert(json.dumps({"nodes": [{"id": 1}, {"id": 2}], "edges": edges}))
    assert [e.amount("bandwidth") for e in done.graph.links()] == [10**10, 0]
    assert [e.features["label"] for e in done.graph.links()] == ["10 Gbps", "trunk"]
    assert done.losses == ()


def test_negative_numbers_are_told_and_what_comes_out_is_valid():
    text = '{"nodes": [{"id": 0, "name": "x"}, {"id": 1, "name": "y"}], "links": [{"source": 0, "target": 1, "dist": -100, "bandwidth": -5}]}'
    done = convert(text)
    assert load_graph(dump(done.graph)) == done.graph
    assert done.notes == (
        "left out: link x--y: negative bandwidth -5.0",
        "left out: link x--y: negative distance -100.0",
    )


# -- GENI request RSpecs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (rspec('<node client_id="a"><interface client_id="i"/></node><node client_id="b"><interface client_id="i"/></node>'), "interface 'i' is there twice"),
        (rspec('<node client_id="vm"/><node client_id="vm"/>'), "node 'vm' is there twice"),
        (rspec(f'{PAIR}<link client_id="l">{REFS}</link><link client_id="l"/>'), "link 'l' is there twice"),
        (rspec(f'{PAIR}<link client_id="l">{REFS}</link><link client_id="m">{REFS}</link>'), "interface 'a:0' is on link l already"),
        (rspec('<node client_id="a"><sliver_type name="x"><emulab:xen ram="1e308"/></sliver_type></node>'), "RDL does not allow"),
    ],
)  # fmt: skip
def test_requests_that_can_not_be_taken(text, words):
    with pytest.raises(ConvertError, match=words):
        convert(text)


def test_a_link_from_a_node_to_itself_is_left_out_of_a_request_and_told():
    text = rspec(
        '<node client_id="t"><interface client_id="t:a"/><interface client_id="t:b"/></node><link client_id="loop"><interface_ref client_id="t:a"/><interface_ref client_id="t:b"/></link>'
    )
    done = convert(text)
    assert list(done.graph.elements) == ["t"]
    assert "left out: link loop: link that joins no two nodes t:a" in done.notes


def test_an_address_that_two_interfaces_of_a_link_have_stays_with_the_first():
    both = '<ip address="192.168.7.1" netmask="255.255.255.0"/>'
    text = rspec(
        PAIR.replace('"/></node>', f'" mac_address="02:00:00:00:00:01">{both}</interface></node>')
        + f'<link client_id="lan">{REFS}</link>'
    )
    done = convert(text)
    first, second = (done.graph.elements[n].interfaces[0].features for n in "ab")
    assert first == {"address": "192.168.7.1/24", "mac": "02:00:00:00:00:01"}
    assert second == {}
    assert done.notes == (
        "left out: interface b:0: address that another on the link has 192.168.7.1/24 (a:0)",
        "left out: interface b:0: mac that another on the link has 02:00:00:00:00:01 (a:0)",
    )


LAB = rspec("""
 <node client_id="probe"><sliver_type name="raw-pc"><disk_image url="https://images.example.org/lab/debian.xml"/></sliver_type>
  <hardware_type name="d430"/><hardware_type name="d710"/>
  <interface client_id="probe:if0" mac_address="0200.0000.0001"><ip address="10.9.1.1" netmask="255.255.255.0" type="ipv4"/><ip address="fd00:9::1" netmask="64" type="ipv6"/></interface></node>
 <node client_id="sink" exclusive="true" component_id="urn:x"><sliver_type name="emulab-xen"><emulab:xen cores="1.5" ram="512" disk="many"/></sliver_type><interface client_id="sink:if0" mac_address="01:00:00:00:00:01"/></node>
 <link client_id="wan" vlantag="1750"><interface_ref client_id="probe:if0"/><interface_ref client_id="sink:if0"/>
  <property source_id="probe:if0" dest_id="sink:if0" capacity="100Mbps" latency="20ms" packet_loss="0.05"/>
  <property source_id="sink:if0" dest_id="probe:if0" capacity="50Mbps" latency="some"/><link_type name="egre-tunnel"/></link>
 <controller url="tcp:10.0.0.5:6633" type="primary"/>
""")


def test_all_that_a_request_says_is_in_the_graph_or_told():
    done = convert(LAB)
    probe, sink, wan = (done.graph.elements[i] for i in ("probe", "sink", "wan"))
    assert probe.features == {"hardware_type": "d430"}
    assert probe.interfaces[0].features == {"address": "10.9.1.1/24", "mac": "02:00:00:00:00:01"}
    assert sink.resources == {"cpu": Amount(1.5), "memory": Amount(2**29)}
    assert wan.resources == {"bandwidth": Amount(10**8)}
    assert wan.features == {"latency": Range(None, 0.02)}
    assert {str(loss) for loss in done.losses} == {
        "node probe: sliver_type raw-pc",
        "node probe: disk_image url https://images.example.org/lab/debian.xml",
        "node probe: further hardware_type d710",
        "interface probe:if0: further address fd00:9::1/64",
        "node sink: exclusive (a host is shared) true",
        "node sink: attribute component_id urn:x",
        "node sink: disk many",
        "interface sink:if0: mac_address that is none 01:00:00:00:00:01",
        "link wan: attribute vlantag 1750",
        "link wan: capacity that differs in one direction 50Mbps",
        "link wan: latency some",
        "link wan: packet_loss 0.05",
        "link wan: <link_type> name=egre-tunnel",
        "graph: <controller> url=tcp:10.0.0.5:6633 type=primary",
    }


def test_a_packet_loss_of_nothing_is_no_loss():
    link = f'<link client_id="l">{REFS}<property packet_loss="0.0"/></link>'
    assert convert(rspec(PAIR + link)).losses == ()


def test_a_name_given_from_outside_is_no_part_of_the_file():
    done = convert(rspec(PAIR), name="Ελλάδα")
    assert (done.graph.name, done.losses) == ("converted", ())
    named = convert(json.dumps({"graph": {"name": "Ελλάδα"}, "nodes": [], "edges": []}), name="x")
    assert named.notes == ("left out: graph: name Ελλάδα (it is converted now)",)


def test_an_id_that_can_not_be_spelled_in_rdl_is_told():
    done = convert(rspec('<node client_id="Ελλάδα"/><node client_id="web server"/>'), name="mine")
    assert [n.id for n in done.graph.nodes()] == ["n", "web-server"]
    assert done.notes == ("left out: node Ελλάδα: spelling of its id (n in the graph)",)


def test_whose_an_image_is_and_what_kind_of_sliver_are_told():
    image = '<disk_image name="urn:publicid:IDN+other.net+image+ops:UBUNTU"/>'
    done = convert(
        rspec(f'<node client_id="a"><sliver_type name="xen-large">{image}</sliver_type></node>')
    )
    assert done.graph.elements["a"].features == {"virtualization": "xen", "image": "ops:UBUNTU"}
    assert [str(loss) for loss in done.losses] == [
        "node a: sliver_type xen-large",
        "node a: disk_image urn:publicid:IDN+other.net+image+ops:UBUNTU",
    ]


# -- whatever is added to a file


DOCUMENTS = {
    "graphml": graphml(f'<node id="a">{data(label="A")}</node><node id="b"/><edge source="a" target="b">{data(LinkSpeedRaw="5")}</edge>'),
    "hyperedge": graphml('<node id="a"/><node id="b"/><hyperedge><endpoint node="a"/><endpoint node="b"/></hyperedge>'),
    "yed": YED,
    "sndlib": SNDLIB.format(unit="MBITPERSEC", kind="geographical"),
    "rspec": LAB,
}  # fmt: skip
DECLARED = {"key", "default"}  # what GraphML says of itself


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("what", ["attribute", "element", "text"])
def test_whatever_is_added_to_an_element_is_told_or_lies_in_what_is_told(kind, what):
    """At each element of a document of each format in turn."""
    count = sum(1 for _ in ET.fromstring(DOCUMENTS[kind]).iter())
    for position in range(count):
        root = ET.fromstring(DOCUMENTS[kind])
        above = {inner: outer for outer in root.iter() for inner in outer}
        element = list(root.iter())[position]
        if what == "attribute":
            element.set("hue", "unheard")
        elif what == "element":
            ET.SubElement(element, "hue").text = "unheard"
        else:
            element.insert(0, ET.Element("hue"))
            element[0].tail = "unheard"
        losses = convert(ET.tostring(root, encoding="unicode")).losses
        whole = {loss.what.strip("<>") for loss in losses} | DECLARED
        drawn = {loss.value for loss in losses if loss.what == "drawing"}
        around = set()
        while element is not None:
            around.add(element.tag.rpartition("}")[2])
            element = above.get(element)
        assert any("unheard" in loss.value for loss in losses) or around & (whole | drawn)


# -- RFC 8345


def test_what_an_ietf_topology_can_not_hold_is_told():
    graph = load_graph("""
rdl: 1
graph: o
nodes: {a: {cpu: 2}, b: {arch: x86_64}}
links: {l: {ends: [a, b], bandwidth: 1Mbps, addresses: [10.0.0.1/24, 10.0.0.2/24]}}
constraints: [{apart: [a, b]}]
""")
    assert [str(loss) for loss in lost_in_rfc8345(graph)] == [
        "node a: type /node/host/generic",
        "node a: cpu 2",
        "interface a.l: address 10.0.0.1/24",
        "node b: type /node/host/generic",
        "node b: arch x86_64",
        "interface b.l: address 10.0.0.2/24",
        "link l: type /link/generic",
        "link l: bandwidth 1000000",
        "graph: constraint apart a, b",
    ]
