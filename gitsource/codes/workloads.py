"""Istio's rules for WorkloadEntry (WE) and WorkloadGroup (WG): their names, and what to do."""

from __future__ import annotations

from gitsource.codes.code import Code, table

ROWS = table(
    Code(
        "WE-01",
        "error",
        "workload without an address",
        "write an IP address or a domain, or name the network whose gateway gets the traffic",
    ),
    Code(
        "WE-02",
        "warning",
        "workload without an address in a network",
        "write an address, unless the network's gateway is to get the traffic",
    ),
    Code(
        "WE-03",
        "error",
        "address of a socket that is no path",
        "write unix:///path/to/socket, or unix://@name for an abstract one",
    ),
    Code(
        "WE-04",
        "error",
        "socket with ports",
        "remove the ports, or use an IP address",
    ),
    Code(
        "WE-05",
        "error",
        "address that is neither an IP address nor a domain",
        "write one of them",
    ),
    Code(
        "WE-06",
        "error",
        "port name of a workload that is no DNS label",
        "use 1 to 63 letters, digits and '-', such as http",
    ),
    Code(
        "WE-07",
        "error",
        "port of a workload out of range",
        "use a number from 1 to 65535",
    ),
    Code(
        "WE-08",
        "error",
        "label of a workload that is none",
        "use letters, digits, '-', '_' and '.', with a letter or a digit first and last",
    ),
    Code(
        "WG-01",
        "error",
        "group without a template",
        "say under template what the workloads have in common; it may be empty ({})",
    ),
    Code(
        "WG-02",
        "error",
        "label of a group's workloads that is none",
        "use letters, digits, '-', '_' and '.', with a letter or a digit first and last",
    ),
    Code(
        "WG-03",
        "warning",
        "template whose entries will be refused",
        "write what a WorkloadEntry takes; the address may be left out",
        note=(
            "Istio does not look at the template, and refuses the entry when a workload joins: we "
            "say it now, as a warning, since Istio takes the group"
        ),
    ),
    Code(
        "WG-10",
        "error",
        "time or count of a probe below 0",
        "use 0 (the proxy's default) or more",
    ),
    Code(
        "WG-11",
        "error",
        "probe that does not say how to ask",
        "use httpGet, tcpSocket or exec",
        note=(
            "the resource definition knows grpc as well, but Istio's validator refuses it, and "
            "with it the group: a quirk that is copied, or the group would be lost at the sink"
        ),
    ),
    Code(
        "WG-12",
        "error",
        "port of an HTTP probe out of range",
        "use a number from 1 to 65535",
    ),
    Code(
        "WG-13",
        "error",
        "scheme of a probe that is not HTTP or HTTPS",
        "write HTTP or HTTPS, in upper case",
    ),
    Code(
        "WG-14",
        "error",
        "header of a probe that is none",
        "name it with letters, digits and '-'",
        note="the resource definition takes '_' as well, Istio's validator does not: as in Istio",
    ),
    Code(
        "WG-15",
        "error",
        "port of a TCP probe out of range",
        "use a number from 1 to 65535",
    ),
    Code(
        "WG-16",
        "error",
        "probe that runs nothing",
        "name the command and its arguments under exec.command",
    ),
)
