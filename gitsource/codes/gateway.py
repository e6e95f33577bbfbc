"""Istio's rules for Gateway and the TLS of servers (GW): what each is called, and what to do."""

from __future__ import annotations

from gitsource.codes.code import Code, table

ROWS = table(
    Code(
        "GW-01",
        "error",
        "name of a gateway not allowed",
        "use 1 to 63 letters, digits and hyphens: no dots",
    ),
    Code(
        "GW-02",
        "error",
        "gateway without servers",
        "add a server, or remove the gateway",
    ),
    Code(
        "GW-03",
        "error",
        "empty entry in servers",
        "write the server, or remove the entry",
    ),
    Code(
        "GW-04",
        "error",
        "port name used twice",
        "give each server's port a name of its own",
    ),
    Code(
        "GW-05",
        "warning",
        "httpsRedirect where no HTTP is spoken",
        "remove tls.httpsRedirect, or set it on the server of the HTTP port",
    ),
    # ------------------------------------------------------------------- servers
    Code(
        "GW-10",
        "error",
        "server without hosts",
        "list the hosts it serves; '*' is all",
    ),
    Code(
        "GW-11",
        "error",
        "host of a server not allowed",
        "write a domain with a dot, '*.' and a domain, or '*', behind NAMESPACE/ if wanted",
        note="Like Istio, refuses an IPv6 address, since it has no dot.",
    ),
    Code(
        "GW-15",
        "error",
        "server without a port",
        "set port: number, name and protocol",
    ),
    Code(
        "GW-16",
        "error",
        "protocol of a port not known",
        "use HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TLS, TCP, MONGO, REDIS or MYSQL",
    ),
    Code(
        "GW-17",
        "error",
        "number of a port not allowed",
        "use a number from 1 to 65535",
    ),
    Code(
        "GW-18",
        "error",
        "targetPort on a gateway",
        "remove it: a gateway forwards where routes say",
    ),
    Code(
        "GW-19",
        "error",
        "port without a name",
        "set port.name, different on each server",
    ),
    Code(
        "GW-20",
        "error",
        "bind to what is no Unix socket path",
        "write unix:///absolute/path, or unix://@name",
    ),
    Code(
        "GW-21",
        "error",
        "port number on a Unix socket",
        "set port.number to 0, or bind to an address",
    ),
    Code(
        "GW-22",
        "error",
        "bind to what is no address",
        "write an IPv4 or IPv6 address, or leave bind out",
    ),
    Code(
        "GW-25",
        "error",
        "port of TLS without tls",
        "set tls.mode and certificates, or change the protocol",
    ),
    Code(
        "GW-26",
        "error",
        "tls on a port of plain HTTP",
        "keep only tls.httpsRedirect, or set the protocol to HTTPS",
    ),
    Code(
        "GW-27",
        "error",
        "tls on a port of neither HTTP nor TLS",
        "remove tls, or set the protocol to TLS",
    ),
    # ------------------------------------------------------------------- TLS
    Code(
        "GW-30",
        "warning",
        "old version of TLS without ciphers for it",
        "set cipherSuites, or raise minProtocolVersion",
        implements=("SC-32",),
    ),
    Code(
        "GW-31",
        "warning",
        "cipher not known",
        "remove it: it is left out of the list",
        note="Like Istio, takes expressions that start with neither letter nor digit.",
    ),
    Code(
        "GW-32",
        "warning",
        "cipher given twice",
        "keep one of the two",
    ),
    Code(
        "GW-33",
        "error",
        "certificates in mode ISTIO_MUTUAL",
        "remove them: the mesh brings its own",
    ),
    Code(
        "GW-34",
        "warning",
        "certificates where TLS is passed through",
        "remove them, or change mode",
    ),
    Code(
        "GW-35",
        "error",
        "certificates from more than one source",
        "keep one of serverCertificate with privateKey, credentialName, credentialNames and "
        "tlsCertificates",
    ),
    Code(
        "GW-37",
        "error",
        "clients judged without CA certificates",
        "set caCertificates, or credentialName",
    ),
    Code(
        "GW-38",
        "error",
        "more than two certificates",
        "keep two in tlsCertificates: one RSA, one ECDSA",
        note="A warning in Istio's validator, but its custom resource definition takes no third, "
        "so no cluster does.",
    ),
    Code(
        "GW-39",
        "error",
        "TLS without a server certificate",
        "set serverCertificate, or credentialName",
        note="As in Istio, GW-37 to GW-42 are not asked where credentialName or credentialNames "
        "bring the certificates.",
        implements=("GW-36",),
    ),
    Code(
        "GW-40",
        "error",
        "TLS without a private key",
        "set privateKey, or credentialName",
    ),
    Code(
        "GW-41",
        "error",
        "caCrl beside credentialName",
        "put the revocation list into the secret, and remove caCrl",
        note="In modes SIMPLE, MUTUAL and OPTIONAL_MUTUAL Istio does not look (GW-36), and "
        "neither do we.",
    ),
    Code(
        "GW-42",
        "error",
        "caCrl in mode SIMPLE",
        "remove caCrl, or use MUTUAL: in SIMPLE no client certificate is asked for",
    ),
)
