"""What a delivery is taken for; the cases stand in deliveries/, as they come over the wire."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource.triggers.delivery import (
    FORM_TYPE,
    JSON_TYPE,
    Delivery,
    Seen,
    Verdict,
    judge,
    judge_payload,
    read_payload,
    signed,
)

SECRET = b"s3cret"
REF = "refs/heads/main"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ref", "action", "pull_request", "base", "merged", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
events = st.sampled_from(["", "push", "ping", "pull_request", "issues"])


def delivery(body: bytes, event: str = "push", content_type: str = JSON_TYPE) -> Delivery:
    digest = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": (content_type,),
        "x-hub-signature-256": (f"sha256={digest}",),
    }
    return Delivery(headers | ({"x-github-event": (event,)} if event else {}), body)


@given(body=st.binary(max_size=300), event=events, form=st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_signed_body_whatsoever_upsets_the_reader(body, event, form):
    told = delivery(b"payload=" + body if form else body, event, FORM_TYPE if form else JSON_TYPE)

    assert isinstance(judge(told, [SECRET], REF), Verdict)


@given(payload=values, event=events)
@settings(max_examples=500, deadline=None)
def test_odd_json_is_refused_or_ignored_but_only_the_followed_ref_is_accepted(payload, event):
    verdict = judge(delivery(json.dumps(payload).encode(), event), [SECRET], REF)

    if verdict is Verdict.ACCEPTED and event == "push":
        told = payload.get("ref")
        assert told in (REF, "main") or not isinstance(told, str)
    if not isinstance(payload, dict):
        assert verdict is Verdict.NOT_JSON


@given(body=st.binary(max_size=64), header=st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_no_made_up_signature_passes(body, header):
    told = Delivery({"x-hub-signature-256": (header,)}, body)

    assert signed(told, [SECRET]) is False


@given(body=st.binary(min_size=1, max_size=200), at=st.integers(0, 199), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_one_flipped_bit_of_the_body_breaks_the_signature(body, at, bit):
    flipped = bytearray(body)
    flipped[at % len(body)] ^= 1 << bit
    told = Delivery(delivery(body).headers, bytes(flipped))

    assert signed(delivery(body), [SECRET]) is True
    assert signed(told, [SECRET]) is False


def test_without_a_secret_nothing_is_signed():
    """An empty list of secrets accepts nothing, not everything."""
    assert signed(delivery(b"{}"), []) is False


def test_the_body_of_a_form_with_many_fields_is_not_taken_apart():
    told = delivery(b"&".join([b"payload={}"] * 1000), content_type=FORM_TYPE)

    assert read_payload(told) is None


def test_any_ref_counts_where_the_head_is_followed():
    assert judge_payload("push", {"ref": "refs/heads/any"}, "HEAD") is Verdict.ACCEPTED


def test_delivery_ids_are_forgotten_oldest_first():
    seen = Seen(most=2)
    for name in ("a", "b", "a", "c"):
        seen.add(name)

    assert [name in seen for name in "abc"] == [True, False, True]
    assert len(seen) == 2


def test_deliveries_without_an_id_are_never_duplicates():
    seen = Seen()
    seen.add("")

    assert "" not in seen


def test_an_id_of_absurd_length_is_not_kept():
    assert Delivery({"x-github-delivery": ("x" * 5000,)}, b"").id == ""


@pytest.mark.parametrize("verdict", list(Verdict))
def test_ignored_deliveries_are_answered_with_success_and_refused_ones_with_an_error(verdict):
    """Git hosts turn hooks off that answer errors to what they find valid."""
    fine = {"accepted", "ping", "other_event", "other_ref", "duplicate"}

    assert (verdict.status < 300) == (verdict.label in fine)
