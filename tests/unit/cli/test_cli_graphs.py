"""`cloudnet fmt`, `diff`, `schema`, `draw`, `convert`."""

from __future__ import annotations

import io
import json
import stat
import sys
from pathlib import Path

import pytest
import yaml

from rdl.language.load import load

SHOP = """\
rdl: 1
graph: shop
nodes: {web: {cpu: 2}, db: {cpu: 4}}
links: {web-db: {ends: [web, db], bandwidth: 5Mbps}}
"""


def test_fmt_prints_the_canonical_form(sh):
    ran = sh("fmt", sh.file("shop.yaml", SHOP))
    assert ran.code == 0
    assert ran.out.startswith("rdl: 1\ngraph: shop\nlayer: overlay\nelements:\n")
    assert load(ran.out) == load(SHOP)


def test_fmt_check_names_what_would_change_and_write_changes_it(sh):
    shop = sh.file("shop.yaml", SHOP)
    Path(shop).chmod(0o640)
    ran = sh("fmt", "--check", shop)
    assert ran.code == 1
    assert ran.err == "would change shop.yaml\n"
    assert Path(shop).read_text() == SHOP
    assert sh("fmt", "--write", shop).code == 0
    assert load(Path(shop).read_text()) == load(SHOP)
    assert stat.S_IMODE(Path(shop).stat().st_mode) == 0o640
    assert sh("fmt", "--check", shop).code == 0
    assert [p.name for p in sh.folder.iterdir()] == ["shop.yaml"]


def test_fmt_of_stdin_and_of_invalid_documents(sh, monkeypatch):
    # Commands run in this process, whose standard input is pytest's.
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SHOP.encode())))
    assert load(sh("fmt", "-").out) == load(SHOP)
    assert sh("fmt", "--write", "-").code == 2
    assert sh("fmt", sh.file("shop.yaml", SHOP), sh.file("shop.yaml", SHOP)).code == 2
    ran = sh("fmt", sh.file("bad.yaml", "rdl: 1\n"))
    assert ran.code == 4
    assert ran.err.startswith("bad.yaml:1:1: ")


def test_diff_tells_what_changed(sh):
    other = sh.file("other.yaml", SHOP.replace("cpu: 4", "cpu: 3"))
    ran = sh("diff", sh.file("shop.yaml", SHOP), other)
    assert ran.code == 0
    assert ran.out == "~ db: cpu: 4 -> 3\n"
    assert sh("diff", sh.file("shop.yaml", SHOP), other, "--exit-code").code == 1
    data = sh("diff", sh.file("shop.yaml", SHOP), other, "--format", "json").data
    assert data["changed"] == {"db": {"cpu": [4, 3]}}


def test_diff_does_not_count_spelling(sh):
    canonical = sh.file("canonical.yaml", sh("fmt", sh.file("shop.yaml", SHOP)).out)
    ran = sh("diff", sh.file("shop.yaml", SHOP), canonical, "--exit-code")
    assert (ran.code, ran.out, ran.err) == (0, "", "no difference\n")


def test_diff_compares_like_with_like(sh):
    mapping = sh.file("m.yaml", "rdl: 1\ngraph: shop\nlayer: mapping\nunderlay: b\nmapping: {}\n")
    assert sh("diff", sh.file("shop.yaml", SHOP), mapping).code == 2
    assert sh("diff", mapping, mapping, "--exit-code").code == 0
    assert sh("diff", sh.file("shop.yaml", SHOP), sh.file("bad.yaml", "rdl: 1\n")).code == 4


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_schema_is_a_json_schema(sh, form, read):
    schema = read(sh("schema", "--format", form).out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "rdl" in schema["required"]


# -- draw


SUBSTRATE = """\
rdl: 1
graph: berlin
layer: underlay
nodes:
  sn1: {type: /node/host/server/namespace, cpu: 8}
  sn2: {type: /node/host/server/namespace, cpu: 8}
  sw: {type: /node/switch/openflow}
links:
  sn1-sw: {ends: [sn1, sw], bandwidth: 100Mbps}
  sw-sn2: {ends: [sw, sn2], bandwidth: 100Mbps}
"""
MAPPING = """\
rdl: 1
graph: shop
layer: mapping
underlay: berlin
mapping:
  web: {on: [sn1]}
  db: {on: [sn2]}
  web-db: {on: [sn1-sw, sw, sw-sn2]}
"""
START = {"svg": "<svg", "dot": "graph ", "mmd": "---", "graphml": "<?xml"}


@pytest.mark.parametrize("kind", sorted(START))
def test_draw_picks_the_kind_by_the_suffix(sh, kind):
    assert sh("draw", sh.file("shop.yaml", SHOP), "-o", f"shop.{kind}").code == 0
    text = Path(f"shop.{kind}").read_text()
    assert text.startswith(START[kind])
    assert "web" in text


def test_draw_over_the_substrate_by_files_or_by_folder(sh):
    substrate = sh.file("s.yaml", SUBSTRATE)
    Path("state").mkdir()
    overlay, mapping = "state/shop.overlay.yaml", "state/shop.mapping.yaml"
    sh.file(overlay, SHOP)
    sh.file(mapping, MAPPING)
    one = sh("draw", substrate, "--embedded", overlay, mapping, "--kind", "svg")
    assert "web" in one.out
    assert one.out == sh("draw", substrate, "--state", "state", "--kind", "svg").out


def test_draw_says_what_it_can_not_draw(sh):
    shop, substrate = sh.file("shop.yaml", SHOP), sh.file("s.yaml", SUBSTRATE)
    mapping = sh.file("m.yaml", MAPPING)
    assert sh("draw", shop, "-o", "shop.png").code == 2
    assert sh("draw", shop).code == 2
    ran = sh("draw", mapping, "-o", "m.svg")
    assert ran.code == 4
    assert "over its substrate" in ran.err
    ran = sh("draw", shop, "--embedded", shop, mapping, "-o", "x.svg")
    assert ran.code == 4
    assert "which shop.yaml lacks" in ran.err
    assert sh("draw", substrate, "--embedded", mapping, shop, "-o", "x.svg").code == 4
    assert not Path("x.svg").exists()


# -- convert


ZOO = """\
<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key attr.name="label" attr.type="string" for="node" id="d1"/>
<graph id="net" edgedefault="undirected">
<node id="0"><data key="d1">New York</data></node><node id="1"><data key="d1">Chicago</data></node>
<edge source="0" target="1"/>
</graph></graphml>
"""


def test_convert_reads_a_topology_and_puts_hosts_at_its_places(sh):
    zoo = sh.file("zoo.graphml", ZOO)
    plain = load(sh("convert", zoo, "--bandwidth", "10Gbps").out)
    assert {e.type for e in plain.nodes()} == {"/node/switch/openflow"}
    assert [e.amount("bandwidth") for e in plain.links()] == [10**10]
    hosts = load(sh("convert", zoo, "--hosts", "--bandwidth", "1Gbps").out)
    assert sum(e.type == "/node/host/server/namespace" for e in hosts.nodes()) == 2
    assert sh("convert", zoo, "--bandwidth", "10GiB").code == 2


def test_convert_writes_json_and_rfc_8345(sh):
    shop = sh.file("shop.yaml", SHOP)
    assert load(sh("convert", shop, "--to", "json").out) == load(SHOP)
    networks = sh("convert", shop, "--to", "rfc8345").data["ietf-network:networks"]
    assert [n["network-id"] for n in networks["network"]] == ["shop"]
    spelled = sh.file("shop.json", sh("convert", shop, "--to", "json").out)
    assert load(sh("convert", spelled).out) == load(SHOP)


@pytest.mark.parametrize("text", ["<x/>", "<x", "{}", "?SNDlib", "rdl: 2\n", ""])
def test_convert_refuses_what_it_does_not_know(sh, text):
    ran = sh("convert", sh.file("odd", text))
    assert ran.code == 4
    assert "odd" in ran.err
    assert ran.out == ""


def test_convert_into_a_file(sh):
    assert sh("convert", sh.file("zoo.graphml", ZOO), "-o", "zoo.yaml").code == 0
    assert sh("validate", "zoo.yaml").code == 0


LOSSY = ZOO.replace("New York", 'New York</data><data key="tz">EST')


def test_convert_names_what_it_leaves_out(sh):
    ran = sh("convert", sh.file("zoo.graphml", LOSSY))
    assert ran.code == 0
    assert "zoo.graphml: left out: node New York: attribute tz EST" in ran.err
    assert load(ran.out).name == "net"


def test_convert_strictly_writes_nothing_where_anything_is_left_out(sh):
    lossy = sh.file("lossy.graphml", LOSSY)
    for more in ((), ("-o", "out.yaml")):
        ran = sh("convert", lossy, "--strict", *more)
        assert ran.code == 4
        assert "left out: node New York: attribute tz EST" in ran.err
        assert ran.out == ""
    assert not Path("out.yaml").exists()
    assert sh("convert", sh.file("zoo.graphml", ZOO), "--strict").code == 0
    shop = sh.file("shop.yaml", SHOP)
    assert sh("convert", shop, "--strict").code == 0
    ran = sh("convert", shop, "--to", "rfc8345", "--strict")
    assert ran.code == 4
    assert "left out: node web: cpu 2" in ran.err


def test_convert_refuses_what_would_be_no_valid_document_and_keeps_the_file(sh):
    text = '<rspec><node client_id="a"/><node client_id="a"/></rspec>'
    out = Path(sh.file("out.yaml", SHOP))
    ran = sh("convert", sh.file("twice.rspec", text), "-o", str(out))
    assert ran.code == 4
    assert "twice.rspec: the node 'a' is there twice" in ran.err
    assert out.read_text() == SHOP
