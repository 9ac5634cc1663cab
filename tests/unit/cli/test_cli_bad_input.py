"""Bad input of every kind through the real commands: an exit code of the contract, plain words."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

NOISE = re.compile(r"unforeseen|Traceback|\b[A-Z][A-Za-z]*(?:Error|Exception)\b|\[Errno")
"""What no person should have to read: class names, stack traces, numbers of errors."""

SUBSTRATE = """\
rdl: 1
graph: dc
layer: underlay
nodes: {h1: {type: /node/host/server/kvm, cpu: 4}}
"""
REQUEST = "rdl: 1\ngraph: g\nnodes: {v: {cpu: 1}}\n"
ROLE = """\
kind = "vnp"
name = "vnp"
[api]
listen = "127.0.0.1:0"
[store]
url = "sqlite:///v.db"
"""
PIP = ROLE.replace("vnp", "pip")
DEEP = "x = " + "[" * 5000


@pytest.fixture
def folder(sh) -> Path:
    """Files and folders to name, good and bad."""
    sh.file("ul.yaml", SUBSTRATE)
    sh.file("r.yaml", REQUEST)
    (sh.folder / "latin.yaml").write_bytes(b"rdl: 1\ngraph: \xe9\n")
    (sh.folder / "zero.yaml").write_bytes(b"\0" * 10)
    sh.file("empty.yaml", "")
    (sh.folder / "folder").mkdir()
    (sh.folder / "half").mkdir()
    sh.file("half/old.overlay.yaml", REQUEST)
    sh.file("junk.pem", "no PEM")
    sh.file("junk.db", "this is no database, though long enough to look at" * 40)
    return sh.folder


PLAN = ("plan", "r.yaml", "--substrate", "ul.yaml")
FREE = ("consolidate", "--substrate", "ul.yaml", "--state")
AT = ("list", "--at")
ARGUMENTS: dict[int, list[tuple[str, ...]]] = {
    2: [
        ("pki", "init", "x", "--days", "99999999"),
        ("pki", "init", "x", "--days", "0"),
        ("pki", "init", "x", "--days", "-1"),
        ("pki", "init", "x", "--name", ""),
        ("pki", "init", "x", "--name", "n" * 65),
        ("pki", "init", "x", "--name", "a\nb"),
        ("pki", "init", "x", "--name", "\udcff"),
        ("pki", "init", "r.yaml"),
        ("pki", "init", "r.yaml/ca"),
        ("pki", "issue", "folder", "cloudnet:tenant:a", "--out", "o"),
        ("pki", "issue", "folder", "cloudnet:king:a", "--out", "o"),
        ("pki", "issue", "folder", "x", "--out", "o"),
        (*PLAN, "--time-limit", "nan"),
        (*PLAN, "--time-limit", "inf"),
        (*PLAN, "--time-limit", "-1"),
        (*PLAN, "--time-limit", "0"),
        (*PLAN, "--gap", "nan"),
        (*PLAN, "--gap", "-0.1"),
        (*PLAN, "--objective", "beauty"),
        (*PLAN, "--objective", ""),
        (*PLAN, "--method", "quick"),
        (*PLAN, "-o", "folder"),
        (*PLAN, "-o", "nowhere/out.yaml"),
        (*PLAN, "-o", "r.yaml/out.yaml"),
        (*PLAN, "-o", "n" * 300),
        (*PLAN, "--state", "nowhere"),
        (*PLAN, "--state", "r.yaml"),
        ("plan", "folder", "--substrate", "ul.yaml"),
        ("plan", "nowhere.yaml", "--substrate", "ul.yaml"),
        (*FREE, "folder", "--free", "nan", "--of", "hosts"),
        (*FREE, "folder", "--free", "0", "--of", "hosts"),
        (*FREE, "folder", "--free", "-5%", "--of", "hosts"),
        (*FREE, "folder", "--free", "5%", "--of", "disks"),
        ("draw", "r.yaml", "-o", "nowhere/x.svg"),
        ("draw", "r.yaml", "-o", "x.gif"),
        ("convert", "r.yaml", "-o", "nowhere/x.yaml"),
        ("convert", "r.yaml", "--bandwidth", "fast"),
        ("fmt", "folder"),
        ("validate", "folder"),
        (*AT, "nonsense"),
        (*AT, ""),
        (*AT, "http://[::1"),
        (*AT, "https://h:99999/RPC2"),
        (*AT, "ftp://127.0.0.1/RPC2"),
        (*AT, "http://192.0.2.7/RPC2"),
        (*AT, "https://127.0.0.1:1/RPC2"),
        (*AT, "https://h:1", "--ca", "nowhere", "--cert", "junk.pem", "--key", "junk.pem"),
        (*AT, "https://h:1", "--ca", "junk.pem", "--cert", "junk.pem", "--key", "junk.pem"),
        (*AT, "https://h:1", "--ca", "folder", "--cert", "junk.pem", "--key", "junk.pem"),
        (*AT, "https://h:1", "--ca", "~nobody-at-all/x", "--cert", "junk.pem", "--key", "junk.pem"),
        ("list", "--profile", "none"),
        ("request", "r.yaml", "--timeout", "nan", "--at", "http://127.0.0.1:1"),
        ("request", "r.yaml", "--hold", "0", "--at", "http://127.0.0.1:1"),
        ("request", "r.yaml", "--until", "soon", "--at", "http://127.0.0.1:1"),
        ("request", "r.yaml", "--request-id", "x", "--at", "http://127.0.0.1:1"),
        ("start", "c", "--timeout", "inf", "--at", "http://127.0.0.1:1"),
        ("db", "upgrade"),
        ("db", "upgrade", "--url", ""),
        ("db", "upgrade", "--url", "nonsense"),
        ("db", "upgrade", "--url", "sqlite://"),
        ("db", "upgrade", "--url", "oracle+nothing://x/y"),
        ("db", "upgrade", "--url", "mysql+pymysql://u:secret@h:port/x"),
        ("db", "upgrade", "--url", "sqlite:////nowhere/at/all.db"),
        ("db", "upgrade", "--url", "sqlite:///folder"),
        ("db", "upgrade", "--url", "sqlite:///junk.db"),
        ("db", "upgrade", "--url", "sqlite:///r.yaml/x.db"),
        ("vnp", "serve", "--config", "nowhere.toml"),
        ("vnp", "serve", "--config", "folder"),
        ("demo", "--request", "nowhere.yaml"),
        ("demo", "--state", "r.yaml"),
    ],
    4: [
        (*PLAN, "--state", "half"),
        (*FREE, "half", "--free", "5%", "--of", "hosts"),
        ("plan", "latin.yaml", "--substrate", "ul.yaml"),
        ("plan", "r.yaml", "--substrate", "zero.yaml"),
        ("plan", "ul.yaml", "--substrate", "ul.yaml"),
        ("validate", "latin.yaml"),
        ("validate", "empty.yaml"),
        ("validate", "zero.yaml"),
        ("fmt", "latin.yaml"),
        ("diff", "latin.yaml", "r.yaml"),
        ("draw", "zero.yaml", "--kind", "svg"),
        ("convert", "latin.yaml"),
        ("request", "latin.yaml", "--at", "http://127.0.0.1:1"),
        ("request", "ul.yaml", "--at", "http://127.0.0.1:1"),
    ],
    5: [(*AT, "http://127.0.0.1:1"), (*AT, "http://localhost:1/RPC2")],
}  # fmt: skip
EVERY = [(code, words) for code, listed in ARGUMENTS.items() for words in listed]


@pytest.mark.parametrize(("code", "words"), EVERY)
def test_a_bad_argument_ends_by_contract_in_plain_words(sh, folder, code, words):
    ran = sh(*words)
    assert ran.code == code, ran.err
    assert ran.err.strip()
    assert not NOISE.search(ran.err), ran.err
    assert "secret" not in ran.err


TLS = 'tls = {ca = "junk.pem", cert = "junk.pem", key = "junk.pem"}\n'
CONFIGURATIONS: list[tuple[str, str]] = [
    (ROLE.replace(":0", ":99999"), "api.listen"),
    (ROLE.replace(":0", ":-1"), "api.listen"),
    (ROLE.replace("127.0.0.1:0", "nothing"), "api.listen"),
    (ROLE.replace("127.0.0.1:0", "[::1"), "api.listen"),
    (ROLE.replace("127.0.0.1:0", "192.0.2.7:8080"), "api.listen: plain HTTP"),
    (ROLE.replace("[store]", TLS + "[store]"), "api.tls"),
    (ROLE.replace("[store]", TLS.replace("junk", "none") + "[store]"), "none.pem"),
    (ROLE.replace("[store]", TLS.replace("junk.pem", "folder") + "[store]"), "directory"),
    (ROLE.replace("sqlite:///v.db", "sqlite:////nowhere/v.db"), "store.url: the folder /nowhere"),
    (ROLE.replace("sqlite:///v.db", "sqlite:///folder"), "store.url"),
    (ROLE.replace("sqlite:///v.db", "sqlite:///junk.db"), "store.url"),
    (ROLE.replace("sqlite:///v.db", "nonsense"), "store.url"),
    (ROLE.replace("sqlite:///v.db", "sqlite://"), "store.url"),
    (ROLE.replace("sqlite:///v.db", "nosuch://h/d"), "store.url"),
    (ROLE.replace('"vnp"', "7", 1), "kind"),
    (ROLE.replace('name = "vnp"', 'name = ""'), "name"),
    (ROLE.replace('name = "vnp"', f'name = "{"n" * 64}"'), "name"),
    (ROLE.replace('name = "vnp"', 'name = "a.b"'), "name"),
    (ROLE + "[timing]\ntick_s = nan\n", "timing.tick_s"),
    (ROLE + "[timing]\ntick_s = -1\n", "timing.tick_s"),
    (ROLE + "[timing]\ntick_s = 0\n", "timing.tick_s"),
    (ROLE + f"[timing]\nsolve_s = {'9' * 400}\n", "timing.solve_s"),
    (ROLE + "[timing]\nsolve_s = inf\n", "timing.solve_s"),
    (ROLE + "[timing]\nsolve_s = 'x'\n", "timing.solve_s"),
    (ROLE + "[leases]\ndefault_h = 1e300\n", "leases.default_h"),
    (ROLE + "[leases]\ndefault_h = 0\n", "leases.default_h"),
    (ROLE + "[quota]\nvnodes = -1\n", "quota.vnodes"),
    (ROLE + "[quota]\nvnodes = 1.5\n", "quota.vnodes"),
    (ROLE + "[console]\nlisten = '127.0.0.1:0'\n", "console.tls"),
    (ROLE + "[[pip]]\nname = 'a'\nurl = 'nonsense'\n", "pip[0].url"),
    (ROLE + "[[pip]]\nname = 'a'\nurl = 'http://[::1'\n", "pip[0].url"),
    (ROLE + "[[pip]]\nname = 'a'\nurl = 'https://h:99999'\n", "pip[0].url"),
    (ROLE + "[[pip]]\nname = 'a b'\nurl = 'http://127.0.0.1:1'\n", "pip[0].name"),
    (ROLE + "[[pip]]\nname = 'a'\nurl = 'https://h'\n", "pip[0].url"),
    (ROLE + "[[transit]]\nid = 't'\nends = ['a.t1']\n", "transit.t"),
    (ROLE + "[pip]\nname = 'a'\n", "pip"),
    (ROLE + "[substrate]\nfile = 'ul.yaml'\n", "substrate"),
    ("objective = 'beauty'\n" + ROLE, "objective"),
    ("operators = ['a b']\n" + ROLE, "operators[0]"),
    ("operators = 'a'\n" + ROLE, "operators"),
    ("colour = 1\n" + ROLE, "colour"),
    (PIP + "[vlans]\nmin = 9\nmax = 3\n", "vlans"),
    (PIP + "[vlans]\nmin = -4\n", "vlans"),
    (PIP + "[vlans]\nreserved = [99999]\n", "vlans.reserved"),
    (PIP + "[substrate]\nfile = 'nowhere.yaml'\n", "substrate.file"),
    (PIP + "[substrate]\nfile = 'folder'\n", "substrate.file"),
    (PIP + "[agents]\nsn1 = 'nonsense'\n", "agents.sn1"),
    (PIP + "[agents]\nsn1 = 5\n", "agents.sn1"),
    (PIP + "[agents]\nsn1 = 'https://h/RPC2'\n", "internal"),
    (PIP + "[controller]\nurl = 'https://h:0/RPC2'\n", "controller.url"),
    (PIP + "[internal]\nca = 'junk.pem'\ncert = 'junk.pem'\nkey = 'junk.pem'\n", "internal"),
    (PIP + "[[grant]]\ncaller = 'x'\nendpoint = ''\nvlan = {min = 9, max = 2}\n", "grant 1"),
    ("= 3", "TOML"),
    (DEEP, "nested"),
    (f"x = {'9' * 5000}", "digits"),
    ("\x00", "TOML"),
    ("", "kind: missing"),
]


@pytest.mark.parametrize(("text", "says"), CONFIGURATIONS, ids=range(len(CONFIGURATIONS)))
def test_a_bad_configuration_of_a_role_names_file_and_key(sh, folder, text, says):
    name = sh.file("role.toml", text)
    ran = sh("pip" if '"pip"' in text else "vnp", "serve", "--config", name)
    assert ran.code == 2, ran.err
    assert "role.toml: " in ran.err
    assert says in ran.err
    assert not NOISE.search(ran.err), ran.err


def test_a_substrate_that_is_invalid_ends_as_an_invalid_document(sh, folder):
    config = sh.file("role.toml", PIP + "[substrate]\nfile = 'latin.yaml'\n")
    ran = sh("pip", "serve", "--config", config)
    assert ran.code == 4
    sh.file("bad.yaml", SUBSTRATE.replace("cpu: 4", "cpu: no"))
    ran = sh(
        "pip", "serve", "--config", sh.file("r.toml", PIP + "[substrate]\nfile = 'bad.yaml'\n")
    )
    assert ran.code == 4
    assert re.search(r"bad\.yaml: graph:4:\d+: ", ran.err)


def test_all_that_is_wrong_with_a_configuration_is_told_at_once(sh, folder):
    text = ROLE.replace(":0", ":99999").replace('name = "vnp"', 'name = "a b"')
    ran = sh("vnp", "serve", "--config", sh.file("role.toml", text + "[quota]\nvnodes = -1\n"))
    assert ran.code == 2
    assert all(key in ran.err for key in ("name:", "api.listen:", "quota.vnodes:"))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield held.getsockname()[1]


def test_a_port_that_is_in_use_is_said_before_the_store_is_touched(sh, folder, taken):
    ran = sh("vnp", "serve", "--config", sh.file("role.toml", ROLE.replace(":0", f":{taken}")))
    assert ran.code == 2
    assert f"api.listen: 127.0.0.1:{taken}: this port is in use" in ran.err
    assert not (folder / "v.db").exists()


AGENT = """\
name = "sn1"
provider = "berlin"
state = "state"
listen = "127.0.0.1:0"
[tls]
ca = "junk.pem"
cert = "junk.pem"
key = "junk.pem"
"""
SHELLS = [
    ("hostagent", AGENT, "tls: "),
    ("hostagent", AGENT.replace('"state"', '"r.yaml/state"'), "state: "),
    ("hostagent", AGENT.replace("127.0.0.1", "192.0.2.7"), "listen: 192.0.2.7:0: this machine has"),
    ("hostagent", AGENT + "[[tunnel]]\nname = 7\n", "tunnel"),
    ("hostagent", "\x00", "TOML"),
    ("ryu_apps", 'store = "sqlite:////nowhere/c.db"', "store: the folder /nowhere"),
    ("ryu_apps", 'store = "sqlite:///junk.db"', "store: "),
    ("ryu_apps", 'listen = "[::1"', "listen: "),
    ("ryu_apps", 'api = "http://[::1"', "api: "),
    ("ryu_apps", 'api = "http://127.0.0.1:99999"', "api: "),
    ("ryu_apps", "wait_s = inf", "wait_s: "),
    ("ryu_apps", "[capacity.ports]\n'zzzzzzzzzzzzzzzz:1' = 5", "DPID:PORT"),
]


def test_bad_configurations_of_the_shells_end_with_2_and_name_the_key(sh, folder):
    """Processes of their own, all at once: both patch or log for the whole process."""
    running = []
    for number, (module, text, says) in enumerate(SHELLS):
        file = sh.file(f"{number}.toml", text)
        argv = [sys.executable, "-m", module, "--config", file]
        running.append((subprocess.Popen(argv, stderr=subprocess.PIPE, text=True), says))
    for process, says in running:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 2, said
        assert says in said
        assert not NOISE.search(said), said


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("validate - <&-", 2),
        ("validate r.yaml >&-", 0),
        ("schema >/dev/full", 1),
        ("validate $'\\xff.yaml'", 0),
    ],
)
def test_closed_and_full_streams_and_odd_names_end_in_plain_words(sh, folder, script, code):
    Path(os.fsdecode(b"\xff.yaml")).write_text(REQUEST)
    argv = ["bash", "-c", f'"{sys.executable}" -m cloudnet_sdn {script}']
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stderr
    assert not NOISE.search(ran.stderr), ran.stderr
