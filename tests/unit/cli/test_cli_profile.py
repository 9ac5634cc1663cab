"""Which role is talked to, and as whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudnet_sdn.pki import init_authority, issue
from cloudnet_sdn.profile import ProfileError, Profiles, files, load, resolve
from cloudnet_sdn.wire.identity import Caller, Kind

URL = "https://vnp.example:8642/RPC2"


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    for name in ("ca.pem", "me.pem", "me.key"):
        (tmp_path / name).write_text("PEM")
    return tmp_path


def profile_file(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(text)
    return folder / "config.toml"


def lab(at: str = URL) -> str:
    return f'[profile.lab]\nat = "{at}"\nca = "ca.pem"\ncert = "me.pem"\nkey = "me.key"\n'


def test_paths_of_a_profile_are_relative_to_its_file(pem):
    target = resolve({}, {}, load([profile_file(pem, lab())]))
    assert target.at == URL
    assert target.tls is not None
    assert target.tls.key == pem / "me.key"


def test_option_beats_variable_beats_profile(pem):
    profiles = load([profile_file(pem, lab())])
    environ = {"CLOUDNET_AT": "https://env.example", "CLOUDNET_CERT": str(pem / "ca.pem")}
    target = resolve({"at": "https://opt.example"}, environ, profiles)
    assert target.at == "https://opt.example"
    assert target.tls is not None
    assert target.tls.cert == pem / "ca.pem"
    assert target.tls.key == pem / "me.key"


def test_the_users_profile_hides_the_machines_of_the_same_name(pem):
    user = profile_file(pem, lab("https://user.example"))
    machine = profile_file(pem / "etc", 'default = "lab"\n' + lab("https://machine.example"))
    found = load([user, machine])
    assert found.default == "lab"
    assert found.get(None)["at"] == "https://user.example"


def test_a_profile_is_chosen_by_name_by_default_or_by_being_the_only_one():
    two = {"a": {"at": "http://localhost:1"}, "b": {"at": "http://localhost:2"}}
    assert resolve({}, {}, Profiles(two), "b").at == "http://localhost:2"
    assert resolve({}, {"CLOUDNET_PROFILE": "a"}, Profiles(two)).at == "http://localhost:1"
    assert resolve({}, {}, Profiles(two, "b")).at == "http://localhost:2"
    assert resolve({}, {}, Profiles({"a": two["a"]})).at == "http://localhost:1"
    with pytest.raises(ProfileError, match="which role"):
        resolve({}, {}, Profiles(two))
    with pytest.raises(ProfileError, match=r"no profile .c. .known: a, b"):
        resolve({}, {}, Profiles(two), "c")


def test_xdg_comes_before_home_and_both_before_the_machine():
    assert files({"XDG_CONFIG_HOME": "/x", "HOME": "/h"})[0] == Path("/x/cloudnet-sdn/config.toml")
    assert files({"HOME": "/h"})[0] == Path("/h/.config/cloudnet-sdn/config.toml")
    assert files({})[1] == Path("/etc/cloudnet-sdn/config.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profile = 3", "profile: a table is wanted, not 3"),
        ("defualt = 'x'", "defualt: unknown key; there are default, profile"),
        ("[profile.x]\nurl = 'y'", "profile.x.url: unknown key"),
        ("[profile.x]\nat = 3", "profile.x.at: text is wanted, not 3"),
        ("[profile", "config.toml: "),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, text, said):
    with pytest.raises(ProfileError, match=r"config\.toml") as error:
        load([profile_file(tmp_path, text)])
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"at": "http://example.org"}, "plain HTTP is for loopback"),
        ({"at": "vnp:8642"}, "a URL such as"),
        ({"at": URL}, "--ca, --cert, --key missing"),
        ({"at": URL, "ca": "x", "cert": "y"}, "--key missing"),
        ({"at": URL, "ca": "/nowhere/ca.pem", "cert": "y", "key": "z"}, "/nowhere/ca.pem: no such"),
    ],
)
def test_what_does_not_add_up_is_said(given, said):
    with pytest.raises(ProfileError) as error:
        resolve(given, {}, Profiles())
    assert said in str(error.value)


def test_the_command_uses_the_users_profile(sh):
    home = sh.folder / "home" / ".config" / "cloudnet-sdn"
    profile_file(home, f'[profile.lab]\nat = "{sh.url}"\n')
    assert sh("list", "--format", "json").data == []
    assert sh("list", "--profile", "other").code == 2


def test_files_that_are_no_certificates_are_a_usage_error(sh):
    for name in ("ca.pem", "me.pem", "me.key"):
        sh.file(name, "no PEM")
    words = ["list", "--at", "https://127.0.0.1:1", "--ca", "ca.pem", "--cert", "me.pem"]
    ran = sh(*words, "--key", "me.key")
    assert ran.code == 2
    assert "ca.pem" in ran.err


def test_certificates_of_pki_serve_the_client(sh):
    init_authority(Path("ca"), "lab")
    mine = issue(Path("ca"), "cloudnet:tenant:me", out=Path("me"))
    files = ["--ca", str(mine.ca), "--cert", str(mine.cert), "--key", str(mine.key)]
    assert sh("list", "--at", "https://127.0.0.1:1", *files).code == 5


def test_who_is_meant_is_told_or_any_role(tmp_path, sh):
    """By the option, the variable or the profile; what is no name is an error."""
    at = {"at": "http://127.0.0.1:1"}
    file = profile_file(tmp_path, '[profile.lab]\nrole = "vnp"\n')
    assert resolve(at, {}, Profiles()).peer is Kind.ROLE
    assert resolve(at, {}, load([file])).peer == Caller(Kind.ROLE, "vnp")
    assert resolve(at, {"CLOUDNET_ROLE": "b"}, load([file])).peer == Caller(Kind.ROLE, "b")
    assert resolve({**at, "role": "c"}, {}, load([file])).peer == Caller(Kind.ROLE, "c")
    assert sh("list", "--at", "http://127.0.0.1:1", "--role", "not a name").code == 2
