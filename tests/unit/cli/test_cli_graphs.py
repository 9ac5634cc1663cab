"""`cloudnet fmt`, `diff`, `schema`, `draw`, `convert`."""

from __future__ import annotations

import io
import json
import stat
import sys
from pathlib import Path

import pytest
import yaml

from rdl.load import load

SHOP = """\
rdl: 1
graph: shop
nodes: {web: {cpu: 2}, db: {cpu: 4}}
links: {web-db: {ends: [web, db], bandwidth: 5Mbps}}
"""


def test_fmt_prints_the_canonical_form(sh):
    ran = sh("fmt", sh.file("shop.yaml", SHOP))
    assert ran.code == 0
    assert ran.out.startswith("rdl: 1\ngraph: shop\nelements:\n")
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
