"""Files in Secrets: who gets them, in which version, and that nobody else does."""

import json
import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsource._proto.gitsource.xds.v1.secret_pb2 import Secret
from gitsource._proto.istio.mcp.v1alpha1 import resource_pb2
from gitsource.model import Collection, Origin, Resource, Revision, Snapshot
from gitsource.publish.secrets.files import told
from gitsource.publish.secrets.overlay import (
    COLLECTION,
    SECRET,
    Alarm,
    Overlay,
    Reading,
    is_name,
    is_secret,
)
from gitsource.snapshot.cache import DEFAULT, SnapshotCache

PLANTED = b"-----BEGIN PRIVATE KEY-----\nplanted-key-material\n-----END PRIVATE KEY-----\n"


def stored(name, body, *, version="v1", kind=SECRET):
    envelope = resource_pb2.Resource()
    envelope.metadata.name = name
    envelope.metadata.version = version
    envelope.metadata.labels["team"] = "x"
    envelope.body.type_url = f"type.googleapis.com/{kind}"
    envelope.body.value = body if isinstance(body, bytes) else body.SerializeToString()
    return Resource(name, version, envelope.SerializeToString(), Origin("tls.yaml", 3))


def tls(certificate="gitsource://web/tls.crt", key="gitsource://web/tls.key"):
    secret = Secret(name="web")
    secret.tls_certificate.certificate_chain.filename = certificate
    secret.tls_certificate.private_key.filename = key
    return secret


def snapshot(*secrets, **more):
    collections = {COLLECTION: Collection.of(COLLECTION, secrets)}
    collections |= {name: Collection.of(name, content) for name, content in more.items()}
    return Snapshot.of(Revision("c" * 40, "t", 0), collections)


FILES = {"web/tls.crt": b"certificate", "web/tls.key": PLANTED}
WEB = stored("web", tls())


@pytest.fixture
def cache():
    return SnapshotCache()


@pytest.fixture
def overlay(cache):
    made = Overlay(cache)
    made.update(Reading(FILES))
    return made


def body(resource):
    envelope = resource_pb2.Resource.FromString(resource.wire)
    assert envelope.metadata.version == resource.version
    return Secret.FromString(envelope.body.value)


def served(overlay, of):
    return overlay.snapshot(of).collection(COLLECTION).resources


# --------------------------------------------------------------------------- what is served


def test_the_contents_of_files_are_inline_when_they_are_served(overlay):
    (web,) = served(overlay, snapshot(WEB))
    certificate = body(web).tls_certificate

    assert b"certificate" == certificate.certificate_chain.inline_bytes
    assert PLANTED == certificate.private_key.inline_bytes
    assert (WEB.name, WEB.origin) == (web.name, web.origin)
    assert {"team": "x"} == resource_pb2.Resource.FromString(web.wire).metadata.labels


def test_every_place_of_a_secret_may_be_a_file():
    names = [f"f{number}" for number in range(12)]
    given_names = iter(f"gitsource://{name}" for name in names)
    one, two, three, four = Secret(), Secret(), Secret(), Secret()
    for part in ("certificate_chain", "private_key", "password", "ocsp_staple", "pkcs12"):
        getattr(one.tls_certificate, part).filename = next(given_names)
    one.tls_certificate.signed_certificate_timestamp.add().filename = next(given_names)
    two.session_ticket_keys.keys.add().filename = next(given_names)
    two.session_ticket_keys.keys.add().filename = next(given_names)
    three.validation_context.trusted_ca.filename = next(given_names)
    three.validation_context.crl.filename = next(given_names)
    four.generic_secret.secret.filename = next(given_names)
    four.generic_secret.secrets["k"].filename = next(given_names)
    secrets = [stored(str(n), secret) for n, secret in enumerate((one, two, three, four))]
    overlay = Overlay(SnapshotCache())
    overlay.update(Reading({name: f"<{name}>".encode() for name in names}))
    wires = b"".join(one.wire for one in served(overlay, snapshot(*secrets)))

    assert [] == [name for name in names if f"<{name}>".encode() not in wires]
    assert b"gitsource://" not in wires


def test_what_is_not_known_of_a_secret_is_kept(overlay):
    unknown = b"\x82\x7d\x05hello"
    (web,) = served(overlay, snapshot(stored("web", tls().SerializeToString() + unknown)))

    assert unknown in web.wire


@pytest.mark.parametrize(
    "resource",
    [
        stored("plain", Secret(name="plain")),
        stored("elsewhere", tls("/etc/tls.crt", "/etc/tls.key")),
        stored("cluster", b"\x0a\x10gitsource://xxxx", kind="envoy.config.cluster.v3.Cluster"),
        stored("garbage", b"\xff\xffgitsource://"),
    ],
    ids=lambda one: one.name,
)
def test_what_refers_to_no_file_of_ours_is_served_as_it_is(overlay, resource):
    of = snapshot(resource)

    assert of is overlay.snapshot(of)


def test_a_snapshot_without_secrets_is_served_as_it_is(overlay):
    of = snapshot(**{"acme/v1/flags": [stored("a", b"")]})

    assert of is overlay.snapshot(of)
    assert () == overlay.alarms


# --------------------------------------------------------------------------- versions


def test_the_version_follows_from_the_secret_and_the_contents(overlay, cache):
    (one,) = served(overlay, snapshot(WEB))
    replica = Overlay(cache)
    replica.update(Reading(dict(FILES)))
    (again,) = served(replica, snapshot(stored("web", tls())))
    (edited,) = served(overlay, snapshot(stored("web", tls(), version="v2")))
    overlay.update(Reading(FILES | {"web/tls.key": b"another"}))
    (rotated,) = served(overlay, snapshot(WEB))

    assert (one.version, one.wire) == (again.version, again.wire)
    assert 4 == len({WEB.version, one.version, edited.version, rotated.version})


def test_the_version_does_not_show_what_the_files_hold():
    """Swapped contents are other contents."""
    versions = set()
    for files in ({"a": b"1", "b": b"2"}, {"a": b"2", "b": b"1"}):
        overlay = Overlay(SnapshotCache())
        overlay.update(Reading(files))
        secret = stored("web", tls("gitsource://a", "gitsource://b"))
        versions.add(served(overlay, snapshot(secret))[0].version)

    assert 2 == len(versions)


def test_a_rotation_is_news_with_a_diff_base_and_leaves_the_rest_alone(overlay, cache):
    other = stored("other", tls("gitsource://a", "gitsource://a"))
    overlay.update(Reading(FILES | {"a": b"1"}))
    of = snapshot(WEB, other)
    before = overlay.snapshot(of).collection(COLLECTION)
    news = overlay.update(Reading(FILES | {"a": b"2"}))
    after = overlay.snapshot(of).collection(COLLECTION)
    delta = cache.delta(COLLECTION, before.version, after)

    assert news
    assert ("other",) == tuple(one.name for one in delta.put)
    assert before.get("web") is after.get("web")
    assert after is cache.find(COLLECTION, after.version)


def test_files_that_nobody_refers_to_are_no_news(overlay):
    before = overlay.snapshot(snapshot(WEB)).collection(COLLECTION)
    news = overlay.update(Reading(FILES | {"unused": b"x"}))

    assert not news
    assert before is overlay.snapshot(snapshot(WEB)).collection(COLLECTION)


def test_a_commit_that_changes_no_secret_changes_nothing(overlay):
    before = overlay.snapshot(snapshot(WEB))
    after = overlay.snapshot(snapshot(WEB, **{"acme/v1/flags": [stored("a", b"")]}))

    assert before.collection(COLLECTION) is after.collection(COLLECTION)
    assert before.version != after.version


def test_the_same_snapshot_is_overlaid_once(overlay):
    of = snapshot(WEB)

    assert overlay.snapshot(of) is overlay.snapshot(of)


# --------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (Reading({"web/tls.crt": b"certificate"}), "is not there"),
        (Reading(faults={"web/tls.key": "is empty"}), "is empty"),
        (Reading(folder="cannot be read (No such file or directory)"), "cannot be read (No such"),
    ],
)
def test_a_file_that_goes_away_leaves_the_contents_it_had(overlay, reading, reason):
    before = overlay.snapshot(snapshot(WEB)).collection(COLLECTION)
    overlay.update(reading)
    after = overlay.snapshot(snapshot(WEB)).collection(COLLECTION)
    alarm = overlay.alarms[-1]

    assert before is after
    assert ("web", "web/tls.key", True) == (alarm.resource, alarm.file, alarm.served)
    assert alarm.reason.startswith(reason)


def test_a_secret_whose_file_was_never_there_is_not_served(cache):
    alarms = []
    overlay = Overlay(cache, alarms.append)
    overlay.update(Reading({"web/tls.crt": b"certificate"}))
    plain = stored("plain", Secret(name="plain"))
    found = served(overlay, snapshot(WEB, plain))

    assert ("plain",) == tuple(one.name for one in found)
    assert [Alarm("web", "web/tls.key", "is not there", served=False)] == alarms
    assert alarms == list(overlay.alarms)
    assert "gitsource://web/tls.key is not there: the Secret web is not served" == alarms[0].text


def test_a_secret_that_comes_to_name_a_file_that_is_not_there_stays_as_it_was(overlay):
    (before,) = served(overlay, snapshot(WEB))
    edited = stored("web", tls(key="gitsource://new.key"), version="v2")
    (after,) = served(overlay, snapshot(edited))
    overlay.update(Reading(FILES | {"new.key": b"new"}))
    (found,) = served(overlay, snapshot(edited))

    assert before is after
    assert b"new" == body(found).tls_certificate.private_key.inline_bytes
    assert () == overlay.alarms


def test_an_alarm_is_told_once_and_again_when_it_comes_back(cache):
    alarms = []
    overlay = Overlay(cache, alarms.append)
    for files in ({}, {"unused": b""}, FILES, {}):
        overlay.update(Reading(files))
        overlay.snapshot(snapshot(WEB))

    assert 4 == len(alarms)
    assert {True, False} == {alarm.served for alarm in alarms}


def test_without_a_folder_the_alarm_says_what_to_set(cache):
    overlay = Overlay(cache)
    overlay.snapshot(snapshot(WEB))

    assert {"cannot be read, since secrets.folder is not set"} == {
        alarm.reason for alarm in overlay.alarms
    }


def test_a_file_that_is_no_longer_wanted_is_forgotten(overlay):
    overlay.snapshot(snapshot(WEB))
    overlay.snapshot(snapshot(stored("plain", Secret())))
    overlay.update(Reading())

    assert "<Overlay files=0 secrets=0>" == repr(overlay)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("tls.key", True),
        ("web/tls-1_a.key", True),
        ("", False),
        ("/etc/passwd", False),
        ("../passwd", False),
        ("a/../../b", False),
        ("a//b", False),
        ("a/", False),
        ("..data/tls.key", False),
        (".hidden", False),
        ("a\x00b", False),
        ("a\n", False),
        ("x" * 513, False),
    ],
)
def test_a_name_leads_nowhere_but_below_the_folder(name, good):
    assert good == is_name(name)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..data/tls.key"])
def test_a_name_that_leads_elsewhere_is_served_to_nobody(overlay, name):
    found = served(overlay, snapshot(stored("web", tls(key=f"gitsource://{name}"))))

    assert () == found
    assert "is no name of a file below secrets.folder" == overlay.alarms[0].reason


# --------------------------------------------------------------------------- what is secret


def test_secrets_and_private_keys_are_secret():
    key = stored("c", b"\x0a\x1b" + PLANTED, kind="envoy.config.cluster.v3.Cluster")

    assert [True, True] == [is_secret(WEB), is_secret(key)]
    assert not is_secret(stored("c", b"", kind="envoy.config.cluster.v3.Cluster"))


def test_a_planted_key_is_in_no_text(cache, caplog):
    caplog.set_level(logging.DEBUG)
    overlay = Overlay(cache, told)
    reading = Reading(FILES)
    overlay.update(reading)
    of = snapshot(WEB)
    cache.set(DEFAULT, of)
    result = overlay.snapshot(of)
    found = result.collection(COLLECTION)
    rotated = overlay.update(Reading({"web/tls.crt": b"x"}, {"web/tls.key": "is empty"}))
    overlay.snapshot(of)
    values = (
        overlay,
        reading,
        result,
        found,
        found.resources,
        cache,
        overlay.alarms,
        overlay._held,
    )
    texts = [repr(values), str(values), caplog.text, json.dumps(cache.sinks())]
    texts += [json.dumps([alarm.as_json() for alarm in overlay.alarms])]

    assert rotated
    assert "web/tls.key is empty" in caplog.text
    assert PLANTED in found.resources[0].wire
    assert [] == [text for text in texts if "planted" in text or "PRIVATE" in text]
    assert PLANTED not in pickle.dumps((of, cache.get()))


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from("abc"), st.sampled_from([b"1", b"2", b"3"])),
            st.dictionaries(st.sampled_from("xyz"), st.tuples(*[st.sampled_from("abc")] * 2)),
        ),
        max_size=8,
    )
)
def test_after_any_history_each_secret_has_the_last_good_contents(history):
    cache = SnapshotCache()
    overlay = Overlay(cache)
    last: dict[str, bytes] = {}
    shown: dict[str, tuple[bytes, bytes]] = {}
    wanted: set[str] = set()
    for files, secrets in history:
        overlay.update(Reading(files))
        last = {name: data for name, data in last.items() if name in wanted} | files
        resources = [
            stored(name, tls(*(f"gitsource://{one}" for one in pair)), version="".join(pair))
            for name, pair in secrets.items()
        ]
        found = overlay.snapshot(snapshot(*resources)).collection(COLLECTION)
        wanted = {one for pair in secrets.values() for one in pair}
        shown = {
            name: (last[pair[0]], last[pair[1]]) if {*pair} <= last.keys() else shown.get(name)
            for name, pair in secrets.items()
        }
        shown = {name: pair for name, pair in shown.items() if pair}
        told_files = {
            one.name: (
                body(one).tls_certificate.certificate_chain.inline_bytes,
                body(one).tls_certificate.private_key.inline_bytes,
            )
            for one in found
        }

        assert shown == told_files
        assert Collection.of(COLLECTION, found).version == found.version
        assert not len(found) or cache.find(COLLECTION, found.version) is not None
