"""`cloudnet check-config`: all that is wrong with a configuration, whatever it configures."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "operating.md").read_text()
PIP, VNP, BOTH, CONTROLLER, AGENT = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[:5]
PROFILE = '[profile.lab]\nat = "https://vnp.example:8642/RPC2"\nca = "ca.pem"\n'
GOOD = {
    "pip": PIP + BOTH,
    "vnp": VNP + BOTH,
    "controller": CONTROLLER,
    "agent": AGENT,
    "profile": PROFILE,
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_file_is_known_for_what_it_is(sh, kind):
    ran = sh("check-config", sh.file("x.toml", GOOD[kind]), "--format", "json")
    assert (ran.code, ran.data) == (0, {"file": "x.toml", "kind": kind, "problems": []})


@pytest.mark.parametrize("kind", GOOD)
def test_the_schema_takes_a_good_file_and_no_unknown_key(sh, kind):
    schema = sh("check-config", "--schema", kind).data
    checker = jsonschema.Draft202012Validator(schema)
    checker.check_schema(schema)
    document = json.loads(json.dumps(tomllib.loads(GOOD[kind])))
    assert list(checker.iter_errors(document)) == []
    assert list(checker.iter_errors({**document, "colour": 1}))
    assert all("description" in key for key in schema["properties"].values() if "const" not in key)


def test_a_role_has_no_key_of_the_other_kind_in_its_schema(sh):
    assert "transit" not in sh("check-config", "--schema", "pip").data["properties"]
    assert "agents" not in sh("check-config", "--schema", "vnp").data["properties"]


WRONG = [
    ("pip", PIP.replace("[api]", "colour = 1\n[api]", 1), {"colour"}),
    (
        "pip",
        PIP.replace('name = "berlin"', 'name = "a b"').replace('url = "sqlite', 'uri = "sqlite')
        + "[timing]\ntick_s = -1\n[leases]\ndefault_h = 1000.0\nlongest_h = 24.0\n",
        {"name", "store.uri", "store.url", "timing.tick_s", "leases.default_h"},
    ),
    ("vnp", VNP + "[agents]\nsn1 = 'x'\n", {"agents", "agents.sn1"}),
    (
        "agent",
        AGENT.replace('provider = "berlin"', "provider = 5").replace(":8653", "") + "tag = 1\n",
        {"provider", "listen", "bridge.tag"},
    ),
    (
        "controller",
        CONTROLLER.replace("callers = ", "caler = ") + "wait_s = inf\n[limits]\ntags = [0, 5]\n",
        {"caler", "wait_s", "limits.tags", "callers"},
    ),
    ("profile", PROFILE + "kay = 'x'\n[profile.b]\nat = 3\n", {"profile.lab.kay", "profile.b.at"}),
]


@pytest.mark.parametrize(("kind", "text", "keys"), WRONG)
def test_all_that_is_wrong_is_told_at_once_with_file_and_key(sh, kind, text, keys):
    name = sh.file("x.toml", text)
    ran = sh("check-config", name)
    assert ran.code == 4
    assert not ran.out
    lines = ran.err.splitlines()
    assert {line.split(": ")[1] for line in lines} == keys
    assert all(line.startswith("x.toml: ") for line in lines)
    assert sh("check-config", name, "--format", "json").data["kind"] == kind


@pytest.mark.parametrize(
    ("grants", "says"),
    [
        ([("x", "t1", 2, 9), ("y", "tbr.t1", 9, 12)], "grant 2: its tags overlap"),
        ([("x", "tbr.t1", 2, 9), ("y", "t1", 2, 9)], "grant 2: its tags overlap"),
        ([("x", "t1", 2, 9), ("x", "t1", 20, 29)], "cloudnet:role:x has a range at t1"),
        ([("x", "t1", 2, 9), ("x", "tbr.t1", 20, 29)], "cloudnet:role:x has a range at t1"),
        ([("x", "t1", 2, 9), ("y", "tbr.t1", 10, 12)], ""),
        ([("x", "tbr1.t1", 2, 9), ("y", "tbr2.t1", 2, 9), ("x", "tbr2.t1", 10, 12)], ""),
        ([("x", "t1", 2, 9), ("y", "t2", 2, 9)], ""),
    ],
)
def test_grants_of_one_end_point_by_two_names_are_seen(sh, grants, says):
    text = PIP[: PIP.index("[[grant]]")] + "".join(
        f'[[grant]]\ncaller = "cloudnet:role:{who}"\nendpoint = "{where}"\n'
        f"vlan = {{min = {first}, max = {last}}}\n"
        for who, where, first, last in grants
    )
    ran = sh("check-config", sh.file("x.toml", text))
    assert ran.code == (4 if says else 0)
    assert says in ran.err


def test_what_is_no_toml_and_what_is_not_there_differ(sh):
    ran = sh("check-config", sh.file("x.toml", "= 3"))
    assert (ran.code, ran.err.count("x.toml: this is no TOML")) == (4, 1)
    assert sh("check-config", "nowhere.toml").code == 2
    assert sh("check-config").code == 2
    assert sh("check-config", "x.toml", "--schema", "pip").code == 2


def test_a_kind_that_is_asked_for_is_the_one_that_is_wanted(sh):
    name = sh.file("x.toml", VNP)
    ran = sh("check-config", name, "--kind", "pip")
    assert ran.code == 4
    assert "x.toml: kind: this is the configuration of a vnp, not of a pip" in ran.err
    assert sh("check-config", name, "--kind", "agent").code == 4


def test_several_files_are_checked_at_once(sh):
    good, bad = sh.file("a.toml", PIP), sh.file("b.toml", VNP.replace("vnp", "vmp"))
    ran = sh("check-config", good, bad)
    assert ran.code == 4
    assert ran.out.startswith("a.toml: ")
    assert "b.toml: kind: 'vmp' is none of pip, vnp" in ran.err
