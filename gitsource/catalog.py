"""
The catalog: kind ↔ collection ↔ body message ↔ schema, as one table.

Rule: everything that differs from kind to kind is a row here plus data files (`proto/`,
`schemas/`); no other module names a kind. A new built-in kind is one row, its `.proto` and its
schema.

A row says which apiVersions are served, under which names sinks may subscribe, which message is the
body, and its rank in a push: what is referred to has a lower rank than what refers to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsource.envoy_types import XDS, XdsType
from gitsource.errors import ConfigurationError
from gitsource.messages import known, sets

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

STRUCT = "google.protobuf.Struct"
"""Body of user-defined collections that name no message."""

RULES_VERSION = "5"
"""Raised by hand when judging or encoding changes its answer for unchanged content."""


@dataclass(frozen=True, slots=True)
class Use:
    """A name of a collection, and the releases of Istio that use it."""

    name: str
    first: str
    """Minor release, such as ``1.6``."""
    last: str = ""
    """Empty: the newest one that is known still uses it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One collection: which documents belong to it and what becomes of them."""

    collection: str
    """The name sinks subscribe to, e.g. ``istio/networking/v1alpha3/virtualservices``."""
    body: str
    """Full name of the protobuf message in the body."""
    kind: str = ""
    """The document's ``kind``; empty if documents are chosen by `path` alone."""
    api_versions: tuple[str, ...] = ()
    """Every served ``group/version``."""
    path: str = ""
    """Glob over repository paths (``**`` crosses folders), for collections chosen by path."""
    aliases: tuple[str, ...] = ()
    """Other names a sink may subscribe by; it is answered under the name it used."""
    namespaced: bool = True
    """Whether a name is ``namespace/name``."""
    rank: int = 100
    """Place in a push: lower first (removals: higher first)."""
    builtin: bool = True
    """Whether it is one of Istio's: its documents have a spec, and it a schema of ours."""
    own: bool = False
    """Whether it is the user's."""
    typed: bool = False
    """Whether it takes documents by their ``@type`` whatever else chooses them."""
    uses: tuple[Use, ...] = ()
    """Which releases of Istio ask for it, and under which names: for people, not for judging."""
    rules: str = ""
    """Module of `validate.istio` that judges its documents beyond the schema; empty: none does."""
    schema: str = ""
    """JSON text of a user-defined collection's schema; built-in ones are read from schemas/."""
    descriptors: bytes = field(default=b"", repr=False)
    """The descriptor set that has the body of a user-defined collection; empty: it is known."""

    @property
    def type_url(self) -> str:
        """The Any type URL of the body."""
        return f"type.googleapis.com/{self.body}"

    @property
    def by_type(self) -> bool:
        """Whether documents belong to it by their ``@type``."""
        alone = not (self.builtin or self.kind or self.path or self.body == STRUCT)
        return alone or self.typed

    @property
    def envoy(self) -> bool:
        """Whether the body is a message of Envoy's as Envoy has it."""
        return self.body.startswith("envoy.") and not self.descriptors

    @property
    def xds(self) -> XdsType | None:
        """What is known of the body as a resource of xDS, if it is one."""
        return XDS.get(self.body) if self.envoy else None

    @property
    def label(self) -> str:
        """What findings call it: its kind if it has one."""
        if self.kind or self.xds is None or self.own:
            return self.kind or self.collection
        return self.xds.label

    def schema_text(self) -> str:
        """Return the JSON Schema that judges a whole document; ``true`` if there is none."""
        return builtin_schema(self.collection) if self.builtin else (self.schema or "true")


def _istio(
    group: str,
    kind: str,
    plural: str,
    *,
    versions: str = "v1 v1beta1 v1alpha3",
    rank: int,
    legacy: str = "",
    xds: str,
    also: tuple[Use, ...] = (),
    rules: str = "",
) -> Kind:
    """
    Return the row of a kind of Istio's.

    *versions* are the served ones, newest first: the oldest names collection and body. *legacy* is
    the first release that knows the collection, *xds* the first that asks for the kind over xDS.
    """
    served = versions.split()
    oldest, full = served[-1], f"{group}.istio.io"
    urls = tuple(f"{full}/{version}/{kind}" for version in served)
    collection = f"istio/{group}/{oldest}/{plural}"
    asked: tuple[Use, ...] = (Use(urls[-1], xds),)
    if len(urls) > 1:
        asked = (Use(urls[-1], xds, "1.23"), Use(urls[0], "1.24"))
    return Kind(
        collection=collection,
        body=f"istio.{group}.{oldest}.{kind}",
        kind=kind,
        api_versions=tuple(f"{full}/{version}" for version in served),
        aliases=(*urls, *(use.name for use in also)),
        rank=rank,
        uses=(*((Use(collection, legacy, "1.17"),) if legacy else ()), *also, *asked),
        rules=rules,
    )


_BETA = "v1 v1beta1"
_SYNTHETIC = Use("istio/networking/v1alpha3/synthetic/serviceentries", "1.3", "1.5")
_K8S_WASM = Use("k8s/extensions.istio.io/v1alpha1/wasmplugins", "1.12", "1.12")

BUILTIN: tuple[Kind, ...] = (
    _istio(
        "networking",
        "WorkloadEntry",
        "workloadentries",
        rank=6,
        legacy="1.6",
        xds="1.6",
        rules="workload_entry",
    ),
    _istio(
        "networking",
        "WorkloadGroup",
        "workloadgroups",
        rank=8,
        legacy="1.8",
        xds="1.8",
        rules="workload_group",
    ),
    _istio(
        "networking",
        "ServiceEntry",
        "serviceentries",
        rank=10,
        legacy="1.3",
        xds="1.6",
        also=(_SYNTHETIC,),
        rules="service_entry",
    ),
    _istio(
        "networking",
        "DestinationRule",
        "destinationrules",
        rank=20,
        legacy="1.3",
        xds="1.6",
        rules="destination_rule",
    ),
    _istio(
        "networking",
        "Gateway",
        "gateways",
        rank=30,
        legacy="1.3",
        xds="1.6",
        rules="gateway",
    ),
    _istio(
        "networking",
        "VirtualService",
        "virtualservices",
        rank=40,
        legacy="1.3",
        xds="1.6",
        rules="virtual_service",
    ),
    _istio(
        "security",
        "RequestAuthentication",
        "requestauthentications",
        versions=_BETA,
        rank=50,
        legacy="1.5",
        xds="1.6",
        rules="request_authentication",
    ),
    _istio(
        "security",
        "PeerAuthentication",
        "peerauthentications",
        versions=_BETA,
        rank=52,
        legacy="1.5",
        xds="1.6",
        rules="peer_authentication",
    ),
    _istio(
        "security",
        "AuthorizationPolicy",
        "authorizationpolicies",
        versions=_BETA,
        rank=54,
        legacy="1.4",
        xds="1.6",
        rules="authorization_policy",
    ),
    _istio(
        "networking",
        "Sidecar",
        "sidecars",
        rank=60,
        legacy="1.3",
        xds="1.6",
        rules="sidecar",
    ),
    _istio(
        "networking",
        "ProxyConfig",
        "proxyconfigs",
        versions="v1beta1",
        rank=62,
        legacy="1.13",
        xds="1.13",
        rules="proxy_config",
    ),
    _istio(
        "telemetry",
        "Telemetry",
        "telemetries",
        versions="v1 v1alpha1",
        rank=64,
        legacy="1.10",
        xds="1.10",
        rules="telemetry",
    ),
    _istio(
        "networking",
        "EnvoyFilter",
        "envoyfilters",
        versions="v1alpha3",
        rank=70,
        legacy="1.3",
        xds="1.6",
        rules="envoy_filter",
    ),
    _istio(
        "extensions",
        "WasmPlugin",
        "wasmplugins",
        versions="v1alpha1",
        rank=72,
        legacy="1.12",
        xds="1.12",
        also=(_K8S_WASM,),
        rules="wasm_plugin",
    ),
    _istio(
        "extensions",
        "TrafficExtension",
        "trafficextensions",
        versions="v1alpha1",
        rank=74,
        xds="1.30",
        rules="traffic_extension",
    ),
)
"""
The built-in kinds, in the order of a push. Istio's v1 documents carry v1alpha3 messages: that is no
mistake.
"""

ENVOY: tuple[Kind, ...] = tuple(
    Kind(
        collection=row.collection,
        body=row.body,
        aliases=(f"type.googleapis.com/{row.body}",),
        namespaced=False,
        rank=row.rank,
        builtin=False,
        typed=True,
    )
    for row in XDS.values()
)
"""The collections of Envoy's types, whose documents say by ``@type`` what they are."""


@dataclass(frozen=True)
class Catalog:
    """All collections in force: those of Istio's kinds, of Envoy's types, and the user's own."""

    kinds: tuple[Kind, ...] = (*BUILTIN, *ENVOY)
    default_namespace: str = "default"
    unknown_kinds: str = "ignore"
    """``ignore``, ``warn`` or ``error``: what a document of an unknown kind is."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Bounds on a document (`parse.Limits` by name), since they change what is accepted."""
    gateway_api: str = "warn"
    """The same as `unknown_kinds` for documents of the Gateway API."""
    inline_secrets: str = "refuse"
    """``refuse`` or ``allow``: what a private key or a password in an Envoy resource is."""

    @cached_property
    def by_collection(self) -> Mapping[str, Kind]:
        """Collection names and aliases to kinds."""
        table: dict[str, Kind] = {}
        for kind in self.kinds:
            for name in (kind.collection, *kind.aliases):
                table.setdefault(name, kind)
        return table

    @cached_property
    def by_document(self) -> Mapping[tuple[str, str], Kind]:
        """(apiVersion, kind) to kinds."""
        return {
            (version, kind.kind): kind
            for kind in self.kinds
            if kind.kind
            for version in kind.api_versions
        }

    @cached_property
    def by_type(self) -> Mapping[str, Kind]:
        """Full names of messages to the kinds whose documents say so by ``@type``."""
        table: dict[str, Kind] = {}
        for kind in self.kinds:
            if kind.by_type:
                table.setdefault(kind.body, kind)
        return table

    @cached_property
    def _by_path(self) -> Sequence[tuple[Callable[[str], object], Kind]]:
        return [(path_glob(kind.path).fullmatch, kind) for kind in self.kinds if kind.path]

    def route(self, path: str) -> Kind | None:
        """Return the collection that takes every document of the file at *path*, if one does."""
        for matches, kind in self._by_path:
            if matches(path):
                return kind
        return None

    def kind_of(self, value: Mapping[str, Any]) -> Kind | None:
        """Return the collection that the document *value* says it belongs to, if there is one."""
        named, group_version, url = value.get("kind"), value.get("apiVersion"), value.get("@type")
        if isinstance(named, str) and isinstance(group_version, str):
            return self.by_document.get((group_version, named))
        return self.by_type.get(url.rpartition("/")[2]) if isinstance(url, str) else None

    def called(self, collection: str) -> str:
        """Return what a resource of *collection* is called in findings: its kind if it has one."""
        kind = self.by_collection.get(collection)
        return kind.label if kind else collection

    def rank(self, collection: str) -> int:
        """Return the place of *collection* (or an alias of it) in a push."""
        kind = self.by_collection.get(collection)
        return kind.rank if kind else 100

    @cached_property
    def digest(self) -> str:
        """
        Digest of everything that changes what a document becomes.

        Part of every cache key: rows, schemas, settings, rules and loader versions.
        """
        rows = [
            [
                *(k.collection, k.body, k.kind, k.api_versions, k.path, k.namespaced, k.by_type),
                k.schema_text(),
                hashlib.sha256(k.descriptors).hexdigest() if k.descriptors else "",
            ]
            for k in self.kinds
        ]
        told = [
            RULES_VERSION,
            self.default_namespace,
            self.unknown_kinds,
            self.gateway_api,
            self.inline_secrets,
            sorted(self.limits.items()),
            rows,
            library_versions(),
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]

    def extended(self, own: Iterable[Kind]) -> Catalog:
        """
        Return this catalog with the user's collections.

        They may not shadow those of Istio's kinds. One with the message, or the name, of a
        collection of Envoy's takes the place of that: its documents by ``@type``, and its type URL.
        """
        rows = tuple(own)
        kept = [kind for kind in self.kinds if not _replaced(kind, rows)]
        gone = {kind.body for kind in self.kinds} - {kind.body for kind in kept}
        rows = _heirs(rows, gone)
        taken = {name for kind in kept for name in (kind.collection, *kind.aliases)}
        documents = {pair for kind in kept for pair in _pairs(kind)}
        types: set[str] = set()
        for kind in rows:
            clash = kind.collection in taken
            pairs = _pairs(kind)
            typed = kind.body if kind.by_type else ""
            if clash or pairs & documents or typed in types:
                what = kind.collection if clash else typed
                what = what or f"{kind.kind} ({kind.api_versions[0]})"
                raise ConfigurationError(
                    f"collections: {what} is defined twice",
                    hint="give each collection a name, and each apiVersion and kind or @type, once",
                )
            taken.add(kind.collection)
            documents |= pairs
            types |= {typed} if typed else set()
            kept.append(kind)
        return replace(self, kinds=tuple(kept))


def _pairs(kind: Kind) -> set[tuple[str, str]]:
    return {(version, kind.kind) for version in kind.api_versions if kind.kind}


def _replaced(kind: Kind, own: Iterable[Kind]) -> bool:
    """Say whether *kind* is one of Envoy's types that a row of the user's stands for."""
    names = (kind.collection, *kind.aliases)
    return not (kind.builtin or kind.own) and any(
        row.body == kind.body or row.collection in names for row in own
    )


def _heirs(own: Sequence[Kind], gone: Iterable[str]) -> tuple[Kind, ...]:
    """
    Return *own*, in which one row takes the documents by ``@type`` of each of the messages *gone*.

    That is the row that asks for nothing else, or else the first with the message.
    """
    heirs: dict[str, Kind] = {}
    for row in sorted(own, key=lambda row: not row.by_type):
        if row.body in gone:
            heirs.setdefault(row.body, row)
    chosen = {id(row) for row in heirs.values()}
    return tuple(replace(row, typed=True) if id(row) in chosen else row for row in own)


def path_glob(pattern: str) -> re.Pattern[str]:
    """Compile a path glob: ``*`` and ``?`` stay inside a folder, ``**`` crosses folders."""
    out, at = [], 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            out.append("(?:[^/]+/)*")
            at += 3
        elif pattern.startswith("**", at):
            out.append(".*")
            at += 2
        elif pattern[at] == "*":
            out.append("[^/]*")
            at += 1
        elif pattern[at] == "?":
            out.append("[^/]")
            at += 1
        else:
            out.append(re.escape(pattern[at]))
            at += 1
    return re.compile("".join(out), re.DOTALL)


def data_folder(name: str) -> Path:
    """Return where *name* (``schemas`` or ``proto``) lies: in the wheel, or beside the package."""
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


def wrapped(value: Any) -> bool:
    """Say whether *value* has its content under spec, as documents of Kubernetes have."""
    return type(value) is dict and bool(value.get("apiVersion") and value.get("kind"))


def spellings(field: FieldDescriptor) -> tuple[str, ...]:
    """Return the names a document may write *field* by: lowerCamelCase first, then as declared."""
    return tuple(dict.fromkeys((field.json_name, field.name)))


def body_descriptor(body: str, descriptors: bytes = b"") -> Descriptor:
    """
    Return the descriptor of the message *body*: of the set *descriptors*, or one that is known.

    The modules of its package are loaded on first use: serving needs none of them. Raises
    ConfigurationError if there is no such message.
    """
    if descriptors:
        return sets.message(descriptors, body, "the descriptor set")
    found = known.find(body)
    if found is None:
        raise ConfigurationError(
            f"no message {body} is known",
            hint="Istio's and Envoy's messages are; for your own give descriptor_set or protos",
        )
    return found


@cache
def builtin_schema(collection: str) -> str:
    """Return the text of the shipped schema of *collection*."""
    path = data_folder("schemas") / f"{collection}.json"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"the schema of {collection} is missing: {path}",
            hint="the installation is incomplete: install gitsource again",
        ) from error


@cache
def library_versions() -> str:
    """Name and version of what reads and judges documents: a new reader may read differently."""
    readers = ("ruamel.yaml", "ruamel.yaml.clib")
    checkers = ("jsonschema", "jsonschema-rs", "google-re2", "cel-expr-python")
    names = (*readers, *checkers, "protobuf", "xds-protos")
    installed = _installed()
    return " ".join(f"{name}={installed.get(name) or _version(name)}" for name in names)


def _installed() -> dict[str, str]:
    """Return versions by the names of the folders that say what was installed, the first found."""
    # importlib.metadata reads whole files with a parser of mails, which takes 20 ms of every start.
    found: dict[str, str] = {}
    for folder in filter(None, sys.path):
        with suppress(OSError):
            for entry in os.listdir(folder):  # noqa: PTH208 - hundreds of Path objects cost
                name, dash, version = entry.removesuffix(".dist-info").partition("-")
                if dash and entry.endswith(".dist-info"):
                    found.setdefault(_SEPARATORS.sub("-", name).lower(), version)
                    found.setdefault(_SEPARATORS.sub(".", name).lower(), version)
    return found


_SEPARATORS = re.compile(r"[-_.]+")


def _version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


def own_kind(row: Mapping[str, Any], schema: str = "", descriptors: bytes = b"") -> Kind:
    """
    Return the catalog row of a user-defined collection.

    *row* has ``name`` and what chooses its documents: ``api_version`` and ``kind``, or ``path``, or
    ``message`` alone. The body is the ``message`` (of the set *descriptors*, or one that is known),
    a Struct without one.
    """
    api_version = row.get("api_version") or ""
    body = row.get("message") or STRUCT
    url = f"type.googleapis.com/{body}"
    return Kind(
        collection=row["name"],
        body=body,
        kind=row.get("kind") or "",
        api_versions=(api_version,) if api_version else (),
        path=row.get("path") or "",
        aliases=() if body == STRUCT or url == row["name"] else (url,),
        namespaced=not body.startswith("envoy."),
        rank=XDS[body].rank if body in XDS else 100,
        builtin=False,
        own=True,
        schema=schema,
        descriptors=descriptors,
    )
