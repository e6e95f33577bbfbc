"""Real resources read for a plan: by their messages, and without key material."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitsource.git.local import LocalRepository
from gitsource.plan.values import Plan
from gitsource.rehearsal.memory import Forgetful
from gitsource.rehearsal.question import Question
from gitsource.rehearsal.run import rehearse
from gitsource.secrecy.texts import REDACTED
from repositories import Upstream

FLAGS = "acme/v1/flags"
CONFIG = f"""\
secrets: {{inline: allow}}
collections:
- {{name: {FLAGS}, path: "flags/*.yaml"}}
"""
SECRET = """\
"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
name: server
tls_certificate:
  certificate_chain: {filename: /etc/chain.pem}
  private_key: {inline_string: %s}
"""
GENERIC = """\
"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
name: cookie
generic_secret: {secret: {inline_string: %s}}
"""
KEYSTORE = """\
"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
name: keystore
tls_certificate: {pkcs12: {inline_bytes: %s}}
"""
USERS = """\
"@type": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
name: basic
typed_config:
  "@type": type.googleapis.com/envoy.extensions.filters.http.basic_auth.v3.BasicAuth
  users: {inline_string: "ada:{SHA}%s"}
"""
FILTER = """\
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: tls, namespace: shop}
spec:
  configPatches:
  - applyTo: CLUSTER
    patch:
      operation: MERGE
      value:
        connect_timeout: %s
        transport_socket:
          name: envoy.transport_sockets.tls
          typed_config:
            "@type": type.googleapis.com/TLS.UpstreamTlsContext
            common_tls_context:
              tls_certificates: [{private_key: {inline_string: %s}}]
""".replace("TLS", "envoy.extensions.transport_sockets.tls.v3")
PATCH = "spec.configPatches[0].patch.value.transport_socket.typed_config.common_tls_context"
FLAG = """\
name: dark
database: {host: db, password: %s, url: "postgres://app:%s@db/x"}
"""
CLUSTER = """\
"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
name: web
connect_timeout: %s
load_assignment:
  cluster_name: web
  endpoints:
  - lb_endpoints:
    - endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: %s}}}
"""


@pytest.fixture
def planned(tmp_path: Path):
    def plan(before: dict[str, str], after: dict[str, str]) -> Plan:
        upstream = Upstream(tmp_path / "up")
        upstream.commit(before)
        upstream.commit(after)
        config = tmp_path / "config.yaml"
        config.write_text(CONFIG)
        with LocalRepository(upstream.folder) as repository:
            made = rehearse(repository, Question(config=config), {}, Forgetful()).plan
        assert "clean" == made.ends, made.findings
        return made

    return plan


def fields(made: Plan) -> dict[str, tuple[object, object]]:
    """Return the fields that differ, by path."""
    return {
        field.path: (field.before, field.after)
        for collection in made.collections
        for change in collection.changes
        for field in change.fields
    }


def test_no_key_material_of_any_resource_is_in_a_plan(planned) -> None:
    old, new = "very-secret-one", "very-secret-two"
    made = planned(
        *(
            {
                "secret.yaml": SECRET % key,
                "generic.yaml": GENERIC % key,
                "filter.yaml": FILTER % ("1s", key),
                "flags/dark.yaml": FLAG % (key, key),
            }
            for key in (old, new)
        )
    )

    found = fields(made)

    assert "very-secret" not in repr(made)
    url = found.pop("database.url")
    assert (f"postgres://{REDACTED}@db/x",) * 2 == url
    assert {(REDACTED, REDACTED)} == set(found.values())
    assert {
        "tlsCertificate.privateKey.inlineString",
        "genericSecret.secret.inlineString",
        f"{PATCH}.tls_certificates[0].private_key.inline_string",
        "database.password",
    } == set(found)


def test_key_material_under_other_names_is_known_by_the_messages_of_envoy(planned) -> None:
    """Neither where it stands nor what it looks like says that it is one."""
    old, new = "c2VjcmV0LW9uZQ==", "c2VjcmV0LXR3bw=="
    made = planned(*({"k.yaml": KEYSTORE % key, "u.yaml": USERS % key} for key in (old, new)))
    found = fields(made)

    assert {"tlsCertificate.pkcs12.inlineBytes", "typedConfig.users.inlineString"} == set(found)
    assert {(REDACTED, REDACTED)} == set(found.values())
    assert (old in repr(made), new in repr(made)) == (False, False)


def test_what_is_beside_a_secret_is_told(planned) -> None:
    found = fields(planned({"f.yaml": FILTER % ("1s", "key")}, {"f.yaml": FILTER % ("2s", "key")}))

    assert {"spec.configPatches[0].patch.value.connect_timeout": ("1s", "2s")} == found


def test_a_message_of_envoy_is_told_by_its_own_fields(planned) -> None:
    found = fields(planned({"c.yaml": CLUSTER % ("1s", 80)}, {"c.yaml": CLUSTER % ("2s", 81)}))
    path = "loadAssignment.endpoints[0].lbEndpoints[0].endpoint.address.socketAddress.portValue"

    assert {"connectTimeout": ("1s", "2s"), path: (80, 81)} == found


def test_whole_numbers_of_a_struct_are_told_as_such(planned) -> None:
    made = planned(
        {"flags/a.yaml": "metadata: {labels: {a: b}}\nshare: 1\n"},
        {"flags/a.yaml": "metadata: {labels: {a: c}}\nshare: 2\n"},
    )

    assert {"metadata.labels.a": ("b", "c"), "share": (1, 2)} == fields(made)
    assert all(type(each) is int for each in fields(made)["share"])


FRUIT = ("pear", "fig", "plum", "apple", "kiwi", "date", "lime")
WITH_MAPS = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web.example.com]
  http:
  - headers: {request: {set: {%s}}}
    route: [{destination: {host: web.example.com}}]
"""


def test_the_same_two_bodies_differ_in_the_same_order_in_every_process(planned) -> None:
    """Protobuf's maps have another order in each process; fields are told by their names there."""

    def files(value: str) -> dict[str, str]:
        pairs = ", ".join(f"{name}: {value}" for name in FRUIT)
        return {"web.yaml": WITH_MAPS % pairs, "flags/a.yaml": f"basket: {{{pairs}}}\n"}

    found = [*fields(planned(files("one"), files("two")))]

    of_map = [f"spec.http[0].headers.request.set.{name}" for name in sorted(FRUIT)]
    assert [f"basket.{name}" for name in sorted(FRUIT)] + of_map == found


POLICY = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: all, namespace: shop}
spec: {%s rules: [{to: [{operation: {methods: [GET]}}]}]}
"""
RULE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web.example.com, trafficPolicy: {tls: {mode: %s}}}
"""


def test_an_enum_that_is_not_written_has_the_name_of_its_first_value(planned) -> None:
    """DENY to ALLOW is no line that goes: it is the change that matters most."""
    one = {"a.yaml": POLICY % "action: DENY,", "d.yaml": RULE % "SIMPLE"}
    other = {"a.yaml": POLICY % "", "d.yaml": RULE % "DISABLE"}
    there = fields(planned(one, other))

    assert {
        "spec.action": ("DENY", "ALLOW"),
        "spec.trafficPolicy.tls.mode": ("SIMPLE", "DISABLE"),
    } == there


def test_an_enum_that_is_written_was_its_first_value_before(planned) -> None:
    there = fields(planned({"d.yaml": RULE % "DISABLE"}, {"d.yaml": RULE % "SIMPLE"}))

    assert {"spec.trafficPolicy.tls.mode": ("DISABLE", "SIMPLE")} == there
