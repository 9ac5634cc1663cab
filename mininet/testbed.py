#!/usr/bin/python3
"""The emulated substrate, in the spirit of the paper's Figure 2: a Berlin and a Munich site.

Each site has OpenFlow switches in a triangle, substrate hosts (an Open vSwitch bridge each) and a
tunnel bridge (a network namespace) with a link to the other site's. Run by path with the system's
Python, for which Debian's Mininet is installed:

    /usr/bin/python3 mininet/testbed.py --state DIR --controller berlin=127.0.0.1:6653

It stays until SIGTERM, SIGINT or the end of its standard input, and leaves nothing behind.
`DIR/testbed.json` describes everything; it appears once all is up. `--clean` removes what a killed
run left. No VLinks, VNodes or tunnels are made here, and nothing of the packages is imported.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

OVS_CTL = "/usr/share/openvswitch/scripts/ovs-ctl"
OVS_DB = "/var/run/openvswitch/db.sock"
DESCRIPTION = "testbed.json"
NAMES = "names.json"
Json = dict[str, Any]

MBPS = 1_000_000

# What may be sold of the emulated hardware, in bit/s: two cores forward some 300 Mbit/s in all.
DEFAULT: Json = {
    "prefix": "",
    "sites": {
        "berlin": {"letter": "b", "number": 1, "controller": ""},
        "munich": {"letter": "m", "number": 2, "controller": ""},
    },
    "switches": 3,
    "hosts": 3,
    "capacity": {"switch": 100 * MBPS, "host": 100 * MBPS, "wide_area": 100 * MBPS},
}


class TestbedError(Exception):
    """The testbed can't be built; the message says why."""


# -- what is to be built, as values -------------------------------------------------------


def merged(spec: Json, given: Json, where: str = "") -> Json:
    """`spec` with the members of `given` in their places; unknown ones are errors."""
    result = copy.deepcopy(spec)
    for name, value in given.items():
        if name not in spec:
            raise TestbedError(f"unknown: {where}{name}")
        known = spec[name]
        if isinstance(known, dict):
            result[name] = merged(known, value, f"{where}{name}.")
        else:
            result[name] = value
    return result


def layout(spec: Json) -> Json:
    """Every node and link of the testbed by name: pure, so that names are known beforehand."""
    prefix = spec["prefix"]
    if not re.fullmatch(r"[a-z0-9]{0,4}", prefix):
        raise TestbedError("the prefix is at most 4 of a-z0-9: device names are short")
    sites = {name: _site(site, spec, prefix) for name, site in spec["sites"].items()}
    bridges = [b for site in sites.values() for b in (*site["switches"], *site["hosts"])]
    return {"sites": sites, "bridges": bridges}


def _site(site: Json, spec: Json, prefix: str) -> Json:
    letter, number = f"{prefix}{site['letter']}", int(site["number"])
    switches = [f"{letter}-sw{n + 1}" for n in range(spec["switches"])]
    hosts = [f"{letter}-sn{n + 1}" for n in range(spec["hosts"])]
    tunnel = f"{letter}-tbr"
    capacity = spec["capacity"]
    ring = list(itertools.pairwise(switches))
    if len(switches) > 2:
        ring.append((switches[0], switches[-1]))
    links = [(a, b, capacity["switch"]) for a, b in ring]
    links += [(h, switches[n % len(switches)], capacity["host"]) for n, h in enumerate(hosts)]
    links.append((tunnel, switches[0], capacity["wide_area"]))
    return {
        "controller": site["controller"],
        "switches": {name: f"{number:014x}{n + 1:02x}" for n, name in enumerate(switches)},
        "hosts": {name: f"{number:014x}{n + 129:02x}" for n, name in enumerate(hosts)},
        "tunnel_bridge": tunnel,
        "wan": f"{tunnel}-wan",
        "links": links,
    }


def target(controller: str) -> str:
    """A controller's address as Open vSwitch has it."""
    return controller if controller.startswith(("tcp:", "ssl:")) else f"tcp:{controller}"


# -- the machine --------------------------------------------------------------------------


def sh(*argv: str, check: bool = True) -> str:
    """Run a tool and answer its output."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    if check and done.returncode != 0:
        raise TestbedError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def write(path: Path, content: Json) -> None:
    """Replace a JSON file atomically."""
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    aside.replace(path)


def ovs_runs() -> bool:
    """Whether Open vSwitch answers."""
    done = subprocess.run(
        ["ovs-vsctl", "--timeout=3", "show"], capture_output=True, check=False, timeout=10
    )
    return done.returncode == 0


def start_ovs() -> None:
    """Start Open vSwitch, without a kernel module: the datapaths are in user space."""
    sh(OVS_CTL, "start", "--system-id=random")
    sh("ovs-vsctl", "--timeout=10", "--no-wait", "init")


def stop_ovs_if_idle() -> None:
    """Stop Open vSwitch, unless somebody else has a bridge there by now."""
    if ovs_runs() and not sh("ovs-vsctl", "--timeout=5", "list-br").split():
        sh(OVS_CTL, "stop", check=False)


def devices(bridges: Sequence[str], tunnels: Sequence[str]) -> list[str]:
    """Network devices on this machine whose names say that they belong to the nodes."""
    owners = (*bridges, *tunnels)
    form = re.compile(rf"({'|'.join(map(re.escape, owners))})-(eth\d+|wan)")
    return sorted(d.name for d in Path("/sys/class/net").iterdir() if form.fullmatch(d.name))


def shells(nodes: Sequence[str]) -> list[int]:
    """The shells that Mininet runs for the nodes, those of containers on this machine left out."""
    marks = {f"mininet:{node}".encode() for node in nodes}
    here = Path("/proc/self/ns/pid").readlink()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = set((entry / "cmdline").read_bytes().split(b"\0"))
            if marks & words and (entry / "ns" / "pid").readlink() == here:
                found.append(int(entry.name))
    return found


# -- up -----------------------------------------------------------------------------------


@contextlib.contextmanager
def built(plan: Json) -> Iterator[Any]:
    """The running network; taken down at the end, whatever happens."""
    from mininet.log import setLogLevel
    from mininet.net import Mininet
    from mininet.node import OVSSwitch

    setLogLevel("warning")
    Mininet.inited = True  # its initialisation would change the machine's limits for good
    net = Mininet(controller=None, switch=OVSSwitch, build=False, autoSetMacs=False)
    try:
        for site in plan["sites"].values():
            for name, dpid in site["switches"].items():
                net.addSwitch(
                    name, dpid=dpid, datapath="user", protocols="OpenFlow13", failMode="secure"
                )
            for name, dpid in site["hosts"].items():
                net.addSwitch(name, dpid=dpid, datapath="user", failMode="standalone")
            net.addHost(site["tunnel_bridge"], ip=None)
        for site in plan["sites"].values():
            for a, b, _ in site["links"]:
                net.addLink(net[a], net[b])
        connect_tunnel_bridges(net, plan)
        for switch in net.switches:
            switch.start([])
        settle(net, plan)
        yield net
    finally:
        net.stop()


def connect_tunnel_bridges(net: Any, plan: Json) -> None:
    """The wide area: a full mesh would need more interfaces, so two sites share one link."""
    sites = list(plan["sites"].values())
    if len(sites) != 2:
        raise TestbedError("the wide area joins two sites")
    ends = [net[site["tunnel_bridge"]] for site in sites]
    net.addLink(*ends, intfName1=sites[0]["wan"], intfName2=sites[1]["wan"])
    for number, (end, site) in enumerate(zip(ends, sites, strict=True)):
        end.setIP(wan_address(number), prefixLen=30, intf=site["wan"])


def wan_address(number: int) -> str:
    """The wide-area address of a site's tunnel bridge (TEST-NET-1; they live in namespaces)."""
    return f"192.0.2.{number + 1}"


def settle(net: Any, plan: Json) -> None:
    """Quiet devices, whole checksums, and controllers that are called again every second."""
    for device in devices(plan["bridges"], []):
        silent = Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6")
        if silent.exists():  # else the machine itself would talk on the emulated wires
            silent.write_text("1", encoding="ascii")
    for site in plan["sites"].values():
        tunnel = net[site["tunnel_bridge"]]
        tunnel.cmd("sysctl -qw net.ipv6.conf.all.disable_ipv6=1")
        for interface in tunnel.intfList():
            tunnel.cmd(f"ethtool -K {interface.name} tx off rx off")
            tunnel.cmd(f"ip link set dev {interface.name} up")
        if site["controller"]:
            for switch in site["switches"]:
                set_controller(switch, target(site["controller"]))


def set_controller(switch: str, address: str) -> None:
    """Let a switch call its controller, which may come up much later."""
    create = ["--id=@c", "create", "Controller", f'target="{address}"', "max_backoff=1000"]
    sh("ovs-vsctl", "--", *create, "--", "set", "bridge", switch, "controller=@c")


# -- the description ----------------------------------------------------------------------


def describe(net: Any, plan: Json, spec: Json, *, started_ovs: bool) -> Json:
    """Everything the providers' substrate graphs and agents' configurations need."""
    sites = {}
    for number, (name, site) in enumerate(plan["sites"].items()):
        links = [link(net, site, *one) for one in site["links"]]
        sites[name] = {
            "controller": target(site["controller"]) if site["controller"] else "",
            "switches": [{"name": n, "dpid": d} for n, d in site["switches"].items()],
            "hosts": [
                {"name": n, "bridge": n, "uplinks": attachments(links, n)} for n in site["hosts"]
            ],
            "tunnel_bridges": [tunnel_bridge(net, site, links, number)],
            "links": links,
        }
    capacity = spec["capacity"]["wide_area"]
    ends = [
        {"site": name, "tunnel_bridge": one["name"], **one["wide_area"]}
        for name, site in sites.items()
        for one in site["tunnel_bridges"]
    ]
    return {
        "version": 1,
        "pid": os.getpid(),
        "prefix": spec["prefix"],
        "started_ovs": started_ovs,
        "ovsdb": f"unix:{OVS_DB}",
        "sites": sites,
        "wide_area": [{"a": ends[0], "b": ends[1], "capacity": capacity}],
    }


def link(net: Any, site: Json, a: str, b: str, capacity: int) -> Json:
    """One link with both its ends; `port` is the OpenFlow port number, 0 on a tunnel bridge."""
    ((here, there),) = net[a].connectionsTo(net[b])
    return {"a": end(site, a, here), "b": end(site, b, there), "capacity": capacity}


def end(site: Json, node: str, interface: Any) -> Json:
    """One end of a link."""
    dpid = site["switches"].get(node, "")
    kind = "switch" if dpid else "host" if node in site["hosts"] else "tunnel_bridge"
    number = 0
    if kind != "tunnel_bridge":
        number = int(sh("ovs-vsctl", "get", "Interface", interface.name, "ofport"))
    return {"node": node, "kind": kind, "dpid": dpid, "port": number, "name": interface.name}


def attachments(links: Sequence[Json], node: str) -> list[Json]:
    """How a host or tunnel bridge is linked to the switches."""
    return [
        {
            "port": one["a"]["name"],
            "number": one["a"]["port"],
            "switch": one["b"]["node"],
            "dpid": one["b"]["dpid"],
            "switch_port": one["b"]["port"],
            "switch_port_name": one["b"]["name"],
            "capacity": one["capacity"],
        }
        for one in links
        if one["a"]["node"] == node
    ]


def tunnel_bridge(net: Any, site: Json, links: Sequence[Json], number: int) -> Json:
    """A tunnel bridge: its namespace, data plane interface and wide-area address."""
    name = site["tunnel_bridge"]
    (attached,) = attachments(links, name)
    pid = net[name].pid
    return {
        "name": name,
        "pid": pid,
        "netns": f"/proc/{pid}/ns/net",
        **attached,
        "wide_area": {"device": site["wan"], "address": wan_address(number), "prefix_length": 30},
    }


# -- the life of a run --------------------------------------------------------------------


@contextlib.contextmanager
def claimed(prefix: str) -> Iterator[bool]:
    """Whether the names with this prefix are ours; nobody else gets them meanwhile.

    The claim is a socket in the abstract name space: taken in one step, and free again however
    its holder ends.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
        try:
            claim.bind(f"\0cloudnet-testbed:{prefix}")
        except OSError:
            yield False
        else:
            yield True


def run(spec: Json, state: Path) -> None:
    """Build, describe, wait, take down."""
    plan = layout(spec)
    state.mkdir(parents=True, exist_ok=True)
    if (state / NAMES).exists():
        raise TestbedError(f"{state} has a testbed already, or what a killed one left: --clean")
    with claimed(spec["prefix"]) as ours:
        if not ours:
            raise TestbedError("its names are taken by another testbed; choose another --prefix")
        run_claimed(plan, spec, state)


def run_claimed(plan: Json, spec: Json, state: Path) -> None:
    """The same, once nobody else can take the names."""
    tunnels = [site["tunnel_bridge"] for site in plan["sites"].values()]
    started = not ovs_runs()
    taken = [] if started else sh("ovs-vsctl", "list-br").split()
    taken = [b for b in taken if b in plan["bridges"]] + devices(plan["bridges"], tunnels)
    if taken:
        raise TestbedError(f"{', '.join(taken)}: names are taken; choose another --prefix")
    names = {
        "pid": os.getpid(),
        "prefix": spec["prefix"],
        "bridges": plan["bridges"],
        "tunnels": tunnels,
        "ovs": started,
    }
    write(state / NAMES, names)
    try:
        if started:
            start_ovs()
        with built(plan) as net:
            write(state / DESCRIPTION, describe(net, plan, spec, started_ovs=started))
            print(f"testbed is up: {state / DESCRIPTION}", flush=True)
            wait()
            (state / DESCRIPTION).unlink(missing_ok=True)
    finally:
        remove(names)
        forget(state)


def remove(names: Json) -> None:
    """Remove whatever bears one of the names, then stop Open vSwitch if we had started it."""
    for pid in shells([*names["bridges"], *names["tunnels"]]):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if ovs_runs():
        gone = [word for b in names["bridges"] for word in ("--", "--if-exists", "del-br", b)]
        sh("ovs-vsctl", "--timeout=15", *gone)
    for device in devices(names["bridges"], names["tunnels"]):
        sh("ip", "link", "del", "dev", device, check=False)  # its other end may have taken it along
    if names["ovs"]:
        stop_ovs_if_idle()


def clean(state: Path) -> None:
    """Remove what a run left that used `state`; end it first if it is still there."""
    recorded = state / NAMES
    if not recorded.exists():
        forget(state)
        return
    names = json.loads(recorded.read_text(encoding="utf-8"))
    if is_testbed(names["pid"]):
        os.kill(names["pid"], signal.SIGTERM)
        deadline = time.monotonic() + 20
        while is_testbed(names["pid"]) and time.monotonic() < deadline:
            time.sleep(0.1)
        if is_testbed(names["pid"]):
            os.kill(names["pid"], signal.SIGKILL)
    with claimed(names["prefix"]) as ours:
        if ours and recorded.exists():  # else what bears the names is another run's by now
            remove(names)
    forget(state)


def forget(state: Path) -> None:
    """Remove our files."""
    for name in (DESCRIPTION, NAMES, f".{DESCRIPTION}.new", f".{NAMES}.new"):
        (state / name).unlink(missing_ok=True)


def is_testbed(pid: int) -> bool:
    """Whether the process is a run of this program."""
    with contextlib.suppress(OSError):
        return Path(__file__).name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


class Ended(Exception):
    """A signal asks us to end."""


def wait() -> None:
    """Return when standard input ends; without one (/dev/null), when a signal comes."""
    if not sys.stdin or os.fstat(0).st_rdev == Path(os.devnull).stat().st_rdev:
        while True:
            signal.pause()
    while select.select([0], [], []) and os.read(0, 4096):
        pass


def _ended(*_: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the way down is not to be cut short
    raise Ended


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--state", type=Path, required=True, help="where testbed.json is written")
    parser.add_argument("--spec", type=Path, help="JSON: members of DEFAULT to be changed")
    parser.add_argument("--prefix", help="before all names, at most 4 of a-z0-9")
    parser.add_argument(
        "--controller", action="append", default=[], metavar="SITE=HOST:PORT", help="per site"
    )
    parser.add_argument("--clean", action="store_true", help="remove what a killed run left")
    return parser.parse_args()


def specification(options: argparse.Namespace) -> Json:
    """The default, changed by the file, changed by the command line."""
    given = json.loads(options.spec.read_text(encoding="utf-8")) if options.spec else {}
    spec = merged(DEFAULT, given)
    if options.prefix is not None:
        spec["prefix"] = options.prefix
    for one in options.controller:
        site, _, address = one.partition("=")
        if site not in spec["sites"] or not address:
            raise TestbedError(f"--controller {one}: SITE=HOST:PORT, of {', '.join(spec['sites'])}")
        spec["sites"][site]["controller"] = address
    return spec


def main() -> int:
    """Run it; the exit code."""
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _ended)
    try:
        if options.clean:
            clean(options.state)
        else:
            run(specification(options), options.state)
    except Ended:
        return 0
    except Exception as exc:  # Mininet raises bare ones
        print(f"testbed: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
