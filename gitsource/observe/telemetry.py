"""
What is counted, and how Prometheus gets it.

Rule: counting costs an addition. The hot path adds to plain integers on the event loop's thread;
prometheus_client is imported, and its objects are made, only when somebody scrapes. Every metric is
a row of `METRICS`, from which the export is checked and docs/operations.md is tested.

Label values that a peer chooses (collection names) are bounded: see `MOST_COLLECTIONS`.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

MOST_COLLECTIONS = 256
"""Distinct collection labels; a sink may ask for any name, and the rest is counted as ``other``."""

LONGEST_LABEL = 200
"""Characters; a longer name is counted as ``other`` too."""

PUSH_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SYNC_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

Type: TypeAlias = Literal["counter", "gauge", "histogram"]


class Row(NamedTuple):
    """One metric: what it is called in an export and what it means."""

    name: str
    type: Type
    labels: tuple[str, ...]
    meaning: str


METRICS: tuple[Row, ...] = (
    Row("gitsource_build_info", "gauge", ("version",), "1, labelled with the program's version."),
    Row("gitsource_ready", "gauge", (), "1 once a snapshot is served."),
    Row("gitsource_sinks", "gauge", (), "Sinks that are connected."),
    Row("gitsource_streams", "gauge", (), "Open sink streams."),
    Row("gitsource_pushes_total", "counter", ("collection",), "Pushes sent to sinks."),
    Row("gitsource_acks_total", "counter", ("collection",), "Pushes accepted by sinks."),
    Row("gitsource_nacks_total", "counter", ("collection",), "Pushes refused by sinks."),
    Row("gitsource_push_seconds", "histogram", (), "From sending a push to its ACK."),
    Row(
        "gitsource_revision_info",
        "gauge",
        ("revision", "version"),
        "1, labelled with the revision that is served and its snapshot version.",
    ),
    Row(
        "gitsource_revision_timestamp_seconds",
        "gauge",
        (),
        "Committer time of the revision that is served.",
    ),
    Row(
        "gitsource_revision_age_seconds",
        "gauge",
        (),
        "How long ago the revision that is served was committed.",
    ),
    Row("gitsource_published_revisions_total", "counter", (), "Revisions published."),
    Row("gitsource_held_revisions_total", "counter", (), "Revisions that were held back."),
    Row("gitsource_held", "gauge", (), "1 while the head is held back."),
    Row("gitsource_layer_held", "gauge", ("layer",), "1 while the head of a layer is held back."),
    Row(
        "gitsource_layer_failing",
        "gauge",
        ("layer",),
        "1 while a layer cannot be looked at.",
    ),
    Row("gitsource_pinned", "gauge", (), "1 while an operator's pin is in force."),
    Row("gitsource_suspended", "gauge", (), "1 while looking for new revisions is suspended."),
    Row("gitsource_refusals", "gauge", (), "Subscriptions whose sink refused what it was sent."),
    Row("gitsource_secret_files", "gauge", (), "Files of Secrets that cannot be used now."),
    Row(
        "gitsource_unsaved",
        "gauge",
        (),
        "1 while what is served, or ordered, could not be kept on disk.",
    ),
    Row("gitsource_audit_failing", "gauge", (), "1 while the audit log cannot be written."),
    Row("gitsource_audit_lines_total", "counter", (), "Lines written to the audit log."),
    Row("gitsource_audit_lost_total", "counter", (), "Happenings that are not in the audit log."),
    Row("gitsource_audit_waiting", "gauge", (), "Lines of the audit log that are not written yet."),
    Row("gitsource_connections", "gauge", (), "Open connections of sinks over TLS."),
    Row(
        "gitsource_refused_connections_total",
        "counter",
        (),
        "Connections of sinks over TLS that were not let in.",
    ),
    Row("gitsource_named_bytes", "gauge", (), "Bytes that what sinks name takes, as counted."),
    Row("gitsource_limits_met_total", "counter", ("limit",), "How often a limit of sinks was met."),
    Row(
        "gitsource_certificate_expiry_timestamp_seconds",
        "gauge",
        (),
        "When the certificate runs out that is shown to sinks.",
    ),
    Row(
        "gitsource_crl_expiry_timestamp_seconds",
        "gauge",
        (),
        "When the first revocation list runs out; nobody below its authority comes in then.",
    ),
    Row(
        "gitsource_certificate_reloads_total",
        "counter",
        (),
        "Times that other certificates or keys of the sinks' door were taken over.",
    ),
    Row(
        "gitsource_certificate_alarms",
        "gauge",
        (),
        "Certificates and keys, of any door and of sinks that are dialled, that are no good now.",
    ),
    Row("gitsource_insecure", "gauge", (), "1 while sinks are served in plaintext on a network."),
    Row("gitsource_plaintext", "gauge", (), "Other ways over a network that are in plaintext."),
    Row("gitsource_syncs_total", "counter", ("outcome",), "Looks at the repository, by outcome."),
    Row("gitsource_sync_seconds", "histogram", (), "How long a look at the repository took."),
    Row("gitsource_last_sync_error", "gauge", (), "1 if the last look failed, else 0."),
    Row(
        "gitsource_last_sync_error_timestamp_seconds",
        "gauge",
        (),
        "When a look last failed; 0 for never.",
    ),
    Row(
        "gitsource_last_sync_success_timestamp_seconds",
        "gauge",
        (),
        "When a look last succeeded; 0 for never.",
    ),
    Row(
        "gitsource_webhook_deliveries_total",
        "counter",
        ("verdict",),
        "Webhook deliveries, by what became of them.",
    ),
    Row(
        "gitsource_announced_missing",
        "gauge",
        (),
        "1 while the commit that a webhook announced last cannot be found.",
    ),
    Row("gitsource_resources", "gauge", ("collection",), "Resources served."),
    Row("gitsource_findings", "gauge", ("severity",), "Findings about the revision last judged."),
    Row("gitsource_ignored_documents", "gauge", (), "Documents of kinds that no collection takes."),
)
"""Every metric of gitsource itself; ``process_*`` come with prometheus_client."""

_ROWS: Mapping[str, Row] = {row.name: row for row in METRICS}


class Timings:
    """A histogram as plain integers."""

    def __init__(self, buckets: tuple[float, ...]) -> None:
        self._buckets = buckets
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._buckets, seconds)] += 1
        self._sum += seconds

    def exported(self) -> tuple[list[tuple[str, float]], float]:
        """Return the cumulated buckets, the last one ``+Inf``, and the sum in seconds."""
        edges = [*map(str, self._buckets), "+Inf"]
        return list(zip(edges, accumulate(self._counts), strict=True)), self._sum


@dataclass(frozen=True, slots=True)
class DoorGauges:
    """How the sinks' door stands at the moment of a scrape."""

    connections: int = 0
    refused: int = 0
    limits: Mapping[str, int] = field(default_factory=dict)
    """Limit to how often it was met."""
    named: int = 0
    """Bytes of what sinks name."""
    ends: float = 0.0
    """When the certificate runs out that is shown to sinks; 0: there is none."""
    crl_ends: float = 0.0
    """When the first revocation list runs out; 0: there is none, or none that does."""
    reloads: int = 0
    alarms: int = 0
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Gauges:
    """How things stand at the moment of a scrape."""

    sinks: int = 0
    streams: int = 0
    revision: str = ""
    """Commit that is served; empty before the first snapshot."""
    version: str = ""
    committed_at: int = 0
    """Seconds since the epoch."""
    published: int = 0
    """Revisions published since the start."""
    held_revisions: int = 0
    """Revisions held since the start."""
    held: bool = False
    layers_held: Mapping[str, bool] = field(default_factory=dict)
    """Layer to whether its head is held; empty if a single repository is followed."""
    layers_failing: Mapping[str, bool] = field(default_factory=dict)
    """Layer to whether it could not be looked at."""
    pinned: bool = False
    suspended: bool = False
    unsaved: bool = False
    refusals: int = 0
    """Subscriptions whose sink refused (NACKed) and has accepted nothing since."""
    secrets: int = 0
    """Files that Secrets refer to and that cannot be used."""
    resources: Mapping[str, int] = field(default_factory=dict)
    """Collection to count."""
    findings: Mapping[str, int] = field(default_factory=dict)
    """Severity to count."""
    ignored: int = 0
    announced_missing: bool = False
    plaintext: int = 0
    """Ways over a network that are in plaintext, beside that of the sinks' door."""
    audit_failing: bool = False
    audit_lines: int = 0
    audit_lost: int = 0
    audit_waiting: int = 0
    door: DoorGauges = field(default_factory=DoorGauges)


class Telemetry:
    """All counters of one gitsource; *gauges* is asked at each scrape."""

    def __init__(
        self,
        gauges: Callable[[], Gauges] = Gauges,
        *,
        version: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._gauges = gauges
        self._version = version
        self._clock = clock
        self._pushes: dict[str, int] = {}
        self._acks: dict[str, int] = {}
        self._nacks: dict[str, int] = {}
        self._syncs: dict[str, int] = {}
        self._deliveries: dict[str, int] = {}
        self._push_seconds = Timings(PUSH_BUCKETS)
        self._sync_seconds = Timings(SYNC_BUCKETS)
        self._failing = False
        self._last_error = 0.0
        self._last_success = 0.0
        self._registry: CollectorRegistry | None = None

    # ------------------------------------------------------------------ counting

    def pushed(self, collection: str) -> None:
        """Count a push that was sent."""
        _count(self._pushes, collection)

    def acked(self, collection: str, seconds: float) -> None:
        """Count a push that a sink accepted *seconds* after it was sent."""
        _count(self._acks, collection)
        self._push_seconds.add(seconds)

    def nacked(self, collection: str) -> None:
        """Count a push that a sink refused."""
        _count(self._nacks, collection)

    def synced(self, outcome: str, seconds: float, *, failed: bool) -> None:
        """Count a look at the repository that took *seconds* and ended as *outcome*."""
        _count(self._syncs, outcome)
        self._sync_seconds.add(seconds)
        self._failing = failed
        if failed:
            self._last_error = self._clock()
        else:
            self._last_success = self._clock()

    def delivered(self, verdict: str) -> None:
        """Count a webhook delivery."""
        _count(self._deliveries, verdict)

    # ------------------------------------------------------------------ exporting

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format; the first call imports its library."""
        from prometheus_client import (  # lazily: 30 ms that a start need not pay
            CollectorRegistry,
            ProcessCollector,
            generate_latest,
        )

        if self._registry is None:
            self._registry = CollectorRegistry(auto_describe=False)
            self._registry.register(self)
            ProcessCollector(registry=self._registry)
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, for prometheus_client's registry."""
        from prometheus_client.core import (  # lazily: see `render`
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        for name, samples in self._samples(self._gauges()):
            row = _ROWS[name]
            family = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}[row.type]
            metric = family(row.name, row.meaning, labels=row.labels)
            for labels, value in samples.items():
                metric.add_metric(labels, value)
            yield metric
        for name, timings in (
            ("gitsource_push_seconds", self._push_seconds),
            ("gitsource_sync_seconds", self._sync_seconds),
        ):
            buckets, total = timings.exported()
            histogram = HistogramMetricFamily(name, _ROWS[name].meaning)
            histogram.add_metric([], buckets=buckets, sum_value=total)
            yield histogram

    def _samples(self, now: Gauges) -> Iterator[tuple[str, Mapping[tuple[str, ...], float]]]:
        """Yield name and samples (label values to value) of each counter and gauge."""
        yield "gitsource_build_info", {(self._version,): 1}
        yield "gitsource_ready", _one(bool(now.revision))
        yield "gitsource_sinks", _one(now.sinks)
        yield "gitsource_streams", _one(now.streams)
        yield "gitsource_pushes_total", _each(self._pushes)
        yield "gitsource_acks_total", _each(self._acks)
        yield "gitsource_nacks_total", _each(self._nacks)
        served = bool(now.revision)
        yield "gitsource_revision_info", {(now.revision, now.version): 1} if served else {}
        yield (
            "gitsource_revision_timestamp_seconds",
            _one(now.committed_at) if served else {},
        )
        yield (
            "gitsource_revision_age_seconds",
            _one(max(0.0, self._clock() - now.committed_at)) if served else {},
        )
        yield "gitsource_published_revisions_total", _one(now.published)
        yield "gitsource_held_revisions_total", _one(now.held_revisions)
        yield "gitsource_held", _one(now.held)
        yield "gitsource_layer_held", _each(now.layers_held)
        yield "gitsource_layer_failing", _each(now.layers_failing)
        yield "gitsource_pinned", _one(now.pinned)
        yield "gitsource_suspended", _one(now.suspended)
        yield "gitsource_refusals", _one(now.refusals)
        yield "gitsource_secret_files", _one(now.secrets)
        yield "gitsource_unsaved", _one(now.unsaved)
        yield "gitsource_audit_failing", _one(now.audit_failing)
        yield "gitsource_audit_lines_total", _one(now.audit_lines)
        yield "gitsource_audit_lost_total", _one(now.audit_lost)
        yield "gitsource_audit_waiting", _one(now.audit_waiting)
        door = now.door
        yield "gitsource_connections", _one(door.connections)
        yield "gitsource_refused_connections_total", _one(door.refused)
        yield "gitsource_named_bytes", _one(door.named)
        yield "gitsource_limits_met_total", _each(door.limits)
        yield (
            "gitsource_certificate_expiry_timestamp_seconds",
            _one(door.ends) if door.ends else {},
        )
        yield (
            "gitsource_crl_expiry_timestamp_seconds",
            _one(door.crl_ends) if door.crl_ends else {},
        )
        yield "gitsource_certificate_reloads_total", _one(door.reloads)
        yield "gitsource_certificate_alarms", _one(door.alarms)
        yield "gitsource_insecure", _one(door.insecure)
        yield "gitsource_plaintext", _one(now.plaintext)
        yield "gitsource_syncs_total", _each(self._syncs)
        yield "gitsource_last_sync_error", _one(self._failing)
        yield "gitsource_last_sync_error_timestamp_seconds", _one(self._last_error)
        yield "gitsource_last_sync_success_timestamp_seconds", _one(self._last_success)
        yield "gitsource_webhook_deliveries_total", _each(self._deliveries)
        yield "gitsource_announced_missing", _one(now.announced_missing)
        yield "gitsource_resources", _each(now.resources)
        findings = {"error": 0, "warning": 0, "suppressed": 0, **now.findings}
        yield "gitsource_findings", _each(findings)
        yield "gitsource_ignored_documents", _one(now.ignored)


def _one(value: float) -> Mapping[tuple[str, ...], float]:
    return {(): float(value)}


def _each(counts: Mapping[str, int]) -> Mapping[tuple[str, ...], float]:
    return {(label,): float(value) for label, value in counts.items()}


def _count(counts: dict[str, int], label: str) -> None:
    """Add one to *label*, or to ``other`` once there are too many labels, or it is too long."""
    if label not in counts and (len(counts) >= MOST_COLLECTIONS or len(label) > LONGEST_LABEL):
        label = "other"
    counts[label] = counts.get(label, 0) + 1
