"""Hypothesis strategies for graphs that the language allows, of every layer."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from rdl.graph import (
    Amount,
    Constraint,
    ConstraintKind,
    Element,
    Graph,
    Interface,
    Layer,
    MappingGraph,
    NotIn,
    Placement,
    Range,
    Segment,
)
from rdl.vocabulary import FEATURES

LETTERS = string.ascii_letters + string.digits + "_-"
POOLS = {("memory", "rack"): 2**34, ("bandwidth", "uplink"): 10**10, ("cpu", "rack"): 12.5}

words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=12)
tricky = st.sampled_from(
    ["NO", "010", "0000000000000012", "12:34:56:12:34:56", "2024-01-01", "1.10.0", "=", "~", "null",
     "true", "1e3", "1_000", "0x10", "- a", "a: b", "#x", "", " ", "\t\n", "&a", "*a", "!t", "on",
     "x: [", '"', "\\", "\u2028", "\u0085", "\ufeff", "1", "-1", "1.5", ".5", "<<", "%", "@", "`"]
)  # fmt: skip
plain = st.sampled_from(LETTERS.replace("_", ""))
ids = st.builds(str.__add__, plain, st.text(LETTERS, max_size=7))
names = st.text(LETTERS + ".", min_size=1, max_size=12)
numbers = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
amounts = (st.integers(0, 10**20) | st.floats(0, 1e300)).map(lambda x: int(x) if x == int(x) else x)
scalars = st.none() | st.booleans() | numbers | words | tricky
types = st.sampled_from(["/node/host/generic", "/node/host/server/kvm", "/node/switch/openflow"])
link_types = st.sampled_from(["/link/generic", "/link/ethernet", "/link/mine/of-my.own"])


@st.composite
def ranges(draw, values=numbers):
    low, high = sorted([draw(values), draw(values)])
    return Range(*draw(st.sampled_from([(low, high), (low, None), (None, high)])))


def demands(layer):
    lists = st.lists(scalars, min_size=1, max_size=4).map(tuple)
    options = scalars | lists | ranges()
    return options if layer is Layer.UNDERLAY else options | lists.map(NotIn)


def known_features(layer):
    word = st.text(LETTERS, min_size=1, max_size=6) | tricky.filter(bool)
    several = word | st.lists(word, min_size=1, max_size=3).map(tuple)
    if layer is not Layer.UNDERLAY:
        several |= st.lists(word, min_size=1, max_size=2).map(tuple).map(NotIn)
    seconds = st.floats(0, 10) | st.integers(0, 5)
    return {
        "arch": several,
        "image": several,
        "latency": seconds | ranges(seconds),
        "price.cpu": seconds,
        "vlan": st.integers(2, 4094) | ranges(st.integers(2, 4094)),
        "types": st.lists(types, min_size=1, max_size=3).map(tuple),
        "protection": st.sampled_from(["none", "link", "node"]),
    }


@st.composite
def features(draw, layer):
    known = known_features(layer)
    out = {}
    for name in draw(st.lists(st.sampled_from(sorted(known)), max_size=3, unique=True)):
        out[name] = draw(known[name])
    free = names.filter(lambda n: n not in FEATURES)
    out.update(draw(st.dictionaries(free, demands(layer), max_size=3)))
    return out


@st.composite
def resources(draw):
    out = {}
    for name in draw(st.lists(st.sampled_from(["cpu", "memory", "bandwidth"]) | names, max_size=3)):
        pooled = [pool for resource, pool in POOLS if resource == name]
        if pooled and draw(st.booleans()):
            out[name] = Amount(POOLS[name, pooled[0]], pooled[0])
        elif name in ("terminals", "vlans"):
            out[name] = Amount(draw(st.integers(0, 4000)))
        else:
            out[name] = Amount(draw(amounts))
    return out


@st.composite
def graphs(draw, layer=None, max_nodes=5, max_links=4):
    """Any graph: nodes, links of two and more ends, free interfaces, constraints."""
    layer = layer or draw(st.sampled_from([Layer.OVERLAY, Layer.UNDERLAY]))
    node_ids = draw(st.lists(ids, min_size=0, max_size=max_nodes, unique=True))
    link_ids = draw(st.lists(ids, max_size=max_links, unique=True)) if len(node_ids) > 1 else []
    link_ids = [i for i in link_ids if i not in node_ids]
    interfaces = {i: {} for i in (*node_ids, *link_ids)}
    connections = []
    for link in link_ids:
        ends = draw(st.lists(st.sampled_from(node_ids), min_size=2, max_size=4, unique=True))
        for position, node in enumerate(ends):
            own, other = f"{node}.{link}", f"{link}.{position}"
            extra = {"address": f"10.0.0.{position + 1}/24"} if draw(st.booleans()) else {}
            interfaces[node][own] = Interface(own, extra, draw(resources()))
            interfaces[link][other] = Interface(other)
            connections.append(draw(st.permutations([own, other])))
    for node in node_ids:
        for name in draw(st.lists(ids, max_size=2, unique=True)):
            free = f"{node}.{name}"
            interfaces[node].setdefault(free, Interface(free, draw(features(layer))))
    elements = {}
    for identifier in (*node_ids, *link_ids):
        kind = draw(link_types if identifier in link_ids else types)
        amount, feature = draw(resources()), draw(features(layer))
        chosen = {n: "pip:berlin" for n in (*amount, *feature) if draw(st.booleans())}
        joined = tuple(interfaces[identifier].values())
        elements[identifier] = Element(identifier, kind, amount, feature, joined, chosen)
    return Graph(
        name=draw(
            st.builds(str.__add__, st.sampled_from(LETTERS), st.text(LETTERS + ".", max_size=11))
        ),
        layer=layer,
        elements=elements,
        connections=tuple(tuple(pair) for pair in connections),
        constraints=draw(constraints(node_ids, link_ids)),
    )


@st.composite
def constraints(draw, nodes, links):
    if len(nodes) < 2:
        return ()
    out = []
    for number in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(list(ConstraintKind)))
        about = kind in (ConstraintKind.SAME, ConstraintKind.DIFFERENT)
        placed = kind in (ConstraintKind.ON, ConstraintKind.NOT_ON)
        pool = [*nodes, *links] if about else nodes
        of = draw(st.lists(st.sampled_from(pool), min_size=2, max_size=4, unique=True))
        target = ids | types
        out.append(
            Constraint(
                kind,
                tuple(of),
                feature=draw(names) if about else None,
                by=draw(st.none() | names) if not about and not placed else None,
                targets=tuple(draw(st.lists(target, min_size=1, max_size=2))) if placed else (),
                id=draw(st.sampled_from([None, f"k{number}"])),
                elsewhere=draw(st.integers(0, 2)),
            )
        )
    return tuple(out)


@st.composite
def mappings(draw):
    segments = st.builds(
        Segment,
        ids,
        st.none() | st.integers(2, 4094),
        st.none() | st.builds("{}.{}".format, ids, ids),
        amounts,
    )
    placements = st.builds(
        Placement,
        st.lists(ids, max_size=3).map(tuple),
        st.lists(segments, max_size=3).map(tuple),
        st.lists(ids, max_size=2).map(tuple),
    )
    return MappingGraph(draw(ids), draw(ids), draw(st.dictionaries(ids, placements, max_size=4)))
