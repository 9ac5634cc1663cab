"""The tunnels that end at this host, and the tags that may cross them.

The tunnels stand, from the operator's configuration (paper, 4.2.1); a request only admits a tag.
A supervisor keeps bridge, filter and OpenVPN up; whether a tunnel is up is asked of OpenVPN.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudnet_sdn.wire.faults import BadRequest, Conflict, NotFound
from hostagent.command import CommandFailedError
from hostagent.config import TunnelConfig
from hostagent.crossing import Crossing
from hostagent.openvpn import OpenVpn, configuration
from hostagent.records import Records
from hostagent.spec import Key

log = logging.getLogger(__name__)

_LOOK_S = 1.0
_LONGEST_PAUSE_S = 30.0
_STEADY_S = 10.0
_TAGS = range(2, 4095)


@dataclass(frozen=True, slots=True)
class Admission:
    """A tag that may cross a tunnel."""

    tunnel: str
    vlan: int


class Tunnel:
    """One tunnel: its bridge, its filter and its OpenVPN, kept up by a thread."""

    def __init__(self, config: TunnelConfig, state: Path) -> None:
        files = state / config.name
        self._crossing = Crossing(config.bridge, config.port, config.netns)
        text = configuration(config, self._crossing.tap, files)
        self._vpn = OpenVpn(text, files, config.netns)
        self._lock = threading.Lock()
        self._tags: frozenset[int] = frozenset()
        self._broken = "it is being set up"
        self._unfiltered = ""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.name = config.name

    def start(self, tags: frozenset[int]) -> None:
        """Bring it up with the tags admitted so far, and keep it up."""
        self._tags = tags
        self._turn()
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End OpenVPN and take the bridge down; may be repeated."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._vpn.stop()
        self._crossing.remove()

    def admit(self, tags: frozenset[int]) -> None:
        """Just these tags cross from now on, or as soon as the bridge is there."""
        with self._lock:
            self._tags = tags
            if not self._broken:
                self._unfiltered = self._crossing.admit(tags)

    def status(self) -> dict[str, Any]:
        """`{tunnel, up, reason, tags}`, as seen."""
        reason = self._broken
        if not reason:
            seen = self._vpn.state()
            reason = "" if seen == "CONNECTED" else _in_words(seen)
        return {
            "tunnel": self.name,
            "up": not reason,
            "reason": reason or self._unfiltered,
            "tags": sorted(self._tags),
        }

    def _supervise(self) -> None:
        pause, steady = _LOOK_S, 0.0
        while not self._stopping.wait(pause):
            if self._turn():
                pause, steady = min(2 * pause, _LONGEST_PAUSE_S), 0.0
            else:
                steady += pause
                pause = _LOOK_S if steady >= _STEADY_S else pause

    def _turn(self) -> bool:
        """Mend what isn't there. Answers whether something was amiss."""
        with self._lock:
            try:
                fresh = self._crossing.ensure()
                if self._broken or not self._crossing.filters():
                    self._unfiltered = self._crossing.admit(self._tags)
                if fresh:
                    self._vpn.stop()  # one that runs holds a device that is gone
                started = self._vpn.ensure()
            except CommandFailedError as exc:
                if str(exc) != self._broken:
                    log.warning("tunnel=%s is down: %s", self.name, exc)
                self._broken = str(exc)
                return True
            if started:
                log.info("tunnel=%s OpenVPN started", self.name)
            self._broken = ""
            return started


class Tunnels:
    """All tunnels of a host, by name."""

    def __init__(self, configs: Sequence[TunnelConfig], state: Path) -> None:
        directory = state / "tunnels"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._tunnels: Mapping[str, Tunnel] = {c.name: Tunnel(c, directory) for c in configs}
        self._records = Records(state / "tags")
        self._admitted = {
            key: Admission(str(raw["tunnel"]), int(raw["vlan"]))
            for key, raw in self._records.load().items()
        }
        self._lock = threading.Lock()
        self._changes = 0
        self._carried = dict.fromkeys(self._tunnels, 0)
        self._carrying = {name: threading.Lock() for name in self._tunnels}

    def start(self) -> None:
        """Bring all up and keep them up."""
        for tunnel in self._tunnels.values():
            tunnel.start(self._tags(tunnel.name))

    def stop(self) -> None:
        """Take all down; what is admitted is remembered."""
        for tunnel in self._tunnels.values():
            tunnel.stop()

    def purge(self) -> None:
        """Take all down and forget what is admitted."""
        self.stop()
        for key in self._admitted:
            self._records.remove(key)
        self._admitted = {}

    def admit(self, key: Key, name: str, vlan: int) -> dict[str, Any]:
        """The tag may cross, now or as soon as the tunnel is up.

        Returns:
            `{key, tunnel, vlan, up, reason}`; `up` is the tunnel's.

        Raises:
            NotFound: no such tunnel.
            BadRequest: no such tag.
            Conflict: the tag is another key's.
        """
        tunnel = self._tunnel(name)
        if vlan not in _TAGS:
            raise BadRequest(f"a transit's tag is from {_TAGS[0]} to {_TAGS[-1]}, not {vlan}")
        wanted = Admission(name, vlan)
        with self._lock:
            holder = next((k for k, one in self._admitted.items() if one == wanted), key)
            if holder != key:
                raise Conflict(f"tag {vlan} of tunnel {name} is taken")
            before = self._admitted.get(key)
            self._records.put(key, {"tunnel": name, "vlan": vlan})
            self._admitted[key] = wanted
            self._changes = change = self._changes + 1
        self._carry(name, change)
        if before is not None and before.tunnel in self._tunnels and before.tunnel != name:
            self._carry(before.tunnel, change)
        seen = tunnel.status()
        return {
            "key": key,
            "tunnel": name,
            "vlan": vlan,
            "up": seen["up"],
            "reason": seen["reason"],
        }

    def dismiss(self, key: Key) -> None:
        """The key's tag crosses no more; what isn't admitted succeeds."""
        with self._lock:
            gone = self._admitted.pop(key, None)
            self._changes = change = self._changes + 1
        if gone is not None and gone.tunnel in self._tunnels:
            self._carry(gone.tunnel, change)
        with self._lock:
            if key not in self._admitted:
                self._records.remove(key)

    def all_keys(self) -> list[Key]:
        """Keys of all tags admitted."""
        return sorted(self._admitted)

    def status(self, name: str) -> dict[str, Any]:
        """`{tunnel, up, reason, tags}`, as seen.

        Raises:
            NotFound: no such tunnel.
        """
        return self._tunnel(name).status()

    def _carry(self, name: str, change: int) -> None:
        """Have a tunnel let through what is admitted; what waits meanwhile goes together."""
        with self._carrying[name]:
            if self._carried[name] >= change:
                return
            with self._lock:
                newest, tags = self._changes, self._tags(name)
            self._tunnels[name].admit(tags)
            self._carried[name] = newest

    def _tunnel(self, name: str) -> Tunnel:
        try:
            return self._tunnels[name]
        except KeyError:
            raise NotFound(f"no tunnel {name[:80]!r} here") from None

    def _tags(self, name: str) -> frozenset[int]:
        return frozenset(one.vlan for one in self._admitted.values() if one.tunnel == name)


_WORDS = {
    "CONNECTING": "the other end is being called",
    "WAIT": "the other end does not answer",
    "AUTH": "the other end is being authenticated",
    "RECONNECTING": "the other end is being called again",
    "EXITING": "OpenVPN is ending",
}


def _in_words(state: str) -> str:
    return _WORDS.get(state, state)
