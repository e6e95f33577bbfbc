"""Istio's rules for policies (AP, RA, PA): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import Code, table

_ONE = "keep one of selector, targetRef and targetRefs"
_LABELS = "name labels without '*'; leave the selector out to select everything"
_TARGET = (
    "write the name of a Service, ServiceEntry, Gateway or GatewayClass with its group, and no "
    "namespace"
)

ROWS = table(
    # ------------------------------------------------------------------- AuthorizationPolicy
    Code("AP-01", "error", "more than one way to say what the policy applies to", _ONE),
    Code(
        "AP-02",
        "error",
        "selector that cannot select",
        _LABELS,
        note="A selector without labels is a warning, as in Istio.",
    ),
    Code("AP-03", "error", "target that no policy can be attached to", _TARGET),
    Code(
        "AP-04",
        "error",
        "dry run of an action that has none",
        "remove istio.io/dry-run, or use action ALLOW or DENY",
    ),
    Code(
        "AP-05",
        "error",
        "dry-run annotation that is neither true nor false",
        "write 'true' or 'false' in quotes",
    ),
    Code(
        "AP-10",
        "error",
        "CUSTOM without rules",
        "add a rule: an empty one, {}, asks the authorizer about every request",
    ),
    Code(
        "AP-11",
        "error",
        "CUSTOM without the name of a provider",
        "name an extension provider of the mesh configuration in provider.name",
    ),
    Code(
        "AP-12",
        "error",
        "provider beside an action that asks none",
        "remove provider, or use action CUSTOM",
    ),
    Code(
        "AP-13",
        "error",
        "DENY without rules",
        "add a rule: an empty one, {}, denies every request",
        note="ALLOW without rules is taken: it allows nothing, which is a common default.",
    ),
    Code(
        "AP-14",
        "error",
        "identity of the caller in a CUSTOM policy",
        "leave the decision to the authorizer, or put it into a policy of its own with ALLOW or "
        "DENY; ipBlocks and remoteIpBlocks are taken",
    ),
    Code(
        "AP-15",
        "error",
        "condition on the caller's identity in a CUSTOM policy",
        "leave the decision to the authorizer, or put it into a policy of its own with ALLOW or "
        "DENY",
    ),
    Code("AP-20", "error", "rule that is null", "write the rule, {} for one that always matches"),
    Code("AP-21", "error", "from entry without source", "write source and what it has to be"),
    Code(
        "AP-22",
        "error",
        "source that says nothing",
        "name principals, namespaces or addresses, or leave from out to mean every caller",
    ),
    Code(
        "AP-23",
        "error",
        "service accounts beside principals or namespaces",
        "keep serviceAccounts (an entry can say namespace/account), or principals and namespaces",
    ),
    Code(
        "AP-24",
        "error",
        "address that is neither an IP nor a CIDR prefix",
        "write an address such as 10.1.2.3 or a prefix such as 10.1.0.0/16",
    ),
    Code("AP-25", "error", "empty entry in a source", "write the entry or remove it"),
    Code(
        "AP-26",
        "error",
        "service account that is not one",
        "write 'account' or 'namespace/account' in full, without '*', at most 16 of them and 320 "
        "bytes each",
    ),
    Code(
        "AP-27",
        "error",
        "trust domain that is not one",
        "write a trust domain such as cluster.local, with at most one '*', first or last, and no /",
    ),
    Code("AP-30", "error", "to entry without operation", "write operation and what it has to be"),
    Code(
        "AP-31",
        "error",
        "operation that says nothing",
        "name hosts, ports, methods or paths, or leave to out to mean every operation",
    ),
    Code("AP-32", "error", "port that is not one", "write a number from 0 to 65535, in quotes"),
    Code("AP-33", "error", "empty entry in an operation", "write the entry or remove it"),
    Code(
        "AP-34",
        "error",
        "path template that cannot be matched",
        "let {*} and {**} stand for whole segments, {**} last, and use no other braces; beside "
        "them a segment is plain text",
        note="Segments are counted after slashes at both ends are taken off, as in Istio, so "
        "//shop/{*}/ passes.",
    ),
    Code("AP-40", "error", "condition without a key", "write the attribute that is looked at"),
    Code(
        "AP-41",
        "error",
        "condition without values",
        "write values that the attribute has to have, or notValues that it may not have",
    ),
    Code("AP-42", "error", "empty value in a condition", "write the value or remove it"),
    Code(
        "AP-43",
        "error",
        "condition on an unknown attribute",
        "use an attribute of Istio's list, such as source.ip, request.headers[name] or "
        "request.auth.claims[name]",
        note="request.experimental.inline.headers[name] is taken too: Istio has it for "
        "experiments. As in Istio a known attribute is told by how "
        "the key begins, so request.headers.x[y] passes.",
    ),
    Code(
        "AP-44",
        "error",
        "attribute without the name that belongs in brackets",
        "add the name at the end, such as request.headers[x-shop]",
    ),
    Code(
        "AP-45",
        "error",
        "condition on an address that is neither an IP nor a CIDR prefix",
        "write an address such as 10.1.2.3 or a prefix such as 10.1.0.0/16",
    ),
    Code(
        "AP-46",
        "error",
        "condition on a port that is not one",
        "write a number from 0 to 65535, in quotes",
    ),
    Code(
        "AP-47",
        "error",
        "condition on a service account that is not one",
        "write 'account' or 'namespace/account' in full, without '*', at most 16 of them and 320 "
        "bytes each",
    ),
    Code(
        "AP-48",
        "error",
        "condition on a trust domain that is not one",
        "write a trust domain such as cluster.local, with at most one '*', first or last",
        note="A slash is taken here, as in Istio, though not in a source.",
    ),
    Code(
        "AP-49",
        "error",
        "condition on an attribute that is gone",
        "use the policy's own namespace and selector instead",
    ),
    Code(
        "AP-50",
        "warning",
        "DENY by HTTP attributes alone",
        "name ports too: on ports that are not HTTP such a rule denies everything",
        note="trustDomains does not count as an attribute that TCP has, as in Istio.",
    ),
    # ------------------------------------------------------------------- RequestAuthentication
    Code("RA-01", "error", "more than one way to say what the policy applies to", _ONE),
    Code(
        "RA-02",
        "error",
        "selector that cannot select",
        _LABELS,
        note="A selector without labels is a warning, as in Istio.",
    ),
    Code("RA-03", "error", "target that no policy can be attached to", _TARGET),
    Code("RA-10", "error", "empty audience", "write the audience or remove the entry"),
    Code(
        "RA-11",
        "error",
        "neither issuer nor jwksUri",
        "name the issuer, so that its keys can be found",
        note="Older releases of Istio ask for the issuer in any case. A rule that has jwks "
        "alone is refused by all of them.",
    ),
    Code(
        "RA-12",
        "error",
        "jwksUri that keys cannot be fetched from",
        "write an http:// or https:// URL; a port is a number",
    ),
    Code(
        "RA-13",
        "error",
        "jwks that is not a JSON Web Key or a set of them",
        'paste the JSON that the issuer publishes, such as {"keys": [...]}',
        note="Istio's reader of keys differs from release to release in what it makes of an empty "
        "set, which is taken here.",
    ),
    Code(
        "RA-14",
        "warning",
        "jwks with a key that is a secret",
        "publish the public half only, and make a new key: whoever reads the file can sign tokens",
    ),
    Code("RA-15", "error", "fromHeaders entry without a name", "name the header"),
    Code("RA-16", "error", "empty entry in fromParams", "name the query parameter or remove it"),
    Code("RA-17", "error", "empty entry in fromCookies", "name the cookie or remove it"),
    Code(
        "RA-18",
        "error",
        "claim without a header, or header without a claim",
        "write both header and claim",
    ),
    Code(
        "RA-19",
        "error",
        "header that a claim cannot be copied to",
        "use letters, digits, '-' and '_' in the header's name",
    ),
    Code(
        "RA-20",
        "error",
        "timeout that is no usable time",
        "write whole milliseconds, at least one, such as 5s or 1500ms",
    ),
    # ------------------------------------------------------------------- PeerAuthentication
    Code(
        "PA-01",
        "error",
        "selector that cannot select",
        _LABELS,
        note="A selector without labels is a warning, as in Istio.",
    ),
    Code(
        "PA-02",
        "error",
        "portLevelMtls for a whole namespace",
        "name the workload in selector.matchLabels: ports are a workload's",
    ),
    Code("PA-03", "error", "portLevelMtls without ports", "name a port or remove portLevelMtls"),
    Code("PA-04", "error", "portLevelMtls for something that is no port", "use 1 to 65535"),
)
