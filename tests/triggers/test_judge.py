"""What a delivery is taken for, whoever sends it; real shapes stand in deliveries/."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitsource.triggers.delivery import FORM_TYPE, JSON_TYPE, Delivery, Verdict, read_payload
from gitsource.triggers.followed import Followed
from gitsource.triggers.hosts.table import HOSTS, host_of
from gitsource.triggers.judge import Rules, judge
from webhook_door import CASES, NOW, SECRET

KEY = SECRET.encode()
RULES = Rules((KEY,))
FOLLOWED = Followed("refs/heads/main", ("https://git.example.com/mesh/config.git",))
A = "1f2e3d4c5b6a79880f1e2d3c4b5a69788f0e1d2c"

EVENTS = {
    "github": ("x-github-event", ["push", "ping", "pull_request", "issues"]),
    "gitea": ("x-gitea-event", ["push", "pull_request", "issues"]),
    "forgejo": ("x-forgejo-event", ["push", "pull_request"]),
    "gogs": ("x-gogs-event", ["push", "pull_request"]),
    "gitlab": ("x-gitlab-event", ["Push Hook", "Tag Push Hook", "Merge Request Hook", "X"]),
    "bitbucket-cloud": ("x-event-key", ["repo:push", "pullrequest:fulfilled", "repo:fork"]),
    "bitbucket-data-center": ("x-event-key", ["repo:refs_changed", "pr:merged", "x"]),
    "azure-devops": ("x-nothing", [""]),
    "gitee": ("x-gitee-event", ["Push Hook", "Tag Push Hook", "Merge Request Hook", "X"]),
    "generic": ("x-nothing", [""]),
}


def signed(host: str, body: bytes, event: str, content_type: str = JSON_TYPE) -> Delivery:
    """Return a delivery of *host* whose sender knows the secret, in whichever way it proves it."""
    digest = hmac.new(KEY, body, hashlib.sha256).hexdigest()
    hub = "x-hub-signature" if host.startswith("bitbucket") else "x-hub-signature-256"
    headers = {
        "content-type": (content_type,),
        EVENTS[host][0]: (event,),
        hub: (f"sha256={digest}",),
        "x-gitlab-token": (SECRET,),
        "x-gitee-token": (SECRET,),
        "authorization": ("Basic " + base64.b64encode(b"x:" + KEY).decode(),),
    }
    return Delivery(headers, body)


KEYS = sorted(
    {word for case in CASES for word in re.findall(r'"(\w{1,24})"', case.read_text("latin-1"))}
)
"""Every word in quotes of the real deliveries: among them are all the keys that parsers read."""

leaf = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            *("main", "refs/heads/main", "refs/tags/v1", "0" * 40, A, "branch", "tag", "TAG"),
            *("git.push", "git.pullrequest.merged", "completed", "push", "merge", "closed"),
            *("merge_request", "tag_push", "https://git.example.com/mesh/config", "://", "DELETE"),
        ]
    )
)
values = st.recursive(
    leaf,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=25,
)


def test_the_fuzzed_keys_are_those_that_parsers_read():
    assert {"ref", "changes", "refUpdates", "object_attributes", "pullrequest"} <= set(KEYS)


@pytest.mark.parametrize("host", [host.name for host in HOSTS])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_odd_json_is_refused_or_ignored_but_never_upsets_a_parser(host, data):
    payload = data.draw(values)
    event = data.draw(st.sampled_from(EVENTS[host][1]))
    delivery = signed(host, json.dumps(payload).encode(), event)
    judged = judge(delivery, Rules((KEY,), host=host), FOLLOWED, NOW)

    assert judged.host == host
    assert judged.verdict is not Verdict.UNSIGNED
    assert (judged.verdict is Verdict.NOT_JSON) == (not isinstance(payload, dict))
    if judged.verdict is Verdict.ACCEPTED:
        assert judged.move.ref in ("", "refs/heads/main")
    assert judged.move.commit in ("", A)
    assert not (judged.move.commit and judged.move.ref.startswith("refs/tags/"))


def real_payloads() -> list[tuple[str, dict]]:
    """Return host and payload of every delivery on file that has one."""
    found = []
    for case in CASES:
        try:
            payload = json.loads(case.read_bytes().partition(b"\n\n")[2])
        except (ValueError, RecursionError):
            continue
        if payload and isinstance(payload, dict) and case.parent.name in EVENTS:
            found.append((case.parent.name, payload))
    return found


GONE = object()
ODD = [GONE, None, [], {}, "", 0, 1.5, True, [None], {"name": None}, "x" * 5000]


def mangled(value, path, how):
    """Return *value* with what is at the end of *path* replaced by *how*, or dropped."""
    if isinstance(value, dict) and value and path:
        key = sorted(value)[path[0] % len(value)]
        rest = {name: each for name, each in value.items() if name != key}
        if len(path) == 1 and how is GONE:
            return rest
        return rest | {key: mangled(value[key], path[1:], how)}
    if isinstance(value, list) and value and path:
        at = path[0] % len(value)
        return [*value[:at], mangled(value[at], path[1:], how), *value[at + 1 :]]
    return None if how is GONE else how


@given(
    real=st.sampled_from(real_payloads()),
    path=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    how=st.sampled_from(ODD),
)
@settings(max_examples=1500, deadline=None)
def test_a_real_payload_with_one_value_gone_or_of_another_type_upsets_no_parser(real, path, how):
    host, payload = real
    body = json.dumps(mangled(payload, path, how)).encode()
    for event in EVENTS[host][1]:
        judged = judge(signed(host, body, event), Rules((KEY,), host=host), FOLLOWED, NOW)

        assert judged.verdict.status in (200, 202)


@given(body=st.binary(max_size=300), form=st.booleans(), name=st.sampled_from(list(EVENTS)))
@settings(max_examples=400, deadline=None)
def test_no_body_whatsoever_upsets_the_reader(body, form, name):
    body = b"payload=" + body if form else body
    delivery = signed(name, body, EVENTS[name][1][0], FORM_TYPE if form else JSON_TYPE)
    judged = judge(delivery, Rules(None, host=name), FOLLOWED, NOW)

    assert isinstance(judged.verdict, Verdict)


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("x-hub-signature-256", "x-hub-signature", "x-signature", "x-gitea-signature"),
            *("x-gitlab-token", "webhook-signature", "webhook-id", "webhook-timestamp"),
            *("x-gitee-token", "x-gitee-timestamp", "authorization", "x-webhook-secret"),
        ]
    ),
    st.lists(
        st.text(max_size=60)
        | st.sampled_from(["", "sha256=", "sha1=", "v1,", "Basic ", "Basic Og==", "1700000000"]),
        min_size=1,
        max_size=2,
    ).map(tuple),
)


@pytest.mark.parametrize("host", [host.name for host in HOSTS])
@given(body=st.binary(max_size=64), headers=HEADERS)
@settings(max_examples=100, deadline=None)
def test_no_made_up_proof_passes(host, body, headers):
    headers = {"content-type": (JSON_TYPE,), **headers}
    rules = Rules(
        (KEY, b"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), host, allow_sha1=True
    )

    assert judge(Delivery(headers, body), rules, FOLLOWED, NOW).verdict is Verdict.UNSIGNED


@pytest.mark.parametrize("host", [host.name for host in HOSTS])
def test_without_a_secret_nothing_is_proven(host):
    """An empty list of secrets accepts nothing, not everything."""
    delivery = signed(host, b"{}", EVENTS[host][1][0])

    assert judge(delivery, Rules((), host), FOLLOWED, NOW).verdict is Verdict.UNSIGNED


@given(body=st.binary(min_size=1, max_size=200), at=st.integers(0, 199), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_one_flipped_bit_of_the_body_breaks_the_signature(body, at, bit):
    whole = signed("github", body, "push")
    flipped = bytearray(body)
    flipped[at % len(body)] ^= 1 << bit
    told = judge(Delivery(whole.headers, bytes(flipped)), RULES, FOLLOWED, NOW)

    assert judge(whole, RULES, FOLLOWED, NOW).verdict is not Verdict.UNSIGNED
    assert told.verdict is Verdict.UNSIGNED


def test_each_host_is_told_by_its_headers_in_the_order_in_which_they_borrow_them():
    told = [
        ({"x-forgejo-event", "x-gitea-event", "x-gogs-event", "x-github-event"}, "forgejo"),
        ({"x-gitea-event", "x-gogs-event", "x-github-event"}, "gitea"),
        ({"x-gogs-event", "x-github-event"}, "gogs"),
        ({"x-github-event"}, "github"),
        ({"x-gitlab-event"}, "gitlab"),
        ({"x-event-key", "x-hook-uuid"}, "bitbucket-cloud"),
        ({"x-event-key", "x-request-id"}, "bitbucket-data-center"),
        ({"x-gitee-event"}, "gitee"),
        ({"x-mesh"}, "azure-devops"),
        (set(), "generic"),
    ]
    found = [
        (names, host_of(Delivery(dict.fromkeys(names, ("x",)), b""), header="x-mesh").name)
        for names, _ in told
    ]

    assert found == told


def test_the_body_of_a_form_with_many_fields_is_not_taken_apart():
    body = b"&".join([b"payload={}"] * 1000)

    assert read_payload(Delivery({"content-type": (FORM_TYPE,)}, body)) is None


def test_an_id_of_absurd_length_is_not_kept():
    delivery = signed("github", b'{"ref":"refs/heads/main"}', "push")
    headers = {**delivery.headers, "x-github-delivery": ("x" * 5000,)}

    assert judge(Delivery(headers, delivery.body), RULES, FOLLOWED, NOW).id == ""


@pytest.mark.parametrize("verdict", list(Verdict))
def test_ignored_deliveries_are_answered_with_success_and_refused_ones_with_an_error(verdict):
    """Git hosts turn hooks off that answer errors to what they find valid, or 410 for ever."""
    fine = {"accepted", "slowed", "ping", "other_event", "other_ref", "other_repository"}

    assert (verdict.status < 300) == (verdict.label in fine | {"duplicate"})
    assert verdict.status != 410


@pytest.mark.parametrize("host", ["azure-devops", "bitbucket-data-center", "gitlab", "gitee"])
def test_an_empty_secret_is_none(host):
    """It would be proven by whoever sends an empty password."""
    headers = {
        "content-type": (JSON_TYPE,),
        "authorization": ("Basic " + base64.b64encode(b":").decode(),),
        "x-gitlab-token": ("",),
        "x-gitee-token": ("",),
        "x-webhook-secret": ("",),
    }
    for sent in (headers, {k: v for k, v in headers.items() if k != "x-webhook-secret"}):
        judged = judge(Delivery(sent, b"{}"), Rules((b"",), host), FOLLOWED, NOW)

        assert judged.verdict is Verdict.UNSIGNED
