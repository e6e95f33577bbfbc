"""Istio's rules for code in proxies (WP, TE): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import Code, table

_TARGET = (
    "write the name of a Service, ServiceEntry, Gateway or GatewayClass with its group, and no "
    "namespace"
)
_LABELS = "name labels without '*'; leave the selector out to select everything"
_NO_LABELS = "A selector without labels is a warning, as in Istio."

ROWS = table(
    # ------------------------------------------------------------------- WasmPlugin
    Code(
        "WP-01",
        "error",
        "more than one way to say what the plugin applies to",
        "keep one of selector, targetRef and targetRefs",
    ),
    Code("WP-02", "error", "selector that cannot select", _LABELS, note=_NO_LABELS),
    Code("WP-03", "error", "target that no plugin can be attached to", _TARGET),
    Code(
        "WP-10",
        "error",
        "plugin without the place of its module",
        "write url, such as oci://registry.example.com/shop/filter:1.2",
    ),
    Code(
        "WP-11",
        "error",
        "place of a module that is no URL",
        "write a URL such as oci://registry.example.com/shop/filter:1.2",
        note="As in Istio a text that is no URL is read once more with http:// in front, so that "
        "registries need no scheme; https://host:port passes by that, since https: is a host then.",
    ),
    Code(
        "WP-12",
        "error",
        "place of a module that cannot be fetched from",
        "use oci://, https://, http:// or file://; write the scheme if there is a port",
        note="As in Istio the host of registry:5000/filter is taken for a scheme, since no scheme "
        "is written.",
    ),
    Code("WP-13", "error", "checksum that is no SHA-256", "write 64 digits from 0-9 and a-f"),
    Code("WP-14", "error", "name of a secret that is too long", "use at most 253 bytes"),
    Code("WP-15", "error", "name of a plugin that is too long", "use at most 256 bytes"),
    Code("WP-20", "error", "environment variable without a name", "name the variable"),
    Code("WP-21", "error", "name of a variable that is too long", "use at most 256 bytes"),
    Code("WP-22", "error", "environment variable given twice", "keep one of the two"),
    Code(
        "WP-23",
        "error",
        "value of a variable that is taken from the host",
        "remove value, or valueFrom",
    ),
    Code("WP-30", "error", "match or port that is null", "write the match or remove it"),
    Code("WP-31", "error", "match of a port that is none", "use a number from 1 to 65535"),
    # ------------------------------------------------------------------- TrafficExtension
    Code(
        "TE-01",
        "error",
        "not one extension",
        "write either wasm or lua",
    ),
    Code(
        "TE-02",
        "error",
        "more than one way to say what the extension applies to",
        "keep one of selector and targetRefs",
    ),
    Code("TE-03", "error", "selector that cannot select", _LABELS, note=_NO_LABELS),
    Code("TE-04", "error", "target that no extension can be attached to", _TARGET),
    Code("TE-10", "error", "script without text", "write the script into lua.inlineCode"),
    Code(
        "TE-11",
        "error",
        "script that is too long",
        "shorten it to 65536 bytes, or make a WebAssembly module of it",
    ),
    Code(
        "TE-20",
        "error",
        "place of a module that cannot be fetched from",
        "write a URL with oci://, https://, http:// or file://",
    ),
    Code("TE-21", "error", "checksum that is no SHA-256", "write 64 digits from 0-9 and a-f"),
    Code("TE-22", "error", "name of a secret that is too long", "use at most 253 bytes"),
    Code("TE-23", "error", "name of a plugin that is too long", "use at most 256 bytes"),
    Code(
        "TE-24",
        "error",
        "environment variable that cannot be set",
        "give each variable a name of 1 to 256 bytes once, and a value only if it is INLINE",
    ),
    Code("TE-30", "error", "match or port that is null", "write the match or remove it"),
    Code("TE-31", "error", "match of a port that is none", "use a number from 1 to 65535"),
)
