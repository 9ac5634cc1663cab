"""Configuration files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cloudnet_sdn.model.settings import RoleKind, SettingsError, load, parse

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "operating.md").read_text()
LEAST = """
kind = "pip"
name = "berlin"
[api]
listen = "127.0.0.1:0"
[store]
url = "sqlite:///x.db"
"""


def settings(text: str):
    return parse(tomllib.loads(text), Path("/etc/cloudnet"))


def test_the_files_on_the_operating_page_are_taken():
    pip, vnp, both, *_ = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    found = settings(pip + both)
    assert found.kind is RoleKind.PIP
    assert found.grant[0].vlan.max == 2099
    assert found.api.tls is not None
    assert found.api.tls.ca == Path("/etc/cloudnet/federation/ca.pem")
    assert settings(vnp).transit[0].ends == ("berlin.t1", "munich.t1")


def test_the_page_tells_the_defaults_of_timing():
    both = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[2]
    assert settings(LEAST + both).timing == settings(LEAST).timing


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LEAST + "colour = 1", "store.colour: unknown key"),
        (LEAST.replace('name = "berlin"', ""), "name: missing"),
        (LEAST.replace('"pip"', '"pop"'), "kind: 'pop' is none of pip, vnp"),
        (LEAST.replace('"berlin"', "3"), "name: text is wanted"),
        (LEAST + "[timing]\ntick_s = true", "timing.tick_s: a number is wanted"),
        (LEAST + "[[pip]]\nname='x'\nurl='y'", "a PIP has none"),
        (LEAST + "[agents]\nsn1 = 'https://x/RPC2'", "internal"),
        (
            LEAST
            + "[[grant]]\ncaller='cloudnet:role:a'\nendpoint='t1'\nvlan={min=2,max=9}\n"
            + "[[grant]]\ncaller='cloudnet:role:b'\nendpoint='t1'\nvlan={min=9,max=12}\n",
            "overlap",
        ),
        (
            LEAST + "[[grant]]\ncaller='x'\nendpoint='t1'\nvlan={min=1,max=9}\n",
            "grant 1",
        ),
        (
            LEAST.replace("pip", "vnp") + "[[transit]]\nid='t'\nends=['a.t1','b.t1']\n",
            "at no provider of ours",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_key(text, says):
    with pytest.raises(SettingsError, match=re.escape(says)):
        settings(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml"):
        load(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("= 3")
    with pytest.raises(SettingsError, match=r"bad\.toml"):
        load(bad)
