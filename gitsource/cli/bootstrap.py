"""`gitsource bootstrap`: what a client is started with. Translation only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
        cert: Path | None,
        key: Path | None,
        server_name: str,
        node_id: str,
        cluster: str,
        meta: dict[str, str],
        **kwargs: Any,
    ) -> None:
        from gitsource.report.bootstrap import Client

        if (cert is None) != (key is None) or (cert is not None and ca is None):
            raise click.UsageError("--tls-cert and --tls-key go together, and with --tls-ca")
        host, port = _place(config, address)
        names = [str(path) if path is not None else "" for path in (ca, cert, key)]
        told = Client(host, port, node_id, cluster, meta, names[0], server_name, names[1], names[2])
        command(client=told, **kwargs)

    for option in (
        click.option("--meta", multiple=True, metavar="K=V", callback=pairs, help="Node metadata."),
        click.option("--cluster", default="", help="Node cluster, by which views may choose."),
        click.option("--node-id", default="node-1", show_default=True, help="Node ID."),
        click.option("--server-name", default="", help="Name in the source's certificate."),
        click.option(
            "--tls-key",
            "key",
            type=click.Path(path_type=Path),
            help="PEM file with the private key of --tls-cert.",
        ),
        click.option(
            "--tls-cert",
            "cert",
            type=click.Path(path_type=Path),
            help="PEM file, where the client is, with the certificate that it shows.",
        ),
        click.option(
            "--tls-ca",
            "--ca",
            "ca",
            type=click.Path(path_type=Path),
            help="PEM file, where the client is, to verify the source with; without it the client "
            "speaks plaintext.",
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
        from gitsource.configuration.whole import load

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
@click.option(
    "--tls-secrets",
    "secrets",
    default="",
    metavar="FOLDER",
    help="Where the client has what `bootstrap envoy-secret` prints, as ca.yaml and client.yaml: "
    "new certificates then count without a restart.",
)
@_of_client
def envoy(client: Client, *, delta: bool, secrets: str) -> None:
    """
    Print a bootstrap for Envoy (YAML).

    Envoy reads files of certificates once, unless --tls-secrets names files that tell it to look.
    """
    from dataclasses import replace

    from gitsource.report import bootstrap as texts

    if secrets and not client.ca:
        raise click.UsageError("--tls-secrets goes with --tls-ca")
    sys.stdout.write(texts.envoy(replace(client, secrets=secrets), delta=delta))


@bootstrap.command("envoy-secret")
@click.argument("which", type=click.Choice(["ca", "client"]))
@_of_client
def envoy_secret(client: Client, which: Literal["ca", "client"]) -> None:
    """
    Print a file of the folder that --tls-secrets of `bootstrap envoy` names (YAML).

    Certificate and key stand in one folder, in which new ones are renamed into place, as Kubernetes
    does.
    """
    from gitsource.report import bootstrap as texts

    if not (client.ca if which == "ca" else client.cert):
        option = "--tls-ca" if which == "ca" else "--tls-cert"
        raise click.UsageError(f"there is no such secret without {option}")
    sys.stdout.write(texts.envoy_secret(client, which))


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

    istiod takes an authority as text, so --tls-ca is read here. It shows no certificate to its
    sources, whatever its settings say.
    """
    from dataclasses import replace

    from gitsource.report import bootstrap as texts

    if client.cert:
        raise ConfigurationError(
            "istiod shows no certificate to a source: told to, it would speak plaintext",
            hint="leave --tls-cert out, and let it in by tls.clients: optional, or by a proxy of "
            "its own that shows one",
        )
    if client.ca:
        try:
            client = replace(client, ca=Path(client.ca).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"--tls-ca: cannot read {client.ca}: {error}", hint="name a PEM file"
            ) from error
    sys.stdout.write(texts.istio(client))
