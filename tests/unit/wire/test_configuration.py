"""Addresses, URLs and files of configurations: what is taken, and what is said of the rest."""

from __future__ import annotations

import socket

import pytest

from cloudnet_sdn.wire.configuration import (
    ConfigurationError,
    folder_trouble,
    listening_trouble,
    listening_troubles,
    parse_listen,
    parse_url,
    read_toml,
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("localhost:80", ("localhost", 80)),
        ("0.0.0.0:8443", ("0.0.0.0", 8443)),
    ],
)
def test_a_place_to_listen_at(text, place):
    assert parse_listen(text) == place


@pytest.mark.parametrize(
    "text", ["", ":1", "h", "h:", "h:-1", "h:65536", "h:x", "[::1", "::1:5", "u@h:1", "h:1/"]
)  # fmt: skip
def test_what_is_no_place_to_listen_at(text):
    with pytest.raises(ConfigurationError, match="HOST:PORT"):
        parse_listen(text)


@pytest.mark.parametrize(
    "text",
    ["", "h", "ftp://h", "https://", "https:///x", "https://h:0", "https://h:65536", "http://[::1",
     "https://u@h", "https://h?q", "https://h#f", "https://a b", "https://h/\x00"],
)  # fmt: skip
def test_what_is_no_url_of_a_peer(text):
    with pytest.raises(ConfigurationError, match="URL"):
        parse_url(text)


def test_a_port_in_use_an_address_elsewhere_and_no_name_are_told_apart():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        assert "in use" in listening_trouble("127.0.0.1", port)
    assert listening_trouble("127.0.0.1", port) == ""
    assert "no such address" in listening_trouble("192.0.2.7", 0)
    assert "neither an address nor a name" in listening_trouble("n" * 70, 0)


def test_two_places_of_one_process_differ():
    (said,) = listening_troubles([("api", "127.0.0.1", 1025), ("console", "127.0.0.1", 1025)])[-1:]
    assert said == "console: 127.0.0.1:1025 is that of api, too"
    assert listening_troubles([("api", "127.0.0.1", 0), ("console", "127.0.0.1", 0)]) == []


def test_files_that_are_none_are_said_in_plain_words(tmp_path):
    (tmp_path / "latin").write_bytes(b"x = '\xe9'")
    for name, says in (("none", "no such file"), (".", "is a directory"), ("latin", "UTF-8")):
        with pytest.raises(ConfigurationError, match=says):
            read_toml(tmp_path / name)
    assert folder_trouble(tmp_path) == ""
    assert "isn't there" in folder_trouble(tmp_path / "none")
    assert "no folder" in folder_trouble(tmp_path / "latin")
