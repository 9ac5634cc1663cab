"""XML-RPC as text: what is written is read back, what isn't XML-RPC is refused."""

from __future__ import annotations

import contextlib
import time
import xmlrpc.client

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudnet_sdn.wire.codec import (
    MAX_DEPTH,
    Unsendable,
    dump_answer,
    dump_call,
    load_answer,
    load_call,
)
from cloudnet_sdn.wire.faults import InvalidCall, ParseFault, ProtocolError, TooLarge

SENDABLE_TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r")
)
VALUES = st.recursive(
    st.integers(-(2**31), 2**31 - 1)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(max_size=50)
    | SENDABLE_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SENDABLE_TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(VALUES)
def test_values_come_back_as_they_were(value: object) -> None:
    """Answers keep every value, carriage returns included."""
    assert load_answer(dump_answer(value)) == value


@given(st.lists(VALUES, max_size=4))
def test_calls_come_back_as_they_were(args: list) -> None:
    """Calls keep name and arguments."""
    assert load_call(dump_call("negotiation.request", args)) == ("negotiation.request", args)


@given(VALUES)
def test_the_standard_library_reads_what_we_write(value: object) -> None:
    """A plain `xmlrpc.client` gets the same values."""
    (back,), _ = xmlrpc.client.loads(dump_answer(value), use_builtin_types=True)
    assert back == value


@given(st.text())
def test_any_text_gives_readable_xml(text: str) -> None:
    """Control characters and lone surrogates are replaced, never sent."""
    back = load_answer(dump_answer(text))
    assert isinstance(back, str)
    assert len(back) == len(text)


def test_control_characters_are_replaced() -> None:
    """A NUL from a device's output doesn't make an answer nobody can parse."""
    assert load_answer(dump_answer("a\x00b\x1b[1m")) == "a\ufffdb\ufffd[1m"


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (2**31, "32 bit"),
        (-(2**31) - 1, "32 bit"),
        (None, "nil"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ({1: "x"}, "key"),
        ({"a": [0, {"b": 2**40}]}, "argument 1.a[1].b"),
        (object(), "object"),
        ({1, 2}, "set"),
    ],
)
def test_what_xmlrpc_cannot_carry_is_said_with_its_place(value: object, hint: str) -> None:
    """Nil, large integers and the like are clear errors."""
    with pytest.raises(Unsendable, match=r".*") as caught:
        dump_call("m", [value])
    assert hint in str(caught.value)


def test_endless_nesting_is_unsendable() -> None:
    """A list within itself doesn't overflow the stack."""
    knot: list = []
    knot.append(knot)
    with pytest.raises(Unsendable, match="nesting"):
        dump_answer(knot)


def call(params: str, name: str = "m") -> bytes:
    body = f"<methodName>{name}</methodName><params>{params}</params>"
    return f"<methodCall>{body}</methodCall>".encode()


def value(inner: str) -> bytes:
    return call(f"<param><value>{inner}</value></param>")


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("  spaces stay ", "  spaces stay "),
        ("<i4>-7</i4>", -7),
        ("\n <int> 7 </int>\n", 7),
        ("<double>1e3</double>", 1000.0),
        ("<boolean>1</boolean>", True),
        ("<string/>", ""),
        ("<string>a<!-- no -->b</string>", "ab"),
        ("<string>&lt;a&gt;&#13;<![CDATA[<&]]></string>", "<a>\r<&"),
        ("<base64>\nAAE=\n</base64>", b"\x00\x01"),
        ("<array><data/></array>", []),
        ("<struct/>", {}),
        ("<dateTime.iso8601>20261123T00:00:00</dateTime.iso8601>", "20261123T00:00:00"),
    ],
)
def test_other_clients_spellings_are_understood(inner: str, expected: object) -> None:
    """What other XML-RPC libraries write is read."""
    assert load_call(value(inner)) == ("m", [expected])


def test_a_call_without_params_has_none() -> None:
    assert load_call(b"<methodCall><methodName>m</methodName></methodCall>") == ("m", [])


BOMB = b"""<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>""" + value("<string>&b;</string>")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"<methodCall>",
        b"\x00\xff\xfe",
        b"<?xml version='1.0' encoding='klingon'?><methodCall/>",
        value("<string>\x01</string>"),
        b"<!DOCTYPE methodCall>" + value("<int>1</int>"),
        BOMB,
        b'<!DOCTYPE b [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + value("&x;"),
        value("&undefined;"),
    ],
)
def test_no_xml_is_a_parse_fault(body: bytes) -> None:
    """-32700: broken XML, and XML with document types or entities."""
    with pytest.raises(ParseFault):
        load_call(body)


MEMBER = "<member><name>a</name><value>1</value></member>"


@pytest.mark.parametrize(
    "body",
    [
        b"<methodCall/>",
        b"<html><body/></html>",
        b"<methodResponse><params/></methodResponse>",
        b"<methodCall><params/></methodCall>",
        b"<methodCall><methodName>a</methodName><methodName>b</methodName></methodCall>",
        call("<value>no param</value>"),
        call("<param/>"),
        call("<param><value>1</value><value>2</value></param>"),
        value("<int>99999999999999999999</int>"),
        value("<int>2147483648</int>"),
        value("<int>1_0</int>"),
        value("<int>\u0667</int>"),
        value("<int/>"),
        value("<i8>5</i8>"),
        value("<nil/>"),
        value("<double>nan</double>"),
        value("<double>1e999</double>"),
        value("<double>1_0</double>"),
        value("<boolean>true</boolean>"),
        value("<base64>*</base64>"),
        value("<int>1</int><int>2</int>"),
        value("text <int>1</int>"),
        value("<int>1</int> text"),
        value("<array/>"),
        value(f"<struct>{MEMBER}{MEMBER}</struct>"),
        value("<struct><member><name>a</name></member></struct>"),
        value("<struct><member><value>1</value><name>a</name></member></struct>"),
        value("<struct><member><name>a</name><value/><value/></member></struct>"),
        value("<string>a<b/>c</string>"),
    ],
)
def test_xml_that_is_no_call_is_an_invalid_call(body: bytes) -> None:
    """-32600: well-formed, but not XML-RPC."""
    with pytest.raises(InvalidCall):
        load_call(body)


def nested(levels: int) -> bytes:
    return value("<array><data><value>" * levels + "</value></data></array>" * levels)


def test_nesting_is_bounded() -> None:
    """As deep as we write is read; deeper is refused."""
    load_call(nested(MAX_DEPTH))
    with pytest.raises(InvalidCall, match="nesting"):
        load_call(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize(
    "body",
    [
        b"<a>" * 2_000_000,
        b"<methodCall>" * 500_000,
        nested(100_000),
        value("<array><data>" + "<value/>" * 300_000 + "</data></array>"),
        b" " * 5_000_000,
        value("<string>" + "x" * 10_000_000 + "</string>"),
    ],
    ids=["tags", "roots", "arrays", "values", "spaces", "text"],
)
def test_hostile_bodies_end_soon(body: bytes) -> None:
    """Megabytes of noise are answered or refused in bounded time."""
    begun = time.monotonic()
    with contextlib.suppress(ProtocolError, TooLarge):
        load_call(body)
    assert time.monotonic() - begun < 5


@given(st.binary(max_size=300))
def test_noise_raises_nothing_but_ours(noise: bytes) -> None:
    for body in (noise, value("") + noise, b"<methodCall>" + noise):
        try:
            load_call(body)
        except ProtocolError:
            continue


NAMES = """methodCall methodName params param value struct member name array data
int string double boolean base64 nil fault"""
TAGS = st.sampled_from(NAMES.split())


@given(
    st.recursive(
        st.sampled_from(["", "1", "a"]),
        lambda t: st.builds(
            lambda tag, inner: f"<{tag}>{''.join(inner)}</{tag}>", TAGS, st.lists(t, max_size=3)
        ),
    )
)
def test_tag_soup_raises_nothing_but_ours(soup: str) -> None:
    for load in (load_call, load_answer):
        try:
            load(soup.encode())
        except ProtocolError:
            continue


def test_elements_are_counted_and_tags_measured() -> None:
    """So that reading a call takes a bounded time; a caller may be allowed more."""
    many = value("<array><data>" + "<value/>" * 200_000 + "</data></array>")
    with pytest.raises(TooLarge):
        load_call(many)
    assert len(load_call(many, most=300_000)[1][0]) == 200_000
    attributes = " ".join(f"a{n}='1'" for n in range(1000))
    with pytest.raises(InvalidCall, match="1000 characters"):
        load_call(value(f"<string {attributes}/>"))
    text = "x" * 5000
    assert load_call(value(f"<![CDATA[{text}]]>"))[1] == [text]
