"""Driver `namespace`: a VNode is a named network namespace, its interfaces are veth pairs.

A running VNode has a first process in process, mount and host-name namespaces of its own; its
shell runs as nobody, with just the capabilities that network experiments need.
What is there is always looked up, never remembered, so any agent may go on where one was killed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from hostagent import limits, netns, offloads
from hostagent.bridge import BridgeGoneError
from hostagent.command import CommandFailedError, batch, detach, run
from hostagent.drivers import Host, Seen, SeenPort
from hostagent.names import inner
from hostagent.ports import AccessPort
from hostagent.ports import SeenPort as PluggedPort
from hostagent.shaping import shape
from hostagent.spec import InterfaceSpec, Key, VNodeSpec, element_of

log = logging.getLogger(__name__)

_OWNER = "cloudnet"
_BOOT_S = 5.0
_UID = "65534"  # nobody
_HOME = "/tmp"  # noqa: S108 - the VNode's own, mounted when it boots
_CAPABILITIES = "-all,+net_admin,+net_raw,+net_bind_service"
_LOOP = "while :; do sleep infinity & wait $!; done"  # reaps what loses its parent
_BOOT = f"""set -e
printf '%s\\n' "$1" >/proc/sys/kernel/hostname
umount --recursive --lazy /run/netns 2>/dev/null || :  # else it would keep others' alive
for place in /tmp /run; do mount -t tmpfs -o mode=1777,size=64m tmpfs "$place"; done
exec sh -c '{_LOOP}' {netns.INIT_MARK} "$1"
"""
# The host's own network stack sees a port's frames too: it must neither answer nor add any.
_SILENT = {
    "ipv4/conf/{}/arp_ignore": "8",
    "ipv4/conf/{}/rp_filter": "1",
    "ipv6/conf/{}/disable_ipv6": "1",
}


class NamespaceDriver:
    """VNodes of one host as network namespaces; see `hostagent.drivers.Driver`."""

    def __init__(self, host: Host) -> None:
        self._names = host.names
        self._bridge = host.bridge

    def check(self, spec: VNodeSpec) -> None:
        """See `Driver.check`."""
        limits.check(spec)

    def ensure(self, key: Key, spec: VNodeSpec) -> None:
        """See `Driver.ensure`."""
        name = self._names.namespace(key)
        fresh = not netns.exists(name)
        devices = {} if fresh else netns.devices(name)
        wanted = {inner(one.name): one for one in spec.interfaces}
        gone = [one for one in devices.values() if one.plugged and one.name not in wanted]
        new = {
            device: one
            for device, one in wanted.items()
            if device not in devices or not _finished(self._names.outer(key, one.name))
        }
        # A port whose device was made anew holds on to the old one: it is plugged in afresh too.
        self._unplug(key, keep=[one for device, one in wanted.items() if device not in new])
        batch(["ip", "-n", name], [f"link del dev {one.name}" for one in gone])
        self._make(name, key, new, fresh=fresh)
        alias = f'link set dev lo alias "{self._tag(key)}"'
        kept = {device: one for device, one in wanted.items() if device not in new}
        batch(["ip", "-n", name], [alias, *self._corrections(key, kept, devices)])
        batch(["tc", "-n", name], [shape(dev, one.bandwidth) for dev, one in wanted.items()])
        self._bridge.apply(self._ports_of(key, wanted.values()))
        if not fresh and netns.init_of(name) is not None:
            batch(["ip", "-n", name], _up(wanted, netns.devices(name)))

    def remove(self, key: Key) -> None:
        """See `Driver.remove`."""
        name = self._names.namespace(key)
        self._unplug(key)
        netns.kill_all(name)
        plugged = [one.name for one in netns.devices(name).values() if one.plugged]
        batch(["ip", "-n", name], [f"link del dev {device}" for device in plugged])
        if netns.exists(name):
            run(["ip", "netns", "del", name])
        (netns.RUN_DIR / name).unlink(missing_ok=True)

    def power(self, key: Key, spec: VNodeSpec, *, on: bool) -> None:
        """See `Driver.power`."""
        name = self._names.namespace(key)
        wanted = {inner(one.name): one for one in spec.interfaces}
        if not on:
            netns.kill_all(name)
            present = netns.devices(name)
            batch(["ip", "-n", name], _down([device for device in present if device in wanted]))
        elif netns.init_of(name) is None:
            self._plug_up(name, wanted)
            self._boot(name, element_of(key))

    def observe(self, key: Key, spec: VNodeSpec) -> Seen:
        """See `Driver.observe`."""
        name = self._names.namespace(key)
        if not netns.exists(name):
            gone = (SeenPort(one.name, inner(one.name), 0, up=False) for one in spec.interfaces)
            return Seen(power=False, faults=("its namespace is gone",), ports=tuple(gone))
        devices = netns.devices(name)
        plugged = {seen.port.interface: seen for seen in self._ports() if seen.port.key == key}
        faults, ports_seen = [], []
        for one in spec.interfaces:
            device, port = devices.get(inner(one.name)), plugged.get(one.name)
            vlan = port.port.vlan if port else 0
            fault = _fault(one, device, vlan, port.error if port else "")
            if fault:
                faults.append(f"{one.name}: {fault}")
            up = not fault and device is not None and device.carrier and vlan != 0
            ports_seen.append(SeenPort(one.name, inner(one.name), vlan, up))
        power = netns.init_of(name) is not None
        return Seen(power=power, faults=tuple(faults), ports=tuple(ports_seen), netns=name)

    def owned(self, known: Collection[Key]) -> set[Key]:
        """See `Driver.owned`."""
        found = {seen.port.key for seen in self._ports()}
        by_name = {self._names.namespace(key): key for key in (*known, *found)}
        for name in netns.names(self._names.prefix):
            if key := by_name.get(name) or self._alias(name):
                found.add(key)
        return found

    def shell(self, key: Key) -> Sequence[str]:
        """See `Driver.shell`."""
        init = netns.init_of(self._names.namespace(key))
        if init is None:
            raise CommandFailedError(["nsenter"], f"{key} does not run")
        program = next((p for p in ("/bin/bash", "/bin/sh") if Path(p).exists()), "/bin/sh")
        quiet = ["--noprofile", "--norc"] if program == "/bin/bash" else []
        environment = [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            f"PS1={element_of(key)}:\\w\\$ ",
            "TERM=xterm",
            f"HOME={_HOME}",
        ]
        return [
            *["nsenter", "--target", str(init), "--mount", "--root", "--uts", "--pid", "--net"],
            *["setpriv", "--reuid", _UID, "--regid", _UID, "--clear-groups", "--no-new-privs"],
            *["--inh-caps", _CAPABILITIES, "--ambient-caps", _CAPABILITIES],
            # Under `nohup` the agent ignores hang-ups; the shell's jobs must not.
            *["--bounding-set", _CAPABILITIES, "env", "--default-signal"],
            *["-i", "-C", _HOME, *environment],
            *["setsid", "--ctty", "--wait", program, *quiet, "-i"],
        ]

    def _ports(self) -> Sequence[PluggedPort]:
        try:
            return self._bridge.ports()
        except BridgeGoneError:
            return ()

    def _make(self, name: str, key: Key, new: Mapping[str, InterfaceSpec], *, fresh: bool) -> None:
        """Make the namespace, where it isn't there, and pairs of devices that end in it."""
        if fresh:
            (netns.RUN_DIR / name).unlink(missing_ok=True)
        outers = {self._names.outer(key, one.name): device for device, one in new.items()}
        stale = [
            f"link del dev {outer}" for outer in outers if Path("/sys/class/net", outer).exists()
        ]
        made = [
            f"link add {outer} type veth peer name {device} address {self._mac(key, new[device])} "
            f"netns {name}"
            for outer, device in outers.items()
        ]
        silent = [f"link set dev {outer} addrgenmode none" for outer in outers]
        batch(["ip"], [*([f"netns add {name}"] if fresh else []), *stale, *made, *silent])
        if not new:
            return
        for outer in outers:
            _silence(outer)
        # Open vSwitch's userspace datapath hands half-made checksums on, and TCP would hang.
        offloads.switch_off(outers)
        offloads.switch_off(new, netns.RUN_DIR / name)
        # The alias comes last: one without it was cut off half-way and is made anew.
        batch(["ip"], [f"link set dev {outer} alias {key} up" for outer in outers])

    def _mac(self, key: Key, one: InterfaceSpec) -> str:
        return one.mac or self._names.mac(key, one.name)

    def _corrections(
        self, key: Key, wanted: Mapping[str, InterfaceSpec], devices: Mapping[str, netns.Device]
    ) -> list[str]:
        lines = []
        for device, one in wanted.items():
            mac = self._mac(key, one)
            if device not in devices or devices[device].mac != mac:
                lines.append(f"link set dev {device} address {mac}")
        return lines

    def _unplug(self, key: Key, keep: Collection[InterfaceSpec] = ()) -> None:
        """Drop all ports of the VNode but those of the interfaces to `keep`."""
        kept = {port.device for port in self._ports_of(key, keep)}
        mine = [seen.port.device for seen in self._ports() if seen.port.key == key]
        if drop := [device for device in mine if device not in kept]:
            self._bridge.apply(gone=drop)

    def _ports_of(self, key: Key, interfaces: Collection[InterfaceSpec]) -> list[AccessPort]:
        return [
            AccessPort(self._names.outer(key, one.name), key, one.name, one.vlan, one.uplink)
            for one in interfaces
            if one.vlan
        ]

    def _boot(self, name: str, hostname: str) -> None:
        unshare = ["unshare", "--pid", "--fork", "--kill-child", "--uts", "--mount", "--mount-proc"]
        unshare += ["--propagation", "slave"]
        argv = ["ip", "netns", "exec", name, *unshare, "sh", "-c", _BOOT, "cloudnet-boot", hostname]
        with detach(argv) as errors:
            deadline = time.monotonic() + _BOOT_S
            while netns.init_of(name) is None:
                if time.monotonic() > deadline:
                    errors.seek(0)
                    raise CommandFailedError(argv, f"did not boot: {errors.read().strip()}")
                time.sleep(0.005)

    @staticmethod
    def _plug_up(name: str, wanted: Mapping[str, InterfaceSpec]) -> None:
        try:
            batch(["ip", "-n", name], ["link set dev lo up", *_up(wanted, {})])
        except CommandFailedError as exc:
            told = "its interfaces don't come up with the addresses they shall have"
            raise CommandFailedError(exc.argv, str(exc), told) from exc

    def _tag(self, key: Key) -> str:
        return f"{_OWNER} {self._names.owner} {key}"

    def _alias(self, name: str) -> Key | None:
        loopback = netns.devices(name).get("lo")
        words = loopback.alias.split() if loopback else []
        return Key(words[2]) if len(words) == 3 and words[0] == _OWNER else None


def _up(wanted: Mapping[str, InterfaceSpec], devices: Mapping[str, netns.Device]) -> list[str]:
    """What brings interfaces up with their addresses.

    A device's alias is the address that was set last: where that is still the one wanted, what
    the VNode has made of it since is its own affair.
    """
    lines = []
    for device, one in wanted.items():
        seen = devices.get(device)
        if seen is None or seen.alias != one.address:
            lines.append(f"addr flush dev {device} scope global")
            if one.address:
                quick = " nodad" if ":" in one.address else ""
                lines.append(f"addr add {one.address} dev {device}{quick}")
            lines.append(f'link set dev {device} alias "{one.address}"')
        if seen is None or not seen.admin_up:
            lines.append(f"link set dev {device} up")
    return lines


def _down(devices: Sequence[str]) -> list[str]:
    flush = [f"addr flush dev {device} scope global" for device in devices]
    return [*flush, *(f"link set dev {device} down" for device in (*devices, "lo"))]


def _fault(one: InterfaceSpec, device: netns.Device | None, vlan: int, error: str) -> str:
    if device is None:
        return "its device is gone"
    if vlan != one.vlan:
        return f"its port has tag {vlan}, not {one.vlan}" if vlan else "its port is gone"
    return error


def _finished(outer: str) -> bool:
    try:
        return Path("/sys/class/net", outer, "ifalias").read_text("utf-8").strip() != ""
    except OSError:
        return False


def _silence(device: str) -> None:
    for path, value in _SILENT.items():
        file = Path("/proc/sys/net", path.format(device))
        if file.exists():  # IPv6 may be built out
            file.write_text(value, "ascii")
