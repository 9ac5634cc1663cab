"""Callers by their SAN URI."""

from __future__ import annotations

import pytest

from cloudnet_sdn.wire.identity import Caller, Kind
from cloudnet_sdn.wire.tls import caller_of


@pytest.mark.parametrize("kind", Kind)
def test_uris_come_back_as_they_were(kind: Kind) -> None:
    caller = Caller(kind, "tu-berlin.2")
    assert caller.uri == f"cloudnet:{kind.value}:tu-berlin.2"
    assert Caller.parse(caller.uri) == caller


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "cloudnet:tenant:",
        "cloudnet:tenant",
        "cloudnet:admin:x",
        "cloudnet:tenant:a b",
        "cloudnet:tenant:a\n",
        "cloudnet:tenant:a:b",
        "cloudnet:tenant:../x",
        "CLOUDNET:tenant:a",
        "http://cloudnet:tenant:a",
        "cloudnet:tenant:" + "x" * 64,
    ],
)
def test_other_uris_name_nobody(uri: str) -> None:
    with pytest.raises(ValueError, match="is no cloudnet:"):
        Caller.parse(uri)


def san(*uris: str) -> dict:
    return {"subjectAltName": (("DNS", "localhost"), *(("URI", u) for u in uris))}


def test_the_caller_is_the_certificates_only_uri_of_ours() -> None:
    """Other URIs don't matter; two of ours would be ambiguous, a malformed one is no identity."""
    anna = "cloudnet:tenant:anna"
    assert caller_of(san(anna, "https://example.org/")) == Caller(Kind.TENANT, "anna")
    assert caller_of(san(anna, "cloudnet:operator:root")) is None
    assert caller_of(san(anna, "cloudnet:operator:")) is None
    assert caller_of(san()) is None
    assert caller_of({}) is None
    assert caller_of(None) is None


def test_the_subject_is_no_identity() -> None:
    """A common name that looks like one of ours gives nobody any right."""
    subject = ((("commonName", "cloudnet:operator:root"),),)
    assert caller_of({"subject": subject}) is None
