"""The methods: who may call, what the parts raise, drivers by name."""

from __future__ import annotations

import importlib.metadata

import pytest

from cloudnet_sdn.wire.faults import (
    BadParameters,
    BadRequest,
    Forbidden,
    Internal,
    NotFound,
    Unauthenticated,
)
from cloudnet_sdn.wire.identity import LOCAL, Caller, Kind
from cloudnet_sdn.wire.rpc import Service
from hostagent import drivers
from hostagent.command import CommandFailedError, batch, run
from hostagent.drivers import Host
from hostagent.methods import Methods
from hostagent.names import Names
from hostagent.ports import NoPlugboard
from hostagent.tunnels import Tunnels

PROVIDER = Caller(Kind.ROLE, "berlin")


@pytest.fixture
def service(tmp_path):
    """A tunnel bridge's methods: no VNodes there."""
    made = Methods(
        name="b-tbr",
        provider=PROVIDER,
        drivers=[],
        vnodes=None,
        consoles=None,
        tunnels=Tunnels([], tmp_path),
        tunnel_names=[],
    )
    return Service(made.table())


@pytest.mark.parametrize(
    "caller", [LOCAL, Caller(Kind.ROLE, "munich"), Caller(Kind.TENANT, "berlin")]
)
def test_nobody_but_the_provider_is_obeyed(service, caller):
    for name in service.methods:
        if not name.startswith("system."):
            method = service.methods[name]
            args = [
                {"string": "a.b", "int": 5, "struct": {}, "array": []}[t]
                for t in method.signature[1:]
            ]
            with pytest.raises(Forbidden):
                service.invoke(name, args, caller)
            with pytest.raises(Unauthenticated):
                service.invoke(name, args, None)


def test_a_tunnel_bridge_describes_itself_and_has_no_vnodes(service):
    seen = service.invoke("agent.describe", [], PROVIDER)
    assert (seen["api"], seen["name"], seen["drivers"]) == (1, "b-tbr", [])
    assert service.invoke("vnode.list", [], PROVIDER) == []
    for name in ("get", "start", "stop", "powercycle", "delete", "console"):
        with pytest.raises(NotFound):
            wish = ["w1"] if name == "powercycle" else []
            service.invoke(f"vnode.{name}", ["shop.web", *wish], PROVIDER)


def test_keys_and_types_are_checked(service):
    with pytest.raises(BadRequest):
        service.invoke("tunnel.dismiss", ["../etc"], PROVIDER)
    with pytest.raises(BadParameters):
        service.invoke("tunnel.admit", ["a.b", "t1", "2001"], PROVIDER)


def test_a_tool_that_fails_is_our_fault_and_tells_nothing_of_the_host(tmp_path):
    class Broken:
        def all_keys(self):
            return run(["false"])

    made = Methods(
        name="h",
        provider=PROVIDER,
        drivers=[],
        vnodes=Broken(),
        consoles=None,
        tunnels=Tunnels([], tmp_path),
        tunnel_names=[],
    )
    with pytest.raises(Internal, match="a tool failed") as caught:
        Service(made.table()).invoke("vnode.list", [], PROVIDER)
    assert "false" not in caught.value.text


def test_a_tool_that_fails_or_is_missing_says_so():
    with pytest.raises(CommandFailedError, match="exit code 1"):
        run(["false"])
    with pytest.raises(CommandFailedError, match="not installed"):
        run(["no-such-tool-of-ours"])
    assert run(["cat"], "text") == "text"
    batch(["no-such-tool-of-ours"], [])


def test_third_parties_add_drivers_by_entry_point(monkeypatch):
    """An installed distribution names a factory; the agent finds it by the name in its TOML."""
    found = [*importlib.metadata.entry_points(group=drivers.GROUP)]
    found += [
        importlib.metadata.EntryPoint(
            name="copy", value="hostagent.namespace:NamespaceDriver", group=drivers.GROUP
        )
    ]
    # Packages of third parties can't be installed into the environment that the tests share.
    monkeypatch.setattr(drivers, "entry_points", lambda group: found if group else [])
    host = Host(Names("h", "b"), NoPlugboard())
    assert sorted(drivers.factories()) == ["copy", "namespace"]
    assert drivers.driver("copy", host).owned(()) == set()
    with pytest.raises(ValueError, match="copy, namespace"):
        drivers.driver("xen", host)


def test_two_drivers_of_one_name_are_an_error(monkeypatch):
    entry = importlib.metadata.EntryPoint(
        name="namespace", value="hostagent.namespace:NamespaceDriver", group=drivers.GROUP
    )
    # Two installed packages of one driver's name can't be had in the shared environment.
    monkeypatch.setattr(drivers, "entry_points", lambda group: [entry, entry])
    with pytest.raises(ValueError, match="two host drivers"):
        drivers.factories()
