"""A tunnel bridge on the machine: a plain Linux bridge between the data plane and a TAP.

Only admitted tags cross it. Bridge VLAN filtering would do, but many kernels lack it; nftables'
bridge family tells tags apart everywhere Debian runs, and changes them in one transaction.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from pathlib import Path

from hostagent.command import CommandFailedError, run
from hostagent.names import short_hash

log = logging.getLogger(__name__)


def ruleset(table: str, ports: Collection[str], tags: Collection[int]) -> str:
    """The nftables text that lets just `tags` cross between `ports`, in place of `table`. Pure.

    Untagged frames, and stacked ones whose outer tag isn't admitted, are dropped too.
    """
    elements = f"elements = {{ {', '.join(map(str, sorted(tags)))} }}" if tags else ""
    names = ", ".join(f'"{port}"' for port in sorted(ports))
    return f"""table bridge {table} {{}}
delete table bridge {table}
table bridge {table} {{
  set tags {{
    typeof vlan id
    {elements}
  }}
  chain crossing {{
    type filter hook forward priority 0; policy accept;
    iifname {{ {names} }} vlan id @tags accept
    iifname {{ {names} }} drop
  }}
}}
"""


class Crossing:
    """One Linux bridge between a data plane's device and a TAP, in a network namespace or not."""

    def __init__(self, bridge: str, port: str, netns: Path | None) -> None:
        self._bridge = bridge
        self._port = port
        self._table = f"cloudnet_{short_hash(bridge)}"
        self._enter = ["nsenter", f"--net={netns}"] if netns else []
        self._netns = netns
        self._complained = False
        self.tap = f"ct{short_hash(bridge, port)}"

    def ensure(self) -> bool:
        """The bridge, the TAP and both its ports are there and up.

        Returns:
            Whether the TAP had to be made, so that nobody holds its other end.

        Raises:
            CommandFailedError: a tool failed, or the namespace isn't there or is the agent's own.
        """
        self._check_namespace()
        seen = {one["ifname"]: one for one in json.loads(self._run("ip", "-j", "link", "show"))}
        if self._port not in seen:
            raise CommandFailedError(["ip", "link"], f"there is no device {self._port}")
        if self._bridge not in seen:
            kind = ["type", "bridge", "stp_state", "0", "mcast_snooping", "0"]
            self._run("ip", "link", "add", self._bridge, *kind)
            self._run("ip", "link", "set", "dev", self._bridge, "addrgenmode", "none")
        if self.tap not in seen:
            self._run("ip", "tuntap", "add", "dev", self.tap, "mode", "tap")
            self._run("ip", "link", "set", "dev", self.tap, "addrgenmode", "none")
        for device in (self._port, self.tap):
            if seen.get(device, {}).get("master") != self._bridge:
                self._run("ip", "link", "set", "dev", device, "master", self._bridge)
        for device in (self._port, self.tap, self._bridge):
            if "UP" not in seen.get(device, {}).get("flags", ()):
                self._run("ip", "link", "set", "dev", device, "up")
        return self.tap not in seen

    def filters(self) -> bool:
        """Whether the filter is there; a firewall's restart may flush it."""
        try:
            self._run("nft", "list", "set", "bridge", self._table, "tags")
        except CommandFailedError:
            return False
        return True

    def admit(self, tags: Collection[int]) -> str:
        """Just `tags` cross from now on; answers why they can't be told apart, or ''."""
        try:
            text = ruleset(self._table, (self._port, self.tap), tags)
            self._run("nft", "-f", "-", text=text)
        except CommandFailedError as exc:
            if not self._complained:
                log.warning("bridge=%s does not filter tags: %s", self._bridge, exc)
            self._complained = True
            return "this kernel or machine can't filter tags: all of them cross"
        return ""

    def remove(self) -> None:
        """The bridge, the TAP and the filter are gone; the data plane's device stays.

        What isn't there is fine, also the namespace.
        """
        for argv in (
            ["ip", "link", "del", "dev", self._bridge],
            ["ip", "link", "del", "dev", self.tap],
            ["nft", "delete", "table", "bridge", self._table],
        ):
            try:
                self._check_namespace()
                self._run(*argv)
            except CommandFailedError as exc:
                log.debug("%s", exc)

    def _run(self, *argv: str, text: str = "") -> str:
        return run([*self._enter, *argv], text)

    def _check_namespace(self) -> None:
        if self._netns is None:
            return
        try:
            own, theirs = Path("/proc/self/ns/net").stat(), self._netns.stat()
        except OSError as exc:
            raise CommandFailedError(self._enter, "its network namespace is gone") from exc
        if (own.st_dev, own.st_ino) == (theirs.st_dev, theirs.st_ino):
            raise CommandFailedError(self._enter, "its network namespace is the agent's own")
