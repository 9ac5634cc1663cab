"""The commands that need no role: documents, plans, certificates, schema, processes, doctor."""

from __future__ import annotations

import dataclasses
import io
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cloudnet_sdn.doctor import State, ThisMachine, examine, ready

SUBSTRATE = """\
rdl: 1
graph: berlin
layer: underlay
nodes:
  sn1: {type: /node/host/server/namespace, cpu: 8}
  sn2: {type: /node/host/server/namespace, cpu: 8}
  sw: {type: /node/switch/openflow}
links:
  sn1-sw: {ends: [sn1, sw], bandwidth: 100Mbps}
  sw-sn2: {ends: [sw, sn2], bandwidth: 100Mbps}
"""
APART = """\
rdl: 1
graph: shop
nodes: {web: {cpu: 2}, db: {cpu: 4}}
links: {web-db: {ends: [web, db], bandwidth: 5Mbps}}
constraints: [{apart: [web, db]}]
"""
BAD = "rdl: 1\ngraph: bad\nnodes: {a: {cpu: no}, b: {cpus: 1}}\n"


# -- validate


def test_valid_files_are_named_on_stdout(sh):
    ran = sh("validate", sh.shop(), sh.file("s.yaml", SUBSTRATE))
    assert ran.code == 0
    assert ran.out == "shop.yaml: valid (overlay shop)\ns.yaml: valid (underlay berlin)\n"
    assert ran.err == ""


def test_every_error_of_every_file_has_its_place(sh):
    ran = sh("validate", sh.file("bad.yaml", BAD), sh.shop(), sh.file("worse.yaml", "rdl: 2\n"))
    assert ran.code == 4
    lines = ran.err.splitlines()
    assert lines[0].startswith("bad.yaml:3:18: nodes.a.cpu: ")
    assert lines[1].startswith("bad.yaml:3:27: nodes.b.cpus: ")
    assert lines[2].startswith("worse.yaml:1:")
    assert ran.out == "shop.yaml: valid (overlay shop)\n"


def test_validate_reads_stdin(sh, monkeypatch):
    # Commands run in this process, whose standard input is pytest's.
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    ran = sh("validate", "-")
    assert ran.code == 4
    assert ran.err.startswith("<stdin>:3:18: ")


def test_validate_as_json_has_places_as_numbers(sh):
    ran = sh("validate", sh.file("bad.yaml", BAD), "--format", "json")
    assert ran.code == 4
    assert ran.data[0]["problems"][0] | {"text": ""} == {
        "line": 3,
        "column": 18,
        "where": "nodes.a.cpu",
        "text": "",
    }


def test_a_file_that_is_not_there_is_a_usage_error(sh):
    assert sh("validate", "nowhere.yaml").code == 2


# -- plan


def test_plan_prints_the_mapping_of_the_contract(sh):
    ran = sh("plan", sh.file("r.yaml", APART), "--substrate", sh.file("s.yaml", SUBSTRATE),
             "--format", "json")  # fmt: skip
    assert ran.code == 0
    plan = ran.data
    assert plan["status"] == "optimal"
    assert plan["objective"] == {"name": "cost", "value": 10, "bound": 10, "gap": 0}
    assert sorted(plan["nodes"].values()) == ["sn1", "sn2"]
    assert sorted(plan["links"]["web-db"]) == ["sn1-sw", "sw", "sw-sn2"]
    assert set(plan) == {
        "status", "objective", "nodes", "links", "backups", "chosen", "reasons", "seconds",
    }  # fmt: skip


def test_plan_counts_what_is_embedded_and_writes_such_a_folder(sh):
    substrate = sh.file("s.yaml", SUBSTRATE)
    wide = APART.replace("5Mbps", "60Mbps")
    state = sh.folder / "state"
    state.mkdir()
    (state / "shop.overlay.yaml").write_text(wide)
    first = sh("plan", "state/shop.overlay.yaml", "--substrate", substrate,
               "-o", "state/shop.mapping.yaml")  # fmt: skip
    assert first.code == 0
    second = sh.file("second.yaml", wide.replace("shop", "second"))
    ran = sh("plan", second, "--substrate", substrate, "--state", "state", "--format", "json")
    assert ran.code == 3
    assert ran.data["status"] == "infeasible"
    assert ran.data["reasons"]


def test_an_infeasible_plan_ends_with_3_and_the_reasons(sh):
    big = sh.file("r.yaml", APART.replace("cpu: 4", "cpu: 40"))
    ran = sh("plan", big, "--substrate", sh.file("s.yaml", SUBSTRATE))
    assert ran.code == 3
    assert "capacity" in ran.out


def test_plan_refuses_the_wrong_layers_and_unknown_objectives(sh):
    request, substrate = sh.file("r.yaml", APART), sh.file("s.yaml", SUBSTRATE)
    assert sh("plan", request, "--substrate", request).code == 4
    assert sh("plan", substrate, "--substrate", substrate).code == 4
    ran = sh("plan", request, "--substrate", substrate, "--objective", "beauty")
    assert ran.code == 2
    assert "cost" in ran.err
    assert sh("plan", sh.file("bad.yaml", BAD), "--substrate", substrate).code == 4


# -- certificates, schema


def test_pki_makes_an_authority_once_and_issues(sh):
    assert sh("pki", "init", "ca", "--name", "lab", "--format", "json").code == 0
    assert stat.S_IMODE(Path("ca/ca.key").stat().st_mode) == 0o600
    assert sh("pki", "init", "ca").code == 6
    ran = sh("pki", "issue", "ca", "cloudnet:tenant:me", "--out", "me", "--format", "json")
    assert ran.code == 0
    assert all(Path(path).is_file() and Path(path).is_absolute() for path in ran.data.values())
    assert sh("pki", "issue", "ca", "cloudnet:king:me", "--out", "me").code == 2
    ran = sh("pki", "issue", "nowhere", "cloudnet:tenant:me", "--out", "me")
    assert ran.code == 2
    assert "cloudnet pki init nowhere" in ran.err


def test_db_upgrade_makes_a_store_and_may_be_repeated(sh):
    url = f"sqlite:///{sh.folder}/role.db"
    first = sh("db", "upgrade", "--url", url, "--format", "json").data
    assert first["before"] == ""
    assert first["after"]
    again = sh("db", "upgrade", "--url", url, "--format", "json").data
    assert again == {"before": first["after"], "after": first["after"]}
    assert sh("db", "upgrade").code == 2
    assert sh("db", "upgrade", "--config", sh.file("role.toml", "kind = 'king'")).code == 2


# -- processes


@pytest.mark.parametrize("kind", ["pip", "vnp"])
def test_serving_needs_a_configuration_that_can_be_taken(sh, kind):
    assert sh(kind, "serve").code == 2
    ran = sh(kind, "serve", "--config", sh.file("role.toml", "kind = 'king'"))
    assert ran.code == 2
    assert "role.toml" in ran.err


def test_a_role_is_not_served_from_the_other_kinds_configuration(sh):
    text = "kind = 'vnp'\nname = 'x'\napi = {listen = '127.0.0.1:0'}\nstore = {url = 'sqlite://'}\n"
    ran = sh("pip", "serve", "--config", sh.file("role.toml", text))
    assert ran.code == 2
    assert "of a vnp, not of a pip" in ran.err


@pytest.mark.parametrize(("words", "module"), [(["controller"], "ryu_apps"),
                                               (["agent", "serve"], "hostagent")])  # fmt: skip
def test_the_shells_are_processes_of_their_own(sh, monkeypatch, words, module):
    """The command becomes the shell's process, with the options given."""
    became = []

    def execv(program: str, arguments: list[str]) -> None:
        became.append((program, arguments))
        raise SystemExit(0)

    # The real one would put the command in the place of pytest.
    monkeypatch.setattr("os.execv", execv)
    with pytest.raises(SystemExit):
        sh(*words, "--config", "x.toml")
    assert became == [(sys.executable, [sys.executable, "-m", module, "--config", "x.toml"])]


# -- doctor


@dataclasses.dataclass
class Bare:
    """A machine that lacks what a test takes away from the one we run on."""

    lacking: frozenset[str] = frozenset()
    root: bool = True
    ovs_runs: bool = True
    others: frozenset[str] = frozenset()

    def which(self, program: str) -> str | None:
        return None if program in self.lacking else f"/usr/bin/{program}"

    def output(self, *command: str) -> str | None:
        return None if command[0] == "ovs-vsctl" and not self.ovs_runs else "3.1.0\n"

    def exists(self, path: str) -> bool:
        return path not in self.lacking

    def is_root(self) -> bool:
        return self.root

    def version(self, distribution: str) -> str | None:
        known = {"ryu": "4.34", "PuLP": "3.3.2"}
        return None if distribution in self.lacking else known.get(distribution, "1.0")

    def owners(self, package: str) -> frozenset[str]:
        return frozenset({"cloudnet-sdn"}) | (self.others if package == "mip" else frozenset())


def mended(machine: Bare) -> dict[str, str]:
    return {f.what: f.mend for f in examine(machine) if f.state is State.MISSING}


def test_a_machine_that_has_everything_is_ready():
    findings = examine(Bare())
    assert ready(findings)
    assert not [f for f in findings if f.mend]


@pytest.mark.parametrize(
    ("machine", "what", "mend"),
    [
        (Bare(frozenset({"openvpn"})), "openvpn", "apt-get install openvpn"),
        (Bare(frozenset({"mn"})), "mn", "apt-get install mininet"),
        (Bare(ovs_runs=False), "Open vSwitch", "ovs-ctl start"),
        (Bare(frozenset({"/dev/net/tun"})), "/dev/net/tun", "mknod"),
        (Bare(frozenset({"ryu"})), "Ryu", "--build-constraint requirements/build.txt"),
        (Bare(frozenset({"PuLP"})), "CBC", "pip install 'pulp"),
        (Bare(root=False), "root", "sudo"),
        (Bare(others=frozenset({"python-mip"})), "package mip", "pip uninstall python-mip"),
    ],
)
def test_what_is_missing_comes_with_the_command_that_mends_it(machine, what, mend):
    found = mended(machine)
    assert list(found) == [what]
    assert mend in found[what]


def test_what_is_merely_nice_does_not_fail():
    findings = examine(Bare(frozenset({"highspy", "/sys/module/openvswitch"})))
    assert ready(findings)
    assert {f.what for f in findings if f.state is State.NOTE} == {"HiGHS", "datapath"}


def test_this_machine_can_be_asked():
    machine = ThisMachine()
    assert machine.output("sh", "-c", "echo there") == "there\n"
    assert machine.output("sh", "-c", "exit 1") is None
    assert machine.which("no-such-program-anywhere") is None
    assert machine.version("no-such-distribution") is None
    assert machine.owners("rdl") == {"cloudnet-sdn"}


def test_doctor_ends_with_1_where_something_is_missing(sh):
    ran = sh("doctor", "--format", "json")
    missing = [f for f in ran.data if f["state"] == "missing"]
    assert ran.code == (1 if missing else 0)


# -- output


def test_no_colour_reaches_a_pipe(sh):
    assert "\x1b" not in sh("validate", sh.shop()).out


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_colour_unless_the_user_says_no(sh, no_color, tmp_path):
    code = (
        "import pty, os, sys; pid, fd = pty.fork()\n"
        "if pid == 0:\n"
        "    from cloudnet_sdn.cli.output import rows\n"
        "    rows(('state',), [('failed',)]); os._exit(0)\n"
        "out = b''\n"
        "try:\n"
        "    while part := os.read(fd, 1024): out += part\n"
        "except OSError: pass\n"
        "os.waitpid(pid, 0); sys.stdout.buffer.write(out)\n"
    )
    env = {"PATH": "/usr/bin:/bin", "TERM": "xterm"} | ({"NO_COLOR": no_color} if no_color else {})
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=env)
    assert (b"\x1b[" in ran.stdout) is not bool(no_color)
