"""
Who may receive what, decided rule by rule and resource by resource, without any of our values.

Rule: this is written from docs/authorization.md alone and shares no code with `security.authorize`,
so that one mistake does not make two.
"""

from fnmatch import fnmatchcase


def any_glob(globs, text):
    return not globs or any(fnmatchcase(text, glob) for glob in globs)


def is_about(rule, peer, node_id, protocol):
    """Whether *rule* is about a peer; the tests write SPIFFE IDs without stars inside parts."""
    to = rule.to
    if to.any == "known" and peer.means == "none":
        return False
    if to.spiffe:
        found = False
        for pattern in to.spiffe:
            if pattern.endswith("/**"):
                found |= peer.spiffe_id.startswith(pattern[:-2])
            else:
                found |= peer.spiffe_id == pattern
        if not found:
            return False
    for key, glob in to.claims:
        if key not in peer.claims or not fnmatchcase(peer.claims[key], glob):
            return False
    if to.nodes.ids and (node_id is None or not any_glob(to.nodes.ids, node_id)):
        return False
    return any_glob(to.protocols, protocol)


def means(rule, collection, name, labels):
    """Whether *rule* is about a resource; rules of views are not written in the tests."""
    what = rule.resources
    namespace = name.split("/")[0] if name.count("/") == 1 else ""
    if not (any_glob(what.namespaces, namespace) and any_glob(what.collections, collection)):
        return False
    return all(key in labels and fnmatchcase(labels[key], glob) for key, glob in what.labels)


def may(book, peer, node_id, protocol, collection, name, labels):
    """Whether a peer may receive a resource, by the lists of rules in *book* (a mapping)."""

    def granted(rules):
        return any(
            is_about(rule, peer, node_id, protocol) and means(rule, collection, name, labels)
            for rule in rules
            if rule.effect != "deny"
        )

    def denied(rules):
        for rule in rules:
            mine = is_about(rule, peer, node_id, protocol)
            if rule.effect == "deny" and mine and means(rule, collection, name, labels):
                return True
            if rule.effect == "only" and not mine and means(rule, collection, name, labels):
                return True
        return False

    settings, repository, ceiling = book["settings"], book["repository"], book["ceiling"]
    in_git = granted(repository) and not denied(repository)
    within = granted(ceiling) and not denied(ceiling)
    return (granted(settings) or (in_git and within)) and not denied(settings)
