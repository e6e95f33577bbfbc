"""
The worst documents one can think of: as large, as deep and as costly to judge as limits allow.

    python benchmarks/worst.py         what each of them takes, in seconds of one core

Rule: each is just below the limits (1 MiB, 64 levels), so that it is judged in full, and each is
bad for another part. All of judging is measured: parse, schema, rules, encoding, facts, places.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator

from gitsource.build.judge import bounds, judge
from gitsource.catalog.whole import Catalog
from gitsource.parse import parse

SIZE = 1024 * 1024 - 2048
"""Bytes; the head comes on top."""


def _head(kind: str, group: str = "networking.istio.io/v1") -> str:
    return f"apiVersion: {group}\nkind: {kind}\nmetadata: {{name: worst, namespace: web}}\nspec:\n"


def _filled(head: str, rows: Iterator[str]) -> bytes:
    """Return *head* with as many *rows* as there is room for."""
    out, size = [head], len(head)
    for row in rows:
        if size + len(row) > SIZE:
            break
        out.append(row)
        size += len(row)
    return "".join(out).encode()


def _counted(row: str) -> Iterator[str]:
    number = 0
    while True:
        yield row.replace("#", str(number))
        number += 1


_TO_W = "    route: [{destination: {host: w}}]\n"


def _routes(match: str) -> bytes:
    head = _head("VirtualService") + "  hosts: [web.example.com]\n  http:\n"
    return _filled(head, _counted(f"  - match: [{match}]\n{_TO_W}"))


def _deep() -> bytes:
    deep = "[" * 60 + "]" * 60
    return _filled(_head("VirtualService") + "  hosts:\n", _counted(f"  - {deep}\n"))


def _wrong() -> bytes:
    return _filled(_head("VirtualService") + "  hosts: [w]\n  http:\n", _counted("  - rout#: 7\n"))


def _patterns() -> bytes:
    return _routes("{uri: {regex: '^/(a|b|[c-z0-9]{1,64})*/#(x+x+)+y$'}}")


def _subsets() -> bytes:
    head = _head("VirtualService") + "  hosts: [web.example.com]\n  http:\n  - route:\n"
    return _filled(head, _counted("    - destination: {host: w, subset: v#}\n"))


def _gateway() -> bytes:
    head = (
        _head("Gateway") + "  selector: {istio: ingress}\n  servers:\n"
        "  - port: {number: 80, name: http, protocol: HTTP}\n    hosts:\n"
    )
    return _filled(head, _counted("    - web#.example.com\n"))


def _servers() -> bytes:
    head = _head("Gateway") + "  selector: {istio: ingress}\n  servers:\n"
    row = "  - port: {number: 80, name: h#, protocol: HTTP}\n    hosts: [w#.example.com]\n"
    return _filled(head, _counted(row))


def _entries() -> bytes:
    head = (
        _head("ServiceEntry") + "  hosts: [a.example.com]\n  resolution: STATIC\n"
        "  ports: [{number: 443, name: tls, protocol: TLS}]\n  endpoints:\n"
    )
    return _filled(head, _counted("  - {address: 10.0.0.1, labels: {app: a#}}\n"))


def _policy() -> bytes:
    head = _head("AuthorizationPolicy", "security.istio.io/v1") + "  rules:\n"
    return _filled(head, _counted("  - from: [{source: {ipBlocks: [10.0.0.0/8, '::/0']}}]\n"))


def _last_is_wrong() -> bytes:
    """Return a policy whose last address is none, so that all of the text is looked through."""
    return _policy().removesuffix(b"'::/0']}}]\n") + b"'::/x']}}]\n"


def _json() -> bytes:
    """Return the same as JSON, which has a reader of its own."""
    sources = '{"source":{"ipBlocks":["10.0.0.0/8","::/0"]}}'
    head = (
        '{"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy",'
        '"metadata":{"name":"worst","namespace":"web"},"spec":{"rules":['
    )
    tail = '{"from":[{"source":{"ipBlocks":["x"]}}]}]}}'
    return _filled(head, _counted(f'{{"from":[{sources}]}},\n')) + tail.encode()


def _one_string() -> bytes:
    return (_head("VirtualService") + f"  hosts: ['{'a.' * (SIZE // 2)}']\n").encode()


def _aliases() -> bytes:
    head = _head("VirtualService") + "  hosts: &hosts [" + "w, " * 2000 + "w]\n  gateways:\n"
    return _filled(head, ("  - *hosts\n" for _ in range(90)))


WORST: dict[str, Callable[[], bytes]] = {
    "nested": _deep,
    "unknown fields": _wrong,
    "patterns": _patterns,
    "subsets": _subsets,
    "hosts of a server": _gateway,
    "servers": _servers,
    "endpoints": _entries,
    "policy": _policy,
    "policy, last is wrong": _last_is_wrong,
    "policy in JSON": _json,
    "one string": _one_string,
    "aliases": _aliases,
}


def seconds() -> dict[str, tuple[float, float, int]]:
    """Return what each document takes of one core, reading it alone, and how many findings."""
    catalog = Catalog()
    limits = bounds(catalog)
    judge(_filled(_head("VirtualService"), iter(())), None, catalog, limits, json=False)
    taken = {}
    for name, make in WORST.items():
        data = make()
        in_json = name.endswith("JSON")
        gc.disable()  # as `judge` does for a file of this size
        began = time.process_time()
        parse(data, limits, json=in_json)
        reading = time.process_time() - began
        gc.enable()
        began = time.process_time()
        result = judge(data, None, catalog, limits, json=in_json)
        took = time.process_time() - began
        found = len(result.findings) + sum(len(each.findings) for each in result.documents)
        taken[name] = (took, reading, found)
    return taken


if __name__ == "__main__":
    told = seconds()
    if "--json" in sys.argv:
        json.dump({name: (took, reading) for name, (took, reading, _) in told.items()}, sys.stdout)
    else:
        for name, (took, _, found) in sorted(told.items(), key=lambda item: -item[1][0]):
            print(f"{name:22} {took:8.3f} s  {found} findings")
