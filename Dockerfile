# gitsource with git, gpg and ssh, as an unprivileged user. Runs with a read-only root file system; what it
# writes is in /var/lib/gitsource, and git's temporary files are in /tmp. Nothing secret is built in:
# settings, webhook secret and keys are mounted (docs/operations.md).
ARG PYTHON=3.11.14

FROM python:${PYTHON}-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY gitsource gitsource
COPY proto proto
COPY schemas schemas
COPY tests/corpus tests/corpus
RUN python -m pip wheel --no-cache-dir --constraint constraints.txt --wheel-dir /wheels .
RUN python -m venv /opt/gitsource \
    && /opt/gitsource/bin/python -m pip install --no-cache-dir --no-index --find-links /wheels gitsource

FROM python:${PYTHON}-slim-bookworm
# tini reaps what git leaves behind when its process group is ended at a deadline. The user's number is
# the one that git-sync uses: git refuses to read a repository that belongs to somebody else.
# gpg is for trust.gpg_keys; ssh-keygen, for trust.allowed_signers, comes with openssh-client.
# Debian's archive drops superseded versions, so pinning them would break the build within weeks.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git gpg openssh-client tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 65533 gitsource \
    && useradd --uid 65533 --gid 65533 --no-create-home --home-dir /var/lib/gitsource \
        --shell /usr/sbin/nologin gitsource \
    && install --directory --owner 65533 --group 65533 --mode 0700 /var/lib/gitsource
COPY --from=build /opt/gitsource /opt/gitsource
ENV PATH=/opt/gitsource/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65533:65533
WORKDIR /var/lib/gitsource
# mcp, admin, webhook: each listens on loopback until the settings say otherwise.
EXPOSE 9901 9902 9903
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["gitsource", "probe", "--alive"]
# `docker run IMAGE dry-run` and any other command work as well, without network (docs/ci.md).
ENTRYPOINT ["/usr/bin/tini", "--", "gitsource"]
CMD ["serve", "--config", "/etc/gitsource/gitsource.yaml"]
