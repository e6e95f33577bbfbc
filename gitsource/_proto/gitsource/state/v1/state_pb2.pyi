from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FileResult(_message.Message):
    __slots__ = ("documents", "findings", "ignored", "facts")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    IGNORED_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[DocumentResult]
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    ignored: int
    facts: bytes
    def __init__(self, documents: _Optional[_Iterable[_Union[DocumentResult, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., ignored: _Optional[int] = ..., facts: _Optional[bytes] = ...) -> None: ...

class FileFacts(_message.Message):
    __slots__ = ("documents",)
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[Facts]
    def __init__(self, documents: _Optional[_Iterable[_Union[Facts, _Mapping]]] = ...) -> None: ...

class Facts(_message.Message):
    __slots__ = ("document", "root", "resource", "namespace", "provides", "claims", "offers", "suppressed")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    PROVIDES_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    document: int
    root: str
    resource: str
    namespace: str
    provides: _containers.RepeatedScalarFieldContainer[str]
    claims: _containers.RepeatedCompositeFieldContainer[Claim]
    offers: _containers.RepeatedScalarFieldContainer[str]
    suppressed: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, document: _Optional[int] = ..., root: _Optional[str] = ..., resource: _Optional[str] = ..., namespace: _Optional[str] = ..., provides: _Optional[_Iterable[str]] = ..., claims: _Optional[_Iterable[_Union[Claim, _Mapping]]] = ..., offers: _Optional[_Iterable[str]] = ..., suppressed: _Optional[_Iterable[str]] = ...) -> None: ...

class Claim(_message.Message):
    __slots__ = ("code", "path", "words")
    CODE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    code: str
    path: str
    words: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, code: _Optional[str] = ..., path: _Optional[str] = ..., words: _Optional[_Iterable[str]] = ...) -> None: ...

class DocumentResult(_message.Message):
    __slots__ = ("collection", "name", "kind", "line", "version", "metadata", "body", "findings", "named_by_path")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    NAMED_BY_PATH_FIELD_NUMBER: _ClassVar[int]
    collection: str
    name: str
    kind: str
    line: int
    version: str
    metadata: bytes
    body: bytes
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    named_by_path: bool
    def __init__(self, collection: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[str] = ..., line: _Optional[int] = ..., version: _Optional[str] = ..., metadata: _Optional[bytes] = ..., body: _Optional[bytes] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., named_by_path: _Optional[bool] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("line", "column", "warning", "code", "message", "resource", "file", "suppressed")
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    SUPPRESSED_FIELD_NUMBER: _ClassVar[int]
    line: int
    column: int
    warning: bool
    code: str
    message: str
    resource: str
    file: str
    suppressed: bool
    def __init__(self, line: _Optional[int] = ..., column: _Optional[int] = ..., warning: _Optional[bool] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., resource: _Optional[str] = ..., file: _Optional[str] = ..., suppressed: _Optional[bool] = ...) -> None: ...

class Revision(_message.Message):
    __slots__ = ("commit", "tree", "committed_at", "author", "subject", "layers")
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    commit: str
    tree: str
    committed_at: int
    author: str
    subject: str
    layers: _containers.RepeatedCompositeFieldContainer[LayerRevision]
    def __init__(self, commit: _Optional[str] = ..., tree: _Optional[str] = ..., committed_at: _Optional[int] = ..., author: _Optional[str] = ..., subject: _Optional[str] = ..., layers: _Optional[_Iterable[_Union[LayerRevision, _Mapping]]] = ...) -> None: ...

class LayerRevision(_message.Message):
    __slots__ = ("name", "commit", "head", "held")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    name: str
    commit: str
    head: str
    held: str
    def __init__(self, name: _Optional[str] = ..., commit: _Optional[str] = ..., head: _Optional[str] = ..., held: _Optional[str] = ...) -> None: ...

class Head(_message.Message):
    __slots__ = ("revision", "version", "recipe", "published_at", "collections")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_AT_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    revision: Revision
    version: str
    recipe: str
    published_at: float
    collections: _containers.RepeatedCompositeFieldContainer[CollectionHead]
    def __init__(self, revision: _Optional[_Union[Revision, _Mapping]] = ..., version: _Optional[str] = ..., recipe: _Optional[str] = ..., published_at: _Optional[float] = ..., collections: _Optional[_Iterable[_Union[CollectionHead, _Mapping]]] = ...) -> None: ...

class CollectionHead(_message.Message):
    __slots__ = ("name", "version", "count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    count: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("full", "collections", "findings", "files")
    FULL_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    full: bool
    collections: _containers.RepeatedCompositeFieldContainer[CollectionChange]
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    files: FileTable
    def __init__(self, full: _Optional[bool] = ..., collections: _Optional[_Iterable[_Union[CollectionChange, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., files: _Optional[_Union[FileTable, _Mapping]] = ...) -> None: ...

class CollectionChange(_message.Message):
    __slots__ = ("name", "removed", "names", "versions", "wires", "paths", "lines")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    WIRES_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    name: str
    removed: _containers.RepeatedScalarFieldContainer[str]
    names: _containers.RepeatedScalarFieldContainer[str]
    versions: _containers.RepeatedScalarFieldContainer[str]
    wires: _containers.RepeatedScalarFieldContainer[bytes]
    paths: _containers.RepeatedScalarFieldContainer[str]
    lines: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., removed: _Optional[_Iterable[str]] = ..., names: _Optional[_Iterable[str]] = ..., versions: _Optional[_Iterable[str]] = ..., wires: _Optional[_Iterable[bytes]] = ..., paths: _Optional[_Iterable[str]] = ..., lines: _Optional[_Iterable[int]] = ...) -> None: ...

class FileTable(_message.Message):
    __slots__ = ("removed", "paths", "blobs", "births", "ignored", "covered")
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    BLOBS_FIELD_NUMBER: _ClassVar[int]
    BIRTHS_FIELD_NUMBER: _ClassVar[int]
    IGNORED_FIELD_NUMBER: _ClassVar[int]
    COVERED_FIELD_NUMBER: _ClassVar[int]
    removed: _containers.RepeatedScalarFieldContainer[str]
    paths: _containers.RepeatedScalarFieldContainer[str]
    blobs: _containers.RepeatedScalarFieldContainer[bytes]
    births: _containers.RepeatedScalarFieldContainer[int]
    ignored: _containers.RepeatedScalarFieldContainer[int]
    covered: _containers.RepeatedCompositeFieldContainer[CollectionChange]
    def __init__(self, removed: _Optional[_Iterable[str]] = ..., paths: _Optional[_Iterable[str]] = ..., blobs: _Optional[_Iterable[bytes]] = ..., births: _Optional[_Iterable[int]] = ..., ignored: _Optional[_Iterable[int]] = ..., covered: _Optional[_Iterable[_Union[CollectionChange, _Mapping]]] = ...) -> None: ...

class Links(_message.Message):
    __slots__ = ("facts", "keys", "ends", "files", "documents", "topics", "topic_ends", "dependents")
    FACTS_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    ENDS_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    TOPIC_ENDS_FIELD_NUMBER: _ClassVar[int]
    DEPENDENTS_FIELD_NUMBER: _ClassVar[int]
    facts: _containers.RepeatedScalarFieldContainer[bytes]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    ends: _containers.RepeatedScalarFieldContainer[int]
    files: _containers.RepeatedScalarFieldContainer[int]
    documents: _containers.RepeatedScalarFieldContainer[int]
    topics: _containers.RepeatedScalarFieldContainer[bytes]
    topic_ends: _containers.RepeatedScalarFieldContainer[int]
    dependents: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, facts: _Optional[_Iterable[bytes]] = ..., keys: _Optional[_Iterable[bytes]] = ..., ends: _Optional[_Iterable[int]] = ..., files: _Optional[_Iterable[int]] = ..., documents: _Optional[_Iterable[int]] = ..., topics: _Optional[_Iterable[bytes]] = ..., topic_ends: _Optional[_Iterable[int]] = ..., dependents: _Optional[_Iterable[int]] = ...) -> None: ...

class Listing(_message.Message):
    __slots__ = ("paths", "sizes", "modified", "changed", "inodes", "taken", "contents", "question", "findings")
    PATHS_FIELD_NUMBER: _ClassVar[int]
    SIZES_FIELD_NUMBER: _ClassVar[int]
    MODIFIED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    INODES_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    paths: _containers.RepeatedScalarFieldContainer[bytes]
    sizes: _containers.RepeatedScalarFieldContainer[int]
    modified: _containers.RepeatedScalarFieldContainer[int]
    changed: _containers.RepeatedScalarFieldContainer[int]
    inodes: _containers.RepeatedScalarFieldContainer[int]
    taken: _containers.RepeatedScalarFieldContainer[int]
    contents: _containers.RepeatedScalarFieldContainer[bytes]
    question: bytes
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    def __init__(self, paths: _Optional[_Iterable[bytes]] = ..., sizes: _Optional[_Iterable[int]] = ..., modified: _Optional[_Iterable[int]] = ..., changed: _Optional[_Iterable[int]] = ..., inodes: _Optional[_Iterable[int]] = ..., taken: _Optional[_Iterable[int]] = ..., contents: _Optional[_Iterable[bytes]] = ..., question: _Optional[bytes] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ...) -> None: ...
