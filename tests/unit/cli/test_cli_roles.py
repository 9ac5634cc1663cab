"""The client verbs, against a small role behind the real wire."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
import yaml
from fakes.role import parse_time

ID = "11111111-2222-4333-8444-555555555555"


def test_request_prints_the_offer_and_how_to_accept_it(sh):
    ran = sh.role_says("request", sh.shop())
    assert ran.code == 0
    assert "state:       held" in ran.out
    assert "cloudnet confirm o1" in ran.err
    assert sh.role.options == {}


def test_request_as_json_is_the_offer_of_the_contract(sh):
    offer = sh.role_says("request", sh.shop(), "--format", "json").data
    assert offer == sh.role.offers["o1"]


def test_request_as_yaml_reads_back(sh):
    ran = sh.role_says("request", sh.shop(), "--format", "yaml")
    assert yaml.safe_load(ran.out) == sh.role.offers["o1"]


def test_options_reach_the_role(sh):
    ran = sh.role_says("request", sh.shop(), "--hold", "30", "--until", "2h", "--start")
    assert ran.code == 0
    assert sh.role.options["hold_s"] == 30
    assert sh.role.options["start"] is True
    ahead = parse_time(sh.role.options["until"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(minutes=118) < ahead < dt.timedelta(minutes=122)


def test_the_same_request_id_answers_the_same_offer(sh):
    first = sh.role_says("request", sh.shop(), "--request-id", ID, "--format", "json").data
    again = sh.role_says("request", sh.shop(), "--request-id", ID, "--format", "json").data
    assert first["offer"] == again["offer"]
    other = sh.file("other.yaml", "rdl: 1\ngraph: other\nnodes: {a: {}}\n")
    assert sh.role_says("request", other, "--request-id", ID).code == 6


def test_a_refused_request_ends_with_3_and_its_reasons(sh):
    big = sh.file("big.yaml", "rdl: 1\ngraph: big\nnodes: {web: {cpu: 64}}\n")
    ran = sh.role_says("request", big)
    assert ran.code == 3
    assert "web" in ran.out
    assert "capacity" in ran.out


WIDER = """\
rdl: 1
graph: shop
nodes: {web: {cpu: 2}, db: {cpu: 4}}
links: {web-db: {ends: [web, db], bandwidth: 10Mbps}}
"""


def test_modify_shows_the_difference_and_the_price_and_waits_for_a_yes(sh):
    sh.role_says("request", sh.shop(), "--confirm")
    ran = sh.role_says("modify", sh.file("wider.yaml", WIDER))
    assert ran.code == 0
    assert "web-db: bandwidth: 5Mbps -> 10Mbps" in ran.out
    assert "price: 1.5 -> 2.5 EUR per hour" in ran.out
    assert "cloudnet confirm o2" in ran.err
    assert sh.role.offers["o2"]["state"] == "held"


def test_modify_with_yes_confirms(sh):
    sh.role_says("request", sh.shop(), "--confirm")
    ran = sh.role_says("modify", sh.file("wider.yaml", WIDER), "--yes", "--format", "json")
    assert ran.data["state"] == "confirmed"
    assert "web-db: bandwidth: 5Mbps -> 10Mbps" in ran.err


def test_a_change_that_is_refused_ends_with_3(sh):
    sh.role_says("request", sh.shop(), "--confirm")
    big = sh.file("big.yaml", SHOP_OF.format(cpu=64))
    assert sh.role_says("modify", big).code == 3
    assert sh.role_says("modify", big, "--cloudnet", "nobody").code == 1


SHOP_OF = "rdl: 1\ngraph: shop\nnodes: {{web: {{cpu: {cpu}}}}}\n"


def test_an_invalid_request_ends_with_4_before_the_role_is_asked(sh):
    bad = sh.file("bad.yaml", "rdl: 1\ngraph: bad\nnodes: {web: {cpu: no}}\n")
    ran = sh.role_says("request", bad)
    assert ran.code == 4
    assert ran.err.startswith("bad.yaml:3:20: nodes.web.cpu: ")
    assert sh.role.requests == {}


def test_a_substrate_is_no_request(sh):
    ran = sh.role_says("request", sh.file("s.yaml", sh.role.substrate))
    assert ran.code == 4
    assert "overlay is wanted" in ran.err


def test_request_waits_for_a_slow_role(sh):
    sh.role.polls_left = 2
    assert sh.role_says("request", sh.shop(), "--format", "json").data["state"] == "working"
    sh.role.polls_left = 2
    second = sh.file("second.yaml", "rdl: 1\ngraph: second\nnodes: {a: {}}\n")
    ran = sh.role_says("request", second, "--wait", "--format", "json")
    assert ran.data["state"] == "held"


def test_request_confirm_start_wait_leaves_a_running_cloudnet(sh):
    ran = sh.role_says("request", sh.shop(), "--confirm", "--start", "--wait", "--format", "json")
    assert ran.code == 0
    assert ran.data["state"] == "confirmed"
    assert sh.role.vnodes["c1"] == {"web": "running", "db": "running"}


def test_vnodes_that_fail_to_boot_fail_the_command(sh):
    sh.role.boots = False
    ran = sh.role_says("request", sh.shop(), "--confirm", "--start", "--wait")
    assert ran.code == 1
    assert "db failed, web failed" in ran.err


def test_confirm_cancel_and_an_expired_hold(sh):
    sh.role_says("request", sh.shop())
    assert sh.role_says("confirm", "o1").code == 0
    second = sh.file("second.yaml", "rdl: 1\ngraph: second\nnodes: {a: {}}\n")
    sh.role_says("request", second)
    cancelled = sh.role_says("cancel", "o2", "--format", "json")
    assert cancelled.code == 0
    assert cancelled.data["state"] == "cancelled"
    sh.role_says("request", second)
    sh.role.expire("o3")
    ran = sh.role_says("confirm", "o3")
    assert ran.code == 6
    assert "expired" in ran.err


def test_busy_says_when_to_try_again(sh):
    sh.role.busy = True
    ran = sh.role_says("request", sh.shop())
    assert ran.code == 1
    assert "retry after 7.000 s" in ran.err


def test_list_show_history_by_name_and_id(sh):
    sh.role_says("request", sh.shop(), "--confirm")
    listed = sh.role_says("list", "--format", "json").data
    assert [one["name"] for one in listed] == ["shop"]
    assert sh.role_says("list").out.splitlines()[1].split()[:3] == ["c1", "shop", "ready"]
    by_id = sh.role_says("show", "c1", "--format", "json").data
    assert by_id == sh.role_says("show", "shop", "--format", "json").data
    assert by_id["elements"]["web"] == {"state": "stopped", "reason": ""}
    assert sh.role_says("show", "o1", "--format", "json").data["offer"] == "o1"
    assert "until later" in sh.role_says("history", "shop").out
    assert sh.role_says("show", "nobody").code == 1


def test_renew_and_release(sh):
    sh.role_says("request", sh.shop(), "--confirm")
    assert sh.role_says("renew", "shop", "--until", "2031-05-01T12:00:00+02:00").code == 0
    assert sh.role.until == "2031-05-01T10:00:00Z"
    assert sh.role_says("renew", "shop", "2031-06-01").code == 0
    assert sh.role.until == "2031-06-01T00:00:00Z"
    assert sh.role_says("renew", "shop", "--until", "tomorrow").code == 2
    assert sh.role_says("renew", "shop").code == 2
    assert sh.role_says("renew", "shop", "2h", "--until", "3h").code == 2
    assert sh.role_says("release", "shop", "--format", "json").data["state"] == "released"


def test_power_verbs_with_and_without_names(sh):
    sh.role_says("request", sh.shop(), "--confirm")
    assert sh.role_says("start", "shop", "web").code == 0
    assert sh.role.vnodes["c1"] == {"web": "running", "db": "stopped"}
    waited = sh.role_says("start", "shop", "--wait", "--format", "json")
    assert waited.data == {"web": "running", "db": "running"}
    assert sh.role_says("powercycle", "shop", "db").code == 0
    assert sh.role_says("stop", "shop", "--wait").code == 0
    sh.role.boots = False
    assert sh.role_says("start", "shop", "--wait").code == 1


def test_console_url(sh):
    sh.role_says("request", sh.shop(), "--confirm")
    ran = sh.role_says("console", "shop", "web", "--url")
    assert ran.out.strip() == "wss://127.0.0.1:1/t0ken"
    assert sh.role_says("console", "shop", "nobody").code == 1


def test_a_console_that_is_away_ends_with_5(sh):
    sh.role_says("request", sh.shop(), "--confirm")
    assert sh.role_says("console", "shop", "web").code == 5


def test_substrate_show_in_each_format(sh):
    ran = sh.role_says("substrate", "show", "--format", "yaml")
    assert ran.out == sh.role.substrate
    assert sh.role_says("substrate", "show", "--format", "json").data["graph"] == "berlin"
    assert "sn1-sn2" in sh.role_says("substrate", "show").out
    offered = sh.role_says("substrate", "show", "--offered", "--format", "json").data
    assert [e["id"] for e in offered["elements"]] == ["berlin"]


def test_the_substrate_is_for_operators(sh):
    sh.role.operator = False
    ran = sh.role_says("substrate", "show")
    assert ran.code == 7
    assert "--offered" in ran.err


def test_substrate_load_drain_undrain(sh):
    text = sh.role.substrate.replace("berlin", "munich")
    assert sh.role_says("substrate", "load", sh.file("s.yaml", text)).code == 0
    assert sh.role.substrate == text
    assert sh.role_says("substrate", "load", sh.shop()).code == 4
    assert sh.role_says("drain", "sn1").code == 0
    assert sh.role.drained == {"sn1"}
    assert sh.role_says("undrain", "sn1").code == 0
    assert sh.role.drained == set()
    assert sh.role_says("drain", "sn9").code == 1


def test_a_substrate_that_breaks_something_is_loaded_by_force_alone(sh):
    sh.role_says("request", sh.shop(), "--confirm")
    file = sh.file("s.yaml", sh.role.substrate.replace("sn1", "sn9"))
    ran = sh.role_says("substrate", "load", file)
    assert ran.code == 6
    assert "c1: sn1 is missing" in ran.err
    assert "sn9" not in sh.role.substrate
    assert sh.role_says("substrate", "load", file, "--force").code == 0
    assert "sn9" in sh.role.substrate


def test_what_operators_see_and_vouch_for(sh):
    sh.role_says("request", sh.shop(), "--confirm")
    assert "cloudnet:tenant:acme" in sh.role_says("operator", "list").out
    assert sh.role_says("usage", "--format", "json").data["sn1"]["cpu"]["used"] == 2.0
    assert "8" in sh.role_says("usage").out
    ran = sh.role_says("operator", "forget", "sn1", "--yes", "--format", "json")
    assert ran.data == {"element": "sn1", "forgotten": 1}
    ran = sh.role_says("drain", "sn1", "--evacuate")
    assert "c1 web: it is stopped and started elsewhere" in ran.err


def test_who_asked_for_what(sh):
    sh.role_says("request", sh.shop(), "--confirm")
    assert "negotiation.request" in sh.role_says("operator", "audit").out
    ran = sh.role_says("operator", "audit", "--limit", "1", "--format", "json")
    assert [c["outcome"] for c in ran.data] == ["held"]
    assert sh.role_says("operator", "audit", "--after", "7", "--format", "json").data == []
    assert sh.role_says("operator", "audit", "--limit", "0").code == 2


def test_events_and_checks(sh):
    sh.role_says("request", sh.shop(), "--confirm")
    assert sh.role_says("events").out == "2030-01-01T00:00:00Z c1 held\n"
    assert sh.role_says("events", "--after", "7", "--format", "json").data["events"] == []
    assert sh.role_says("check", "shop").code == 0
    sh.role.boots = False
    ran = sh.role_says("check", "shop")
    assert ran.code == 1
    assert "a flow is gone" in ran.out


def test_a_role_that_is_away_ends_with_5_and_says_how_to_ask_again(sh):
    asked = str(uuid.uuid4())
    ran = sh("request", sh.shop(), "--at", "http://127.0.0.1:1", "--request-id", asked)
    assert ran.code == 5
    assert f"--request-id {asked}" in ran.err
    assert sh("list", "--at", "http://127.0.0.1:1").code == 5


@pytest.mark.parametrize("verb", ["list", "show", "confirm"])
def test_no_role_is_a_usage_error(sh, verb):
    words = [verb] if verb == "list" else [verb, "x"]
    ran = sh(*words)
    assert ran.code == 2
    assert "CLOUDNET_AT" in ran.err
