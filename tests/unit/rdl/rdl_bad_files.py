# ruff: noqa: E501 - RDL texts are easier to read unbroken
"""Documents that break one rule each: name, text, and for each error its place and what it says.

A place is marked in the text by `«` before the character the error points at; the marks are taken
out again. Errors come in the order of their places.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bad:
    """A document with one or more errors, each (where, words that its message has)."""

    name: str
    text: str
    errors: tuple[tuple[str, str], ...]
    schema: bool = True  # whether a JSON Schema can see it, behind a YAML 1.2 reader

    @property
    def clean(self) -> str:
        """The text without the marks."""
        return self.text.replace("«", "")

    @property
    def places(self) -> list[tuple[int, int]]:
        """Line and column of each mark, counted from 1."""
        out = []
        for number, line in enumerate(self.text.split("\n"), 1):
            column, taken = line.find("«"), 0
            while column >= 0:
                out.append((number, column - taken + 1))
                taken += 1
                column = line.find("«", column + 1)
        return out


def doc(body: str, layer: str = "") -> str:
    """A document with that body."""
    return f"rdl: 1\ngraph: g\n{layer}{body}"


def node(properties: str, layer: str = "") -> str:
    """A document with one node in the shorthand."""
    return doc("nodes:\n  a: {" + properties + "}\n", layer)


def pair(link: str, extra: str = "") -> str:
    """A document with two nodes and a link `l` in the shorthand."""
    return doc(f"nodes: {{a: {{}}, b: {{}}, c: {{}}}}\nlinks:\n  l: {{{link}}}\n{extra}")


def canonical(elements: str, rest: str = "") -> str:
    """A document in the canonical spelling."""
    return doc(f"elements:\n{elements}{rest}")


UNDERLAY = "layer: underlay\n"
TWO = "  - {id: a, interfaces: [a.0]}\n  - {id: b, interfaces: [b.0]}\n"
LINK = "  - {id: l, type: /link/generic, interfaces: [l.0, l.1]}\n"


def one(name: str, text: str, where: str, words: str, *, schema: bool = True) -> Bad:
    """A document with one error."""
    return Bad(name, text, ((where, words),), schema)


BAD = [
    # the document
    one("empty", "«", "document", "begins with `rdl: 1`"),
    one("a list", "«- rdl: 1\n", "document", "a mapping"),
    one("a word", "«hello\n", "document", "a mapping"),
    one("no version", "«graph: g\n", "rdl", "missing"),
    one("no name", "«rdl: 1\n", "graph", "missing"),
    one("version 2", "rdl: «2\ngraph: g\n", "rdl", "version 1"),
    one("version as text", "rdl: «'1'\ngraph: g\n", "rdl", "leave the quotes away"),
    one("version true", "rdl: «true\ngraph: g\n", "rdl", "version 1"),
    one("name is a number", "rdl: 1\ngraph: «7\n", "graph", 'write "7" in quotes'),
    one("name with slash", "rdl: 1\ngraph: «../x\n", "graph", "is no name"),
    one("unknown key", doc("«elemens: []\n"), "elemens", "did you mean 'elements'?"),
    one("name for graph", doc("«name: x\n"), "name", "did you mean 'graph'?"),
    one("layer slip", doc("layer: «undrelay\n"), "layer", "did you mean 'underlay'?"),
    one("mapping in an overlay", doc("«mapping: {}\n"), "mapping", "not in an overlay"),
    one("elements in a mapping", doc("underlay: b\nmapping: {}\n«elements: []\n", "layer: mapping\n"),
        "elements", "not in a mapping"),
    one("elements is a mapping", doc("elements: «{}\n"), "elements", "a list is wanted"),
    one("nodes is a list", doc("nodes: «[]\n"), "nodes", "a mapping of id"),
    one("connections is a word", doc("connections: «x\n"), "connections", "a list is wanted"),
    one("constraints is a mapping", doc("constraints: «{}\n"), "constraints", "a list is wanted"),
    # YAML
    one("duplicate key", doc("nodes: {a: {}, «a: {}}\n"), "a", "duplicate key, first at line 3", schema=False),
    one("duplicate top key", doc("nodes: {}\n«nodes: {}\n"), "nodes", "duplicate key", schema=False),
    one("anchor", node("x: «&y 1"), "text", "anchors and aliases", schema=False),
    one("tag", node("x: «!!str 1"), "text", "tags are not taken", schema=False),
    one("local tag", node("x: «!mine 1"), "text", "tags are not taken", schema=False),
    one("merge key", node("«<<: {cpu: 1}"), "nodes.a.<<", "is no name", schema=False),
    one("two documents", doc("nodes: {}\n«---\nrdl: 1\n"), "text", "second document", schema=False),
    one("syntax", doc("nodes: {a: {}\n«"), "text", "not YAML", schema=False),
    one("tab", doc("nodes:\n«\ta: {}\n"), "text", "spaces, not tabs", schema=False),
    one("key is a list", doc("? «[a]\n: 1\n"), "text", "a key must be text", schema=False),
    one("NUL", doc("nodes: {a«\0: {}}\n"), "text", "NUL", schema=False),
    one("escaped NUL", node('x: «"\\0"'), "text", "NUL", schema=False),
    one("control character", doc("nodes: {a«\x07: {}}\n"), "text", "U+0007", schema=False),
    # ids and types
    one("id with dot", doc("nodes:\n  «a.b: {}\n"), "nodes.a.b", "is no id"),
    one("id too long", doc(f"nodes:\n  «{'a' * 64}: {{}}\n"), "nodes", "1 to 63"),
    one("id missing", canonical("  - «{type: /node/host/generic}\n"), "elements[0]", "id is missing"),
    one("id is a number", canonical("  - {id: «5}\n"), "elements[0].id", 'write "5" in quotes'),
    one("id twice", canonical("  - {id: a}\n  - {id: «a}\n"), "elements.a", "taken, by line 4", schema=False),
    one("id in both spellings", doc("elements:\n  - {id: a}\nnodes:\n  «a: {}\n"), "nodes.a", "taken", schema=False),
    one("reserved id", doc("nodes:\n  «_a: {}\n"), "nodes._a", "for stubs", schema=False),
    one("element is a word", canonical("  - «a\n"), "elements[0]", "a mapping"),
    one("node is a word", doc("nodes: {a: «x}\n"), "nodes.a", "a mapping"),
    one("relative type", node("type: «node/host/generic"), "nodes.a.type", "begins with /node/"),
    one("type of neither", node("type: «/host/x"), "nodes.a.type", "/node/ or /link/"),
    one("type with empty level", node("type: «/node//x"), "nodes.a.type", "single slashes"),
    one("link under nodes", node("type: «/link/generic"), "nodes.a.type", "did you mean `links`?"),
    one("node under links", pair("type: «/node/host/generic, ends: [a, b]"), "links.l.type", "`nodes`?"),
    # keys of elements
    one("unknown element key", canonical("  - {id: a, «colour: red}\n"), "elements.a.colour", "unknown key"),
    one("element key slip", canonical("  - {id: a, «resourses: {}}\n"), "elements.a", "did you mean 'resources'?"),
    one("shorthand in canonical", canonical("  - {id: a, «cpu: 2}\n"), "elements.a.cpu", "under `resources`"),
    one("feature in canonical", canonical("  - {id: a, «arch: x}\n"), "elements.a.arch", "under `features`"),
    one("slip of memory", node("«memry: 2GiB"), "nodes.a.memry", "did you mean 'memory'?", schema=False),
    one("slip of bandwidth", pair("ends: [a, b], «bandwith: 5Mbps"), "links.l.bandwith", "'bandwidth'?", schema=False),
    one("slip of cpu", node("«cpus: 2"), "nodes.a.cpus", "did you mean 'cpu'?", schema=False),
    Bad("slip of ends", doc("nodes: {a: {}, b: {}}\nlinks:\n  «l: {«end: [a, b]}\n"),
        (("links.l", "name them"), ("links.l.end", "did you mean 'ends'?")), schema=False),
    one("ends of a node", node("«ends: [a, b]"), "nodes.a.ends", "only a link"),
    one("id in a node", node("«id: b"), "nodes.a.id", "the key is the id"),
    one("resource twice", node("cpu: 1, resources: {cpu: 2}").replace("{cpu: 1", "{«cpu: 1"),
        "nodes.a.cpu", "written twice", schema=False),
    one("feature name", canonical("  - {id: a, features: {«'x y': 1}}\n"), "elements.a.features", "is no name"),
    one("resources is a list", canonical("  - {id: a, resources: «[]}\n"), "elements.a.resources", "a mapping"),
    one("features is a word", canonical("  - {id: a, features: «x}\n"), "elements.a.features", "a mapping"),
    one("chosen without value", canonical("  - {id: a, chosen: {«arch: pip:b}}\n"),
        "elements.a.chosen.arch", "no such resource or feature", schema=False),
    one("chosen by nobody", canonical("  - {id: a, features: {arch: x}, chosen: {arch: «berlin}}\n"),
        "elements.a.chosen.arch", "pip:berlin"),
    # amounts
    one("cpu: no", node("cpu: «no"), "nodes.a.cpu", "'no'"),
    one("cpu: 1:30", node("cpu: «1:30"), "nodes.a.cpu", "'1:30'"),
    one("cpu: true", node("cpu: «true"), "nodes.a.cpu", "a number is wanted"),
    one("cpu: null", node("cpu: «null"), "nodes.a.cpu", "leave the key out"),
    one("cpu: .nan", node("cpu: «.nan"), "nodes.a.cpu", "'.nan'", schema=False),
    one("cpu: .inf", node("cpu: «.inf"), "nodes.a.cpu", "'.inf'", schema=False),
    one("cpu: 010", node("cpu: «010"), "nodes.a.cpu", "'010'", schema=False),
    one("cpu: 1e3", node("cpu: «1e3"), "nodes.a.cpu", "'1e3'", schema=False),
    one("cpu in quotes", node("cpu: «'2'"), "nodes.a.cpu", "leave the quotes away"),
    one("cpu with a unit", node("cpu: «2GiB"), "nodes.a.cpu", "wrong kind"),
    one("cpu a list", node("cpu: «[1, 2]"), "nodes.a.cpu", "a single value"),
    one("negative", node("cpu: «-1"), "nodes.a.cpu", "negative"),
    one("negative with unit", node("memory: «-1GiB"), "nodes.a.memory", "negative"),
    one("thousands of digits", node(f"cpu: «{'9' * 5000}"), "nodes.a.cpu", "5000 characters", schema=False),
    one("too large", node(f"cpu: «{'9' * 390}.5"), "nodes.a.cpu", "beyond", schema=False),
    one("unknown unit", node("memory: «2Gb"), "nodes.a.memory", "did you mean GB?"),
    one("bare G", node("memory: «2G"), "nodes.a.memory", "GB"),
    one("bytes for a rate", pair("ends: [a, b], bandwidth: «50MB"), "links.l.bandwidth", "wrong kind"),
    one("rate for bytes", node("memory: «50Mbps"), "nodes.a.memory", "wrong kind"),
    one("space before the unit", node("memory: «2 GiB"), "nodes.a.memory", "write 2GiB"),
    one("slash in the unit", pair("ends: [a, b], bandwidth: «5Mbit/s"), "links.l.bandwidth", "did you mean Mbps?"),
    one("half a terminal", node("terminals: «1.5"), "nodes.a.terminals", "whole number"),
    one("own resource with unit", node("resources: {gpus: «2GiB}"), "nodes.a.resources.gpus", "wrong kind"),
    one("amount missing", node("cpu: «{pool: p}"), "nodes.a.cpu", "amount is missing"),
    one("amount slip", node("cpu: {amount: 1, «poll: p}"), "nodes.a.cpu.poll", "did you mean 'pool'?"),
    one("pool with a space", node("cpu: {amount: 1, pool: «'x y'}"), "nodes.a.cpu.pool", "is no name"),
    one("pool of two amounts", doc("nodes:\n  a: {cpu: {amount: 1, pool: p}}\n  b: {cpu: «{amount: 2, pool: p}}\n"),
        "nodes.b.cpu", "2 here, 1 before", schema=False),
    # features
    one("arch is a number", node("arch: «5"), "nodes.a.arch", 'write "5" in quotes'),
    one("image like a number", node("image: «1.10"), "nodes.a.image", 'write "1.10" in quotes'),
    one("empty list", node("arch: «[]"), "nodes.a.arch", "empty list"),
    one("list in a list", node("x: [«[1]]"), "nodes.a.x[0]", "a single value"),
    one("not with a word", node("site: {not: «berlin}"), "nodes.a.site.not", "write {not: [...]}"),
    one("not with min", node("site: {not: [a], «min: 3}"), "nodes.a.site.min", "stands alone"),
    one("not in a substrate", node("site: «{not: [a]}", UNDERLAY), "nodes.a.site", "what is there"),
    one("feature is a mapping", node("x: {«y: 1}"), "nodes.a.x.y", "min, max or not"),
    one("empty mapping", node("x: «{}"), "nodes.a.x", "empty mapping"),
    one("bounds of a word", node("arch: «{min: 1}"), "nodes.a.arch", "no bounds"),
    one("min above max", node("x: «{min: 3, max: 2}"), "nodes.a.x", "min is above max", schema=False),
    one("bound is a word", node("x: {min: «high}"), "nodes.a.x.min", "not a number"),
    one("bound is true", node("x: {min: «true}"), "nodes.a.x.min", "a number is wanted"),
    one("latency is a word", pair("ends: [a, b], latency: «fast"), "links.l.latency", "with a unit"),
    one("latency in bit/s", pair("ends: [a, b], latency: {max: «10Mbps}"), "links.l.latency.max", "wrong kind"),
    one("negative latency", pair("ends: [a, b], latency: «-1"), "links.l.latency", "below zero"),
    one("price is a word", node("price.cpu: «cheap", UNDERLAY), "nodes.a.price.cpu", "a plain decimal number"),
    one("protection", pair("ends: [a, b], protection: «path"), "links.l.protection", "none, link, node"),
    one("a type of types", node("types: [«kvm]"), "nodes.a.types[0]", "is no type"),
    one("tag of a transit link", doc("nodes: {a: {}, b: {}}\nlinks: {t: {type: /link/transit, ends: [a, b], vlan: «1}}\n"),
        "links.t.vlan", "from 2 to 4094"),
    one("tag 4095", doc("nodes: {a: {}, b: {}}\nlinks: {t: {type: /link/transit, ends: [a, b], vlan: «4095}}\n"),
        "links.t.vlan", "from 2 to 4094"),
    one("address on an element", node("«address: 10.0.0.1/24").replace("«address: ", "address: «"),
        "nodes.a.address", "belongs on an interface"),
    # interfaces and connections
    one("interface of another", canonical("  - {id: a, interfaces: [«b.x]}\n"), "elements.a.interfaces[0]", "does not belong", schema=False),
    one("interface without name", canonical("  - {id: a, interfaces: [«a]}\n"), "elements.a.interfaces[0]", "ELEMENT.NAME"),
    one("interface without element", canonical("  - {id: a, interfaces: [«eth0]}\n"), "elements.a.interfaces[0]", "write a.eth0"),
    one("interface twice", canonical("  - {id: a, interfaces: [a.x, «a.x]}\n"), "elements.a.interfaces[1]", "declared twice", schema=False),
    one("interface key", canonical("  - {id: a, interfaces: [{id: a.x, «feature: {}}]}\n"),
        "elements.a.interfaces[0].feature", "did you mean 'features'?"),
    one("address beside features", canonical("  - {id: a, interfaces: [{id: a.x, «address: 10.0.0.1/24}]}\n"),
        "elements.a.interfaces[0].address", "under `features`"),
    one("mac", canonical("  - {id: a, interfaces: [{id: a.x, features: {mac: «12:34}}]}\n"),
        "elements.a.interfaces[0].features.mac", "is no MAC address"),
    one("address without prefix", canonical("  - {id: a, interfaces: [{id: a.x, features: {address: «10.0.0.1}}]}\n"),
        "elements.a.interfaces[0].features.address", "write 10.0.0.1/24"),
    *(
        one(f"mac {mac}", canonical(f"  - {{id: a, interfaces: [{{id: a.x, features: {{mac: «'{mac}'}}}}]}}\n"),
            "elements.a.interfaces[0].features.mac", says, schema=False)
        for mac, says in (
            ("00:00:00:00:00:00", "no interface"),
            ("01:00:5e:00:00:01", "of a group"),
            ("ff:ff:ff:ff:ff:ff", "of a group"),
            ("33:33:00:00:00:FB", "of a group"),
        )
    ),
    *(
        one(f"address {address}", pair(f"ends: [a, b], addresses: [«'{address}', 10.9.9.9/24]"),
            "links.l.addresses[0]", says, schema=False)
        for address, says in (
            ("0.0.0.0/24", "stands for none"),
            ("0.1.2.3/8", "no hosts"),
            ("10.0.0.0/24", "network 10.0.0.0/24 itself"),
            ("10.0.0.255/24", "broadcast address of the network"),
            ("255.255.255.255/32", "broadcast address"),
            ("127.0.0.1/8", "loopback"),
            ("224.0.0.1/24", "of a group"),
            ("::/64", "stands for none"),
            ("::1/128", "loopback"),
            ("ff02::1/64", "of a group"),
        )
    ),
    one("connection of three", canonical(TWO + LINK, "connections:\n  - «[a.0, l.0, b.0]\n  - [a.0, l.0]\n  - [b.0, l.1]\n"),
        "connections[0]", "a pair"),
    one("not declared", canonical(TWO + LINK, "connections: [[a.0, l.0], [b.0, l.1], [«a.9, l.0]]\n"),
        "connections[2]", "not declared", schema=False),
    one("no such element", canonical(TWO + LINK, "connections: [[a.0, l.0], [b.0, l.1], [«ax.0, l.0]]\n"),
        "connections[2]", "did you mean 'a'?", schema=False),
    one("used twice", canonical(TWO + LINK + "  - {id: c, interfaces: [c.0]}\n", "connections: [[a.0, l.0], [b.0, l.1], «[c.0, l.1]]\n"),
        "connections[2]", "l.1 is used twice", schema=False),
    one("two nodes joined", canonical(TWO, "connections: [«[a.0, b.0]]\n"), "connections[0]", "put a link between", schema=False),
    one(
        "node twice in the canonical spelling",
        canonical(
            "  - {id: a, interfaces: [a.0, a.1]}\n" + LINK,
            "connections: [[a.0, l.0], «[a.1, l.1]]\n",
        ),
        "connections[1]",
        "joins different",
        schema=False,
    ),
    one("to itself", canonical("  - {id: a, interfaces: [a.0, a.1]}\n", "connections: [«[a.0, a.1]]\n"),
        "connections[0]", "same element", schema=False),
    Bad("link to link", canonical(TWO + "  - {id: «l, type: /link/generic, interfaces: [l.0, l.1]}\n  - {id: «m, type: /link/generic, interfaces: [m.0, m.1]}\n",
        "connections: [[a.0, l.0], «[l.1, m.0], [b.0, m.1]]\n").replace("«l,", "l,").replace("«m,", "m,"),
        (("connections[1]", "at transit stubs"),), schema=False),
    one("link of one end", canonical(TWO + LINK.replace("l, type", "«l, type"), "connections: [[a.0, l.0]]\n"),
        "elements.l", "this one 1", schema=False),
    # ends and addresses of the shorthand
    one("one end", pair("ends: «[a]"), "links.l.ends", "two or more ends"),
    one("no ends", doc("nodes: {a: {}}\nlinks:\n  «l: {}\n"), "links.l", "name them under `ends`", schema=False),
    one("same node twice", pair("ends: [a, «a]"), "links.l.ends[1]", "twice in `ends`", schema=False),
    one("same node by interface", pair("ends: [a, «a.x]"), "links.l.ends[1]", "twice", schema=False),
    one("ends is a word", pair("ends: «a"), "links.l.ends", "a list is wanted"),
    one("no such node", pair("ends: [a, «bb]"), "links.l.ends[1]", "did you mean 'b'?", schema=False),
    one("end is a link", pair("ends: [a, b]", "  m: {ends: [a, «l]}\n"), "links.m.ends[1]", "is a link", schema=False),
    one("listed interfaces", doc("nodes: {a: {interfaces: [a.eth0]}, b: {}}\nlinks: {l: {ends: [«a.eth1, b]}}\n"),
        "links.l.ends[0]", "did you mean 'a.eth0'?", schema=False),
    one("too few addresses", pair("ends: [a, b, c], addresses: «[10.0.0.1/24, 10.0.0.2/24]"),
        "links.l.addresses", "2 addresses for 3 ends", schema=False),
    Bad("addresses without ends", doc("nodes: {a: {}, b: {}}\nlinks:\n  «l: {addresses: «[10.0.0.1/24]}\n"),
        (("links.l", "name them"), ("links.l.addresses", "order of `ends`")), schema=False),
    one("bad address", pair("ends: [a, b], addresses: [10.0.0.1/24, «10.0.0.300/24]"), "links.l.addresses[1]", "is no address"),
    one("address twice", pair("ends: [a, «b], addresses: [10.0.0.1/24, 10.0.0.1/16]"), "nodes.b.interfaces", "also a.l's", schema=False),
    one("mac twice", canonical(
        "  - {id: a, interfaces: [{id: a.0, features: {mac: '02:00:00:00:00:0a'}}]}\n"
        "  - {id: b, interfaces: [{id: «b.0, features: {mac: '02:00:00:00:00:0A'}}]}\n" + LINK,
        "connections: [[a.0, l.0], [b.0, l.1]]\n"), "elements.b.interfaces", "also a.0's", schema=False),
    # constraints
    one("missing id", pair("ends: [a, b]", "constraints: [{same: arch, of: [a, «bb]}]\n"), "constraints[0].of[1]", "did you mean 'b'?", schema=False),
    one("link where nodes are meant", pair("ends: [a, b]", "constraints: [{apart: [a, «l]}]\n"), "constraints[0].apart[1]", "binds nodes", schema=False),
    one("on a link", pair("ends: [a, b]", "constraints: [{on: [h], of: [«l]}]\n"), "constraints[0].of[0]", "binds nodes", schema=False),
    one("no kind", pair("ends: [a, b]", "constraints: [«{sane: arch, of: [a, b]}]\n"), "constraints[0]", "did you mean 'same'?"),
    one("two kinds", pair("ends: [a, b]", "constraints: [«{same: arch, different: site, of: [a, b]}]\n"), "constraints[0]", "make one of each"),
    one("of missing", pair("ends: [a, b]", "constraints: [«{same: arch}]\n"), "constraints[0]", "`of`"),
    one("by of same", pair("ends: [a, b]", "constraints: [{same: arch, of: [a, b], «by: site}]\n"), "constraints[0].by", "unknown key"),
    one("one member", pair("ends: [a, b]", "constraints: [{same: arch, of: «[a]}]\n"), "constraints[0].of", "at least 2 members"),
    one("member twice", pair("ends: [a, b]", "constraints: [{together: [a, «a]}]\n"), "constraints[0].together[1]", "listed twice"),
    one("of is a word", pair("ends: [a, b]", "constraints: [{same: arch, of: «a}]\n"), "constraints[0].of", "a list of ids"),
    one("no targets", pair("ends: [a, b]", "constraints: [{on: «[], of: [a]}]\n"), "constraints[0].on", "names no target"),
    one("bad target", pair("ends: [a, b]", "constraints: [{on: [«/host], of: [a]}]\n"), "constraints[0].on[0]", "neither an id nor a type"),
    one("constraint id twice", pair("ends: [a, b]", "constraints: [{id: x, apart: [a, b]}, {id: «x, apart: [a, c]}]\n"),
        "constraints[1].id", "another constraint", schema=False),
    one("elsewhere none", pair("ends: [a, b]", "constraints: [{same: arch, of: [a, b], elsewhere: «0}]\n"), "constraints[0].elsewhere", "at least 1"),
    one("feature is a list", pair("ends: [a, b]", "constraints: [{same: «[arch], of: [a, b]}]\n"), "constraints[0].same", "a single value"),
    # the mapping layer
    one("no underlay", "«rdl: 1\ngraph: g\nlayer: mapping\nmapping: {}\n", "underlay", "missing"),
    one("no mapping", "«rdl: 1\ngraph: g\nlayer: mapping\nunderlay: u\n", "document", "`mapping` is missing"),
    one("placement is a list", doc("underlay: u\nmapping: {a: «[x]}\n", "layer: mapping\n"), "mapping.a", "{on: [...]}"),
    one("on missing", doc("underlay: u\nmapping: {a: «{backup: []}}\n", "layer: mapping\n"), "mapping.a", "`on` is missing"),
    one("placement slip", doc("underlay: u\nmapping: {a: {on: [], «segment: []}}\n", "layer: mapping\n"), "mapping.a.segment", "'segments'?"),
    one("segment vlan", doc("underlay: u\nmapping: {a: {on: [], segments: [{on: x, vlan: «5000}]}}\n", "layer: mapping\n"),
        "mapping.a.segments[0].vlan", "VLAN tag"),
    one("segment interface", doc("underlay: u\nmapping: {a: {on: [], segments: [{on: x, interface: «y}]}}\n", "layer: mapping\n"),
        "mapping.a.segments[0].interface", "ELEMENT.NAME"),
]  # fmt: skip
