"""The surface that others build on: commands, entry points, the names a package exports."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil

import pytest

from cloudnet_sdn.cli.app import COMMANDS
from cloudnet_sdn.ports import Plugin

PACKAGES = ("cloudnet_sdn", "hostagent", "mip", "rdl", "ryu_apps")
VERBS = {
    "demo", "doctor", "validate", "fmt", "diff", "schema", "draw", "convert", "plan",
    "consolidate",
    "request", "confirm", "modify", "cancel", "list", "show", "history", "renew", "release",
    "start", "stop", "powercycle", "console", "substrate", "drain", "undrain",
    "check", "events", "usage", "operator",
    "controller", "pip", "vnp", "agent", "pki", "db", "check-config",
}  # fmt: skip


def ours(group: str) -> list[importlib.metadata.EntryPoint]:
    """The entry points that we declare ourselves in `group`."""
    found = importlib.metadata.entry_points(group=group)
    return [e for e in found if e.dist is not None and e.dist.name == "cloudnet-sdn"]


def exporting() -> list[str]:
    """The packages of ours that export names."""
    found = []
    for root in PACKAGES:
        package = importlib.import_module(root)
        names = [root] + [
            m.name for m in pkgutil.walk_packages(package.__path__, f"{root}.") if m.ispkg
        ]
        found += [n for n in names if hasattr(importlib.import_module(n), "__all__")]
    return found


def test_the_command_has_the_verbs_it_promises():
    assert set(COMMANDS) == VERBS


def test_the_command_is_installed():
    assert [(e.name, e.value) for e in ours("console_scripts")] == [
        ("cloudnet", "cloudnet_sdn.cli:main")
    ]


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("cloudnet_sdn.configurations", {"pip", "vnp", "agent", "controller", "profile"}),
        ("cloudnet_sdn.plugins", {"host", "openflow", "provider", "transit", "tunnel"}),
        ("cloudnet_sdn.host_drivers", {"namespace"}),
        ("cloudnet_sdn.objectives", {"balance", "compact", "cost"}),
    ],
)
def test_entry_points_of_ours_can_be_loaded(group, names):
    assert {entry.name for entry in ours(group)} == names
    for entry in ours(group):
        entry.load()


def test_exported_names_are_sorted_and_exist():
    for name in exporting():
        module = importlib.import_module(name)
        assert list(module.__all__) == sorted(module.__all__), name
        assert not [n for n in module.__all__ if not hasattr(module, n)], name


def test_ports_stay_small():
    methods = [n for n in vars(Plugin) if not n.startswith("_")]
    assert len(methods) <= 5
