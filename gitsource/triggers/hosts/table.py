"""
All hosts whose deliveries are understood, in the order in which they are told apart.

Rule: the first that fits. Some send the headers of others beside their own (Forgejo those of Gitea,
these those of Gogs, and all of them GitHub's), so the order matters; the last takes what is left.
"""

from __future__ import annotations

from gitsource.triggers.delivery import Delivery
from gitsource.triggers.hosts import (
    azure_devops,
    bitbucket_cloud,
    bitbucket_data_center,
    generic,
    gitea,
    gitee,
    github,
    gitlab,
)
from gitsource.triggers.hosts.said import Host

HOSTS: tuple[Host, ...] = (
    gitea.FORGEJO,
    gitea.GITEA,
    gitea.GOGS,
    github.HOST,
    gitlab.HOST,
    bitbucket_cloud.HOST,
    bitbucket_data_center.HOST,
    gitee.HOST,
    azure_devops.HOST,
    generic.HOST,
)


def host_of(delivery: Delivery, pinned: str = "auto", header: str = "") -> Host:
    """
    Return whose *delivery* is: the *pinned* one's whatever it looks like, else by its headers.

    *header* is the one in which Azure DevOps was told to carry the secret.
    """
    for host in HOSTS:
        if pinned != "auto":
            if host.name == pinned:
                return host
        elif host.sent(delivery) or (host is azure_devops.HOST and delivery.has(header)):
            return host
    return generic.HOST
