"""`gitsource bootstrap`: what a client is started with. Translation only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitsource.cli.options import config_option, pairs
from gitsource.errors import ConfigurationError

if TYPE_CHECKING:
    from gitsource.report.bootstrap import Client


@click.group("bootstrap")
def bootstrap() -> None:
    """
    Print what a client is started with so that it takes its configuration from here.

    Exit codes: 0 done, 2 usage.
    """


def _of_client(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* what every client is told; it gets it as ``client``."""

    @wraps(command)
    def prepared(
        config: Path | None,
        address: str | None,
        ca: Path | None,
        server_name: str,
        node_id: str,
        cluster: str,
        meta: dict[str, str],
        **kwargs: Any,
    ) -> None:
        from gitsource.report.bootstrap import Client

        host, port = _place(config, address)
        told = Client(
            host, port, node_id, cluster, meta, str(ca) if ca is not None else "", server_name
        )
        command(client=told, **kwargs)

    for option in (
        click.option("--meta", multiple=True, metavar="K=V", callback=pairs, help="Node metadata."),
        click.option("--cluster", default="", help="Node cluster, by which views may choose."),
        click.option("--node-id", default="node-1", show_default=True, help="Node ID."),
        click.option("--server-name", default="", help="Name in the source's certificate."),
        click.option(
            "--ca",
            type=click.Path(path_type=Path),
            help="PEM file to verify the source with; without it the client speaks plaintext.",
        ),
        click.option(
            "--address",
            metavar="HOST:PORT",
            help="Where the client reaches gitsource.  [default: listen.mcp of --config]",
        ),
        config_option,
    ):
        option(prepared)
    return prepared


def _place(config: Path | None, address: str | None) -> tuple[str, int]:
    from gitsource.cli.admin_client import EVERYWHERE
    from gitsource.declarations import address as checked

    if address is None:
        from gitsource.configuration import load

        address = load(config, os.environ, {}).listen.mcp
    try:
        host, _, port = checked(address).rpartition(":")
    except ValueError as error:
        raise click.BadParameter(
            f"expected {error}, found {address!r}", param_hint="--address"
        ) from error
    return EVERYWHERE.get(host, host).strip("[]"), int(port)


@bootstrap.command("envoy")
@click.option("--delta", is_flag=True, help="Ask for changes only (incremental xDS).")
@_of_client
def envoy(client: Client, *, delta: bool) -> None:
    """Print a bootstrap for Envoy (YAML)."""
    from gitsource.report import bootstrap as texts

    sys.stdout.write(texts.envoy(client, delta=delta))


@bootstrap.command("grpc")
@_of_client
def grpc(client: Client) -> None:
    """
    Print a bootstrap for gRPC's own xDS client (JSON).

    Its file is named by the environment variable GRPC_XDS_BOOTSTRAP.
    """
    from gitsource.report import bootstrap as texts

    sys.stdout.write(texts.grpc(client))


@bootstrap.command("istio")
@_of_client
def istio(client: Client) -> None:
    """
    Print the part of MeshConfig that makes istiod a sink (YAML).

    istiod takes a certificate as text, so --ca is read here.
    """
    from dataclasses import replace

    from gitsource.report import bootstrap as texts

    if client.ca:
        try:
            client = replace(client, ca=Path(client.ca).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"--ca: cannot read {client.ca}: {error}", hint="name a PEM file"
            ) from error
    sys.stdout.write(texts.istio(client))
