"""
The findings of gitsource's own: what cannot be read, and what no kind of document may hold.

Rule: the hundreds say which stage speaks: 1 reading bytes, 2 the tree of a revision, 3 documents,
4 what one document says of another.
"""

from __future__ import annotations

from gitsource.codes.code import Code, table

ROWS = table(
    # ------------------------------------------------------------------- reading bytes
    Code(
        "GS101",
        "error",
        "not UTF-8",
        "save the file as UTF-8; UTF-16, UTF-32 and Latin-1 are not read",
    ),
    Code(
        "GS102",
        "error",
        "syntax error",
        "mend the file at this place; indent with spaces, not tabs",
    ),
    Code(
        "GS103",
        "error",
        "key given twice",
        "keep one of the two: readers disagree on which of them counts",
        implements=("CMN-02",),
    ),
    Code(
        "GS104",
        "error",
        "nested too deep",
        "flatten the document, or raise limits.depth if it is meant",
    ),
    Code(
        "GS105",
        "error",
        "too many values",
        "split the file or use fewer aliases (each use counts its whole value), "
        "or raise limits.nodes",
    ),
    Code(
        "GS106",
        "error",
        "tag not allowed",
        "remove the tag; only the core tags are read, on values that fit them (!!str, !!int, "
        "!!float, !!bool, !!null, !!map, !!seq)",
    ),
    Code(
        "GS107",
        "error",
        "file too large",
        "split the file, move it out of the followed path, or raise limits.file_bytes",
    ),
    Code(
        "GS108",
        "error",
        "document is not a mapping",
        "a document starts with keys such as apiVersion and kind; start each one with ---",
    ),
    Code(
        "GS109",
        "error",
        "too many documents",
        "split the file, or raise limits.documents",
    ),
    Code(
        "GS110",
        "error",
        "key is not a string",
        "put the key in quotes",
    ),
    Code(
        "GS111",
        "error",
        "number that JSON cannot carry",
        "write a finite number, or put the value in quotes if it is text",
    ),
    Code(
        "GS112",
        "error",
        "broken anchor, alias or merge",
        "define an anchor (&name) before it is used (*name), outside of itself; "
        "merge (<<) mappings only",
    ),
    Code(
        "GS113",
        "warning",
        "value that readers disagree on",
        "put it in quotes if text is meant; write true or false, a decimal number or 0o17 if not",
    ),
    # ------------------------------------------------------------------- the tree
    Code(
        "GS201",
        "error",
        "symbolic link",
        "commit the file itself; links are never followed",
    ),
    Code(
        "GS202",
        "warning",
        "submodule",
        "submodules are not read; commit the files themselves or exclude the path",
    ),
    Code(
        "GS203",
        "error",
        "Git LFS pointer",
        "commit the file itself; LFS content is never fetched",
    ),
    Code(
        "GS204",
        "error",
        "unsafe path",
        "rename the file: no control characters, no . or .. parts, nothing that looks like .git",
    ),
    Code(
        "GS205",
        "error",
        "too many files",
        "follow a narrower repository.path, or raise limits.files",
    ),
    Code(
        "GS206",
        "error",
        "collection emptied",
        "confirm it with a line Gitsource-Allow: empty COLLECTION in the message of a commit, "
        "which may be an empty one, or with gitsource allow, or set guard.empty to allow",
        note="compared with what was published before: of Clusters and Listeners where there were "
        "any, since an Envoy that gets none drops all it has, of others where there were more than "
        "guard.removals.floor",
    ),
    Code(
        "GS207",
        "error",
        "much removed at once",
        "confirm it with a line Gitsource-Allow: removals COLLECTION in the message of a commit, "
        "which may be an empty one, or with gitsource allow, or set guard.removals",
        note="more than guard.removals.count resources of a collection, or more than "
        "guard.removals.share of it (and than guard.removals.floor), compared with what was "
        "published before",
    ),
    Code(
        "GS208",
        "error",
        "history rewritten",
        "confirm it with a line Gitsource-Allow: rewind in the message of the new head, which may "
        "be an empty commit, or with gitsource allow, or set repository.non_fast_forward to allow",
    ),
    Code(
        "GS209",
        "error",
        "nothing left",
        "confirm it with a line Gitsource-Allow: empty all in the message of a commit, which may "
        "be an empty one, or with gitsource allow, or set guard.empty to allow",
        note="where there was something in what was published before, also of one layer; of a "
        "first revision, where there was configuration in commits before it",
    ),
    Code(
        "GS210",
        "error",
        "history rewritten, which is denied",
        "move the ref back to where it was, or set repository.non_fast_forward to hold or allow",
    ),
    Code(
        "GS211",
        "error",
        "not signed",
        "have the commit signed by a key of trust.gpg_keys or trust.allowed_signers",
        note="trust.mode says which commits have to be signed; gitsource allow does not help",
    ),
    Code(
        "GS212",
        "error",
        "signature that does not count",
        "have the commit signed anew by a key that counts, or add its key if it is to be trusted",
        note="over something else, of an unknown or revoked key, made after its key expired, "
        "expired itself, over a broken digest, or not the only one",
    ),
    Code(
        "GS213",
        "error",
        "signer who may not",
        "have one of the signers sign the change that trust.paths leaves it to",
        note="also a key of trust.merge_commits on a commit that is no merge",
    ),
    Code(
        "GS214",
        "error",
        "trust.since not in the history",
        "set trust.since to a commit that the head follows from, or move the ref back",
    ),
    Code(
        "GS215",
        "warning",
        "place of a lower layer's document",
        "if that is not meant, rename or remove one of the two; if it is, set the layer's "
        "overrides to off",
        note="only with several layers; an error where the layer's overrides says so",
    ),
    Code(
        "GS216",
        "error",
        "folder of repository.path missing",
        "mend repository.path, or commit a file in that folder; if it is gone for good, confirm it "
        "with a line Gitsource-Allow: empty all in the message of a commit, or with gitsource "
        "allow, or set guard.empty to allow",
        note="also in a first revision: a mistyped path would publish nothing at all",
    ),
    Code(
        "GS217",
        "warning",
        "nothing in a first revision",
        "commit the first document, or check repository.path, include and ignore",
        note="where nothing was published before and no commit ever had configuration: it is "
        "published, and sinks get nothing",
    ),
    # ------------------------------------------------------------------- documents
    Code(
        "GS301",
        "error",
        "value against the schema",
        "change the value to what the message asks for",
        implements=("CMN-03", "CMN-13", "DR-25", "SC-70", "SE-45", "SE-50"),
    ),
    Code(
        "GS302",
        "error",
        "name missing",
        "give the resource a metadata.name",
    ),
    Code(
        "GS303",
        "error",
        "name or namespace not allowed",
        "use lower-case letters, digits, - and ., starting and ending with a letter or digit",
    ),
    Code(
        "GS304",
        "error",
        "resource defined twice",
        "keep one of the definitions, or give one another name or namespace",
    ),
    Code(
        "GS305",
        "error",
        "unknown kind",
        "mend kind or apiVersion, add a collection for it, or set unknown_kinds to ignore",
        note="A document of Istio's groups is told of in any case: as an error where kind or "
        "apiVersion is missing or the kind is one of Istio's that is misspelled or of another "
        "group, as a warning otherwise, since a later release may have such a kind.",
    ),
    Code(
        "GS306",
        "error",
        "apiVersion not served for this kind",
        "use one of the versions named in the message",
    ),
    Code(
        "GS307",
        "error",
        "cannot be encoded",
        "change the value so that it fits the message type of the collection",
    ),
    Code(
        "GS308",
        "error",
        "labels or annotations that no cluster takes",
        "put the value in quotes if it is a number or a boolean; give keys, and the values of "
        "labels, the form that Kubernetes asks for",
    ),
    Code(
        "GS309",
        "error",
        "number loses precision",
        "write it as a string, or as a number below 2^53",
    ),
    Code(
        "GS310",
        "error",
        "unknown field",
        "mend the spelling, or remove the field",
        implements=("CMN-01",),
    ),
    Code(
        "GS311",
        "error",
        "schema cannot be used",
        "mend the schema of the collection, or bring it back where the settings name it",
    ),
    Code(
        "GS312",
        "error",
        "rule of the schema",
        "change the value so that the rule in the message holds: a cluster refuses it otherwise",
        note="the CEL rules of Istio's custom resource definitions; where one of Istio's own rules "
        "says the same, that one is told",
    ),
    Code(
        "GS313",
        "warning",
        "field name that a cluster refuses",
        "write the field in lowerCamelCase: Istio reads both, a cluster only that",
        implements=("CMN-04",),
    ),
    Code(
        "GS314",
        "warning",
        "value form that a cluster refuses",
        "write enums by name and numbers without quotes: Istio reads both, a cluster only that",
    ),
    Code(
        "GS315",
        "warning",
        "deprecated field",
        "use the field that has taken its place",
    ),
    Code(
        "GS316",
        "warning",
        "Gateway API document",
        "apply it to the cluster: istiod takes that kind from there alone; or define a collection "
        "for it, or set gateway_api",
    ),
    Code(
        "GS317",
        "warning",
        "rules that do not count",
        "put the SinkPolicy into a file that authorization.repository_file matches, or remove it",
    ),
    Code(
        "GS318",
        "error",
        "rule that cannot hold",
        "mend the rule as the message says: docs/authorization.md tells what a rule may say",
    ),
    Code(
        "GS320",
        "error",
        "unknown type in @type",
        "mend the name, or add the message to the descriptor set of the collection",
    ),
    Code(
        "GS330",
        "warning",
        "suppression of nothing",
        "name codes of warnings in gitsource.dev/suppress, with commas between them, or remove it",
    ),
    Code(
        "GS340",
        "error",
        "TTL that must not be",
        "remove ttl: only a Cluster or a Listener may have one",
        note="when another one runs out, Envoy 1.40 crashes (state of the world) or keeps it "
        "(delta)",
    ),
    Code(
        "GS341",
        "error",
        "not delivered",
        "remove it, or write it where the message says",
    ),
    Code(
        "GS342",
        "error",
        "two names for one resource",
        "make the name around the resource the same as the one inside",
    ),
    Code(
        "GS345",
        "error",
        "value that Envoy refuses",
        "change the value to what the message asks for, or add what it says is missing",
        note="the rules that Envoy's messages declare for their fields, the deprecated fields that "
        "Envoy 1.40 refuses, and a few fields that do not go together. In a typed_config it is a "
        "warning where Envoy was not seen to apply the rules of that message",
    ),
    Code(
        "GS350",
        "error",
        "key material in Git",
        "take the key out of the repository and change it; put the new one into a file of the "
        "server, and name that in a Secret as filename: gitsource://NAME",
        note="what Envoy's messages mark as sensitive; not given with secrets.inline: allow",
    ),
    Code(
        "GS351",
        "error",
        "file of the server that cannot be named so",
        "name it in a Secret by its path below secrets.folder, as in gitsource://web/tls.key",
    ),
)
