"""
What an Envoy does not read in a message that it takes.

Rule: only what was seen not to be read; nothing is told of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gitsource.validate.envoy.rules.compiled import Field

_UNREAD: Mapping[str, Callable[[Any], bool]] = {
    "envoy.config.core.v3.Metadata.typed_filter_metadata": lambda _: True,
    # An Envoy lets every such listener alone that does not come with its bootstrap.
    "envoy.config.listener.v3.ApiListener.api_listener": lambda _: True,
    "envoy.config.route.v3.FilterConfig.config": lambda message: bool(message.disabled),
}
"""Fields whose Any nobody reads, by the message that has them."""


def unread(field: Field, message: Any) -> bool:
    """Say whether nobody reads what *field* of *message* holds."""
    nobody = _UNREAD.get(field.full_name)
    return nobody is not None and nobody(message)
