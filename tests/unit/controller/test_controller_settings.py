"""Settings: the command line, the file, and what doesn't go together."""

from __future__ import annotations

import textwrap
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from cloudnet_sdn.wire.configuration import ConfigurationError
from cloudnet_sdn.wire.identity import Caller
from ryu_apps import settings as module
from ryu_apps.settings import (
    CONFIG_VARIABLE,
    Address,
    Settings,
    from_environment,
    parse_arguments,
    settings_of,
)

FULL = """
listen = "0.0.0.0:6653"
api = "https://10.0.0.1:8643"
store = "sqlite:///controller.sqlite"
callers = ["cloudnet:role:berlin", "cloudnet:operator:ann"]
best_effort = 20_000_000
wait_s = 3
retry_s = 5.5
audit_s = 30

[tls]
ca = "ca.pem"
cert = "/etc/cert.pem"
key = "key.pem"

[capacity]
default = 1e9
[capacity.ports]
"00000000000000AA:2" = 1e8
"00000000000000aa:eth3" = 2e8

[limits]
tags = [100, 199]
meters = [1, 500]
"""


def test_the_documented_example_is_right() -> None:
    example = textwrap.dedent(str(module.__doc__).split("empty:\n", 1)[1])
    documented = settings_of(tomllib.loads(example))
    assert documented.policy == replace(Settings().policy, capacities=documented.policy.capacities)
    assert (documented.listen, documented.api) == (Settings().listen, Settings().api)
    assert documented.store == Settings().store


def test_defaults_are_the_contracts() -> None:
    settings = parse_arguments([])
    assert settings.listen == Address("127.0.0.1", 6653)
    assert settings.api == Address("127.0.0.1", 8643)
    assert settings.tls is None


def test_options() -> None:
    settings = parse_arguments(
        ["--listen", "127.0.0.1:1", "--api", "http://[::1]:2", "--store", "sqlite:////x/y.db"]
    )
    assert (settings.listen.port, settings.api) == (1, Address("::1", 2))
    assert settings.store == "sqlite:////x/y.db"


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "controller.toml"
    path.write_text(FULL)
    settings = parse_arguments(["--config", str(path), "--listen", "127.0.0.1:7"])
    assert settings == from_environment({CONFIG_VARIABLE: str(path)}).__class__(
        listen=Address("127.0.0.1", 7),
        api=Address("10.0.0.1", 8643),
        tls=settings.tls,
        callers=frozenset(map(Caller.parse, ["cloudnet:role:berlin", "cloudnet:operator:ann"])),
        store=f"sqlite:///{tmp_path}/controller.sqlite",
        policy=settings.policy,
    )
    assert settings.tls is not None
    assert settings.tls.ca == tmp_path / "ca.pem"
    assert settings.tls.cert == Path("/etc/cert.pem")
    policy = settings.policy
    assert (policy.wait_s, policy.retry_s, policy.audit_s) == (3.0, 5.5, 30.0)
    assert policy.guard.best_effort == 20e6
    assert (policy.ranges.tags, policy.ranges.meters) == ((100, 199), (1, 500))
    assert policy.capacities.default == 1e9
    assert dict(policy.capacities.ports) == {
        ("00000000000000aa", 2): 1e8,
        ("00000000000000aa", "eth3"): 2e8,
    }


TLS = {"ca": "a", "cert": "b", "key": "c"}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"lisen": "x"}, "lisen: unknown key"),
        ({"limits": {"tag": [1, 2]}}, "limits.tag: unknown key"),
        ({"tls": TLS | {"password": ""}, "callers": ["cloudnet:role:x"]}, "tls.password"),
        ({"listen": "6653"}, "listen"),
        ({"listen": "h:70000"}, "listen"),
        ({"api": "http://10.0.0.1:1"}, "loopback only"),
        ({"api": "https://127.0.0.1:1"}, "needs \\[tls\\]"),
        ({"tls": TLS}, "say who may call"),
        ({"tls": {"ca": "a"}}, "tls.cert"),
        ({"tls": TLS, "callers": ["berlin"]}, "callers"),
        ({"store": "mysql://x"}, "store"),
        ({"best_effort": 0}, "best_effort"),
        ({"wait_s": -1}, "wait_s"),
        ({"wait_s": True}, "wait_s"),
        ({"limits": {"tags": [0, 5]}}, "limits.tags"),
        ({"limits": {"tags": [5, 4095]}}, "limits.tags"),
        ({"capacity": {"ports": {"1:2": 5}}}, "DPID:PORT"),
        ({"capacity": 5}, "capacity"),
    ],
)
def test_what_is_refused(document: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        settings_of(document)


def test_without_a_file_under_ryu_manager() -> None:
    assert from_environment({}) == Settings()


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("x = ")
    for name in ("bad.toml", "missing.toml"):
        with pytest.raises(ConfigurationError, match=name):
            parse_arguments(["--config", str(tmp_path / name)])
