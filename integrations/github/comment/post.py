# ruff: noqa: INP001 - run as a script, by its path
"""
Post the plan of a dry-run as one comment on a pull request, or bring that comment up to date.

Rule: standard library alone. Everything comes by environment: MARKDOWN (a file), TOKEN, AUTHOR,
PULL_REQUEST, GITHUB_REPOSITORY and GITHUB_API_URL. Only a comment of AUTHOR that begins with the
dry-run's mark is ever changed; no redirect is followed, so the token goes to the API and nowhere
else.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MARK = "<!-- gitsource:dry-run -->"
LONGEST = 65_536
"""Characters that GitHub takes in a comment."""
PAGES = 20
"""Pages of a hundred comments that are looked through."""
LARGEST = 32 * 1024 * 1024
PATIENCE = 30.0


class Trouble(Exception):
    """Why the comment is not there; said on one line."""


class Api:
    """GitHub's REST API, for one repository."""

    def __init__(self, url: str, repository: str, token: str) -> None:
        told = urlsplit(url)
        if told.scheme not in ("http", "https") or not told.hostname:
            raise Trouble("GITHUB_API_URL is no address")
        if not re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", repository):
            raise Trouble("GITHUB_REPOSITORY is no owner/name")
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise Trouble("there is no token")
        self._told, self._token = told, token
        self._base = f"{told.path.rstrip('/')}/repos/{repository}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request and return its JSON."""
        made = {"https": http.client.HTTPSConnection, "http": http.client.HTTPConnection}
        connection = made[self._told.scheme](
            str(self._told.hostname), self._told.port, timeout=PATIENCE
        )
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._token}",
            "User-Agent": "gitsource",
        }
        sent = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, self._base + path, sent, headers)
            answer = connection.getresponse()
            text = answer.read(LARGEST)
        except (OSError, http.client.HTTPException) as error:
            raise Trouble(f"the API cannot be reached: {type(error).__name__}") from error
        finally:
            connection.close()
        if answer.status not in (200, 201):
            raise Trouble(f"the API answers HTTP {answer.status}" + _why(answer.status))
        try:
            return json.loads(text)
        except ValueError as error:
            raise Trouble("the API answers no JSON") from error


def _why(status: int) -> str:
    if status in (401, 403, 404):
        return ": the token may not write here (a pull request of a fork gets one that cannot)"
    return ""


def standing(api: Api, number: str, author: str) -> int | None:
    """Return the comment that is to be brought up to date, None if there is none yet."""
    for page in range(1, PAGES + 1):
        rows = api.ask("GET", f"/issues/{number}/comments?per_page=100&page={page}")
        if not isinstance(rows, list):
            raise Trouble("the API answers no list of comments")
        for row in rows:
            who = (row.get("user") or {}).get("login")
            if who == author and str(row.get("body") or "").startswith(MARK):
                return int(row["id"])
        if len(rows) < 100:
            break
    return None


def main() -> int:
    """Post, and return the exit code."""
    told = os.environ
    number = told.get("PULL_REQUEST", "")
    if not number:
        sys.stdout.write("gitsource: no pull request, so nothing to comment on\n")
        return 0
    try:
        if not re.fullmatch(r"[0-9]{1,12}", number):
            raise Trouble("PULL_REQUEST is no number")
        with Path(told.get("MARKDOWN", "")).open(encoding="utf-8") as file:
            body = file.read(LONGEST + 1)
        if not body.startswith(MARK) or len(body) > LONGEST:
            raise Trouble("the file is no plan of a dry-run")
        api = Api(
            told.get("GITHUB_API_URL", ""), told.get("GITHUB_REPOSITORY", ""), told.get("TOKEN", "")
        )
        comment = standing(api, number, told.get("AUTHOR", ""))
        if comment is None:
            api.ask("POST", f"/issues/{number}/comments", {"body": body})
        else:
            api.ask("PATCH", f"/issues/comments/{comment}", {"body": body})
    except (Trouble, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"gitsource: error: {error}\n")
        return 2
    sys.stdout.write(f"gitsource: {'brought up to date' if comment else 'posted'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
