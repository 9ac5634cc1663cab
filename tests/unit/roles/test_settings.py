"""Configuration files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from cloudnet_sdn.model.checking import obstacles
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
        (LEAST + "[solving]\nscheduler = 'dask:8786'", "tcp://HOST:PORT or tls://HOST:PORT"),
        (LEAST + "[solving]\nscheduler = 'tcp://dask:0'", "solving.scheduler: tcp://HOST:PORT"),
        (LEAST + "[solving]\nscheduler = 'tls://dask:8786'", "solving.ca: missing"),
        (
            LEAST + "[solving]\nscheduler = 'tcp://dask:1'\nca = 'ca.pem'",
            "solving.ca: it is for",
        ),
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


def test_a_scheduler_without_dask_is_an_error_that_says_what_to_install(monkeypatch):
    # The tests' environment has Dask.
    monkeypatch.setattr("cloudnet_sdn.model.checking.find_spec", lambda _: None)
    assert obstacles(settings(LEAST)) == []
    (found,) = obstacles(settings(LEAST + "[solving]\nscheduler = 'tcp://dask:8786'"))
    assert found.startswith("solving.scheduler: ")
    assert "pip install 'cloudnet-sdn[dask]'" in found


def test_the_schedulers_files_of_tls_have_to_be_there():
    files = "ca = 'ca.pem'\ncert = 'cert.pem'\nkey = 'key.pem'"
    found = settings(LEAST + f"[solving]\nscheduler = 'tls://dask:8786'\n{files}")
    assert [one.split(": ")[:2] for one in obstacles(found)] == [
        ["solving", "/etc/cloudnet/ca.pem"]
    ]
