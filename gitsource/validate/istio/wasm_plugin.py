"""Istio's rules for WasmPlugin: what it applies to, its module, and the traffic it sees."""

from __future__ import annotations

from collections.abc import Iterator

from gitsource.model import Problem
from gitsource.validate.istio import policies, wasm
from gitsource.validate.istio.subject import SPEC, Subject

NULLS = {"match.*": "WP-30", "match.*.ports.*": "WP-30"}
_URL = ("WP-10", "WP-11", "WP-12")
_VARIABLES = ("WP-20", "WP-21", "WP-22", "WP-23")


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what is wrong with a WasmPlugin."""
    spec = subject.spec
    yield from policies.applies_to(("WP-01", "WP-02", "WP-03"), subject)
    yield from wasm.url(_URL, subject.place((*SPEC, "url")), spec.url)
    yield from wasm.sha256("WP-13", (*SPEC, "sha256"), spec.sha256)
    secret = (*SPEC, "imagePullSecret")
    yield from wasm.longest("WP-14", secret, spec.image_pull_secret, wasm.LONGEST_SECRET)
    yield from wasm.longest("WP-15", (*SPEC, "pluginName"), spec.plugin_name, wasm.LONGEST_NAME)
    if spec.HasField("vm_config"):
        yield from wasm.variables(_VARIABLES, subject, (*SPEC, "vmConfig"), spec.vm_config)
    yield from wasm.matches("WP-31", subject, (*SPEC, "match"), spec.match)
