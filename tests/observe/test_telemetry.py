"""What is counted and exported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gitsource.observe.telemetry import (
    METRICS,
    MOST_COLLECTIONS,
    DoorGauges,
    Gauges,
    Telemetry,
    Timings,
)

ROOT = Path(__file__).parents[2]
VS = "istio/networking/v1alpha3/virtualservices"


def samples(telemetry: Telemetry) -> dict[str, float]:
    """Return every exported sample of ours as Prometheus' own reader sees it."""
    text = telemetry.render().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return {name: value for name, value in found.items() if name.startswith("gitsource_")}


def busy() -> Telemetry:
    """A telemetry in which everything has happened once."""
    gauges = Gauges(
        sinks=2,
        streams=3,
        revision="0f1e2d",
        version="abc=",
        committed_at=1000,
        published=4,
        held_revisions=1,
        held=True,
        layers_held={"team": True, "defaults": False},
        layers_failing={"team": False, "defaults": True},
        pinned=True,
        suspended=True,
        unsaved=True,
        refusals=2,
        secrets=3,
        resources={VS: 7},
        findings={"error": 5},
        ignored=6,
        announced_missing=True,
        audit_failing=True,
        audit_lines=8,
        audit_lost=9,
        audit_waiting=10,
        plaintext=18,
        door=DoorGauges(
            connections=11,
            refused=12,
            limits={"streams_each": 13},
            named=17,
            ends=2000.0,
            reloads=14,
            alarms=15,
            insecure=True,
        ),
    )
    telemetry = Telemetry(lambda: gauges, version="1.2.3", clock=lambda: 1060.0)
    telemetry.pushed(VS)
    telemetry.pushed(VS)
    telemetry.acked(VS, 0.02)
    telemetry.nacked(VS)
    telemetry.synced("published", 0.3, failed=False)
    telemetry.synced("failed", 200.0, failed=True)
    telemetry.delivered("accepted")
    return telemetry


def test_everything_that_happened_is_exported():
    found = samples(busy())

    assert {name: value for name, value in found.items() if "_bucket" not in name} == {
        "gitsource_build_info{version=1.2.3}": 1,
        "gitsource_ready": 1,
        "gitsource_audit_failing": 1,
        "gitsource_audit_lines_total": 8,
        "gitsource_audit_lost_total": 9,
        "gitsource_audit_waiting": 10,
        "gitsource_connections": 11,
        "gitsource_refused_connections_total": 12,
        "gitsource_limits_met_total{limit=streams_each}": 13,
        "gitsource_named_bytes": 17,
        "gitsource_certificate_expiry_timestamp_seconds": 2000,
        "gitsource_certificate_reloads_total": 14,
        "gitsource_certificate_alarms": 15,
        "gitsource_insecure": 1,
        "gitsource_plaintext": 18,
        "gitsource_sinks": 2,
        "gitsource_streams": 3,
        f"gitsource_pushes_total{{collection={VS}}}": 2,
        f"gitsource_acks_total{{collection={VS}}}": 1,
        f"gitsource_nacks_total{{collection={VS}}}": 1,
        "gitsource_push_seconds_count": 1,
        "gitsource_push_seconds_sum": 0.02,
        "gitsource_revision_info{revision=0f1e2d,version=abc=}": 1,
        "gitsource_revision_timestamp_seconds": 1000,
        "gitsource_revision_age_seconds": 60,
        "gitsource_published_revisions_total": 4,
        "gitsource_held_revisions_total": 1,
        "gitsource_held": 1,
        "gitsource_layer_held{layer=team}": 1,
        "gitsource_layer_held{layer=defaults}": 0,
        "gitsource_layer_failing{layer=team}": 0,
        "gitsource_layer_failing{layer=defaults}": 1,
        "gitsource_pinned": 1,
        "gitsource_suspended": 1,
        "gitsource_refusals": 2,
        "gitsource_secret_files": 3,
        "gitsource_unsaved": 1,
        "gitsource_syncs_total{outcome=published}": 1,
        "gitsource_syncs_total{outcome=failed}": 1,
        "gitsource_sync_seconds_count": 2,
        "gitsource_sync_seconds_sum": 200.3,
        "gitsource_last_sync_error": 1,
        "gitsource_last_sync_error_timestamp_seconds": 1060,
        "gitsource_last_sync_success_timestamp_seconds": 1060,
        "gitsource_webhook_deliveries_total{verdict=accepted}": 1,
        "gitsource_announced_missing": 1,
        f"gitsource_resources{{collection={VS}}}": 7,
        "gitsource_findings{severity=error}": 5,
        "gitsource_findings{severity=warning}": 0,
        "gitsource_findings{severity=suppressed}": 0,
        "gitsource_ignored_documents": 6,
    }


def test_the_table_names_what_is_exported_and_nothing_else():
    """docs/operations.md is checked against the table, so the table must be the truth."""
    text = busy().render().decode()
    ours = [
        family
        for family in text_string_to_metric_families(text)
        if family.name.startswith("gitsource_")
    ]
    exported = {
        (
            family.name + ("_total" if family.type == "counter" else ""),
            family.type,
            tuple(sorted({key for sample in family.samples for key in sample.labels} - {"le"})),
        )
        for family in ours
    }

    assert exported == {(row.name, row.type, tuple(sorted(row.labels))) for row in METRICS}


def test_before_the_first_snapshot_there_is_no_revision_and_no_age():
    found = samples(Telemetry())

    assert found["gitsource_ready"] == 0
    assert not [name for name in found if "revision_info" in name or "_age_" in name]
    assert found["gitsource_last_sync_error"] == 0


def test_a_good_look_ends_the_error():
    telemetry = Telemetry()
    telemetry.synced("failed", 1, failed=True)
    telemetry.synced("unchanged", 1, failed=False)

    assert samples(telemetry)["gitsource_last_sync_error"] == 0


@pytest.mark.parametrize(
    ("seconds", "buckets"),
    [(0.0, [1, 1, 1]), (0.1, [1, 1, 1]), (0.100001, [0, 1, 1]), (1.0, [0, 1, 1]), (9.0, [0, 0, 1])],
)
def test_a_duration_falls_into_the_bucket_whose_edge_it_does_not_pass(seconds, buckets):
    timings = Timings((0.1, 1.0))
    timings.add(seconds)

    assert [count for _, count in timings.exported()[0]] == buckets


def test_a_sink_that_makes_up_collections_cannot_fill_the_export():
    telemetry = Telemetry()
    for number in range(MOST_COLLECTIONS + 100):
        telemetry.pushed(f"made/up/{number}")
    telemetry.nacked("x" * 100_000)
    found = samples(telemetry)

    assert len([name for name in found if name.startswith("gitsource_pushes")]) <= (
        MOST_COLLECTIONS + 1
    )
    assert found["gitsource_pushes_total{collection=other}"] == 100
    assert found["gitsource_nacks_total{collection=other}"] == 1


def test_labels_with_quotes_and_line_ends_are_escaped():
    telemetry = Telemetry()
    telemetry.pushed('a"b\n\\')

    assert samples(telemetry)['gitsource_pushes_total{collection=a"b\n\\}'] == 1


def test_counting_does_not_import_the_metrics_library():
    script = (
        "import sys\n"
        "from gitsource.observe.telemetry import Telemetry\n"
        "t = Telemetry(); t.pushed('a'); t.acked('a', 1); t.synced('x', 1, failed=False)\n"
        "assert 'prometheus_client' not in sys.modules\n"
        "t.render()\n"
        "assert 'prometheus_client' in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )

    assert (done.returncode, done.stderr) == (0, "")
