"""
One collection: which documents belong to it, and what becomes of them.

Rule: a `Kind` is a row of the table, and everything that differs from kind to kind is in it or in
the data files that it names (`proto/`, `schemas/`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitsource.envoy_types import XDS, XdsType
from gitsource.errors import ConfigurationError
from gitsource.messages import known, sets

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

STRUCT = "google.protobuf.Struct"
"""Body of user-defined collections that name no message."""


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


def data_folder(name: str) -> Path:
    """Return where *name* (``schemas`` or ``proto``) lies: in the wheel, or beside the package."""
    package = Path(__file__).parents[1]
    inside = package / name
    return inside if inside.is_dir() else package.parent / name
