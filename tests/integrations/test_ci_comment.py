"""The comment on a pull request: posted once, kept up to date, and nobody else's touched."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_runs import INTEGRATIONS, read
from comment_hosts import Asked, Host, serving

POST = INTEGRATIONS / "github" / "comment" / "post.py"
MARK = "<!-- gitsource:dry-run -->\n"
BOT = "github-actions[bot]"


class GitHub(Host):
    """Comments as issues have them."""

    def answer(self, asked: Asked, body: dict) -> tuple[int, object]:
        if asked.method == "GET":
            return 200, self.page(asked)
        if asked.method == "POST":
            self.comments.append({"id": 900, "user": {"login": BOT}, "body": body["body"]})
            return 201, {}
        for each in self.comments:
            if asked.path.endswith(f"/{each['id']}"):
                each["body"] = body["body"]
        return 200, {}


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(GitHub(), "/api/v3") as made:
        yield made


def post(host: Host, folder: Path, text: str = f"{MARK}plan", **environ: str):
    (folder / "plan.md").write_text(text, encoding="utf-8")
    told = {"MARKDOWN": str(folder / "plan.md"), "TOKEN": "s3cret", "AUTHOR": BOT}
    told |= {"PULL_REQUEST": "7", "GITHUB_REPOSITORY": "acme/mesh", "GITHUB_API_URL": host.url}
    return subprocess.run(
        [sys.executable, "-I", POST],
        env=told | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_first_plan_is_posted_and_the_next_takes_its_place(host: Host, tmp_path: Path):
    first = post(host, tmp_path, f"{MARK}one")
    second = post(host, tmp_path, f"{MARK}two")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert [each["body"] for each in host.comments] == [f"{MARK}two"]
    sent = ("POST", "/api/v3/repos/acme/mesh/issues/7/comments", "Bearer s3cret")
    assert sent in [(each.method, each.path, each.authorization) for each in host.asked]


def test_comments_of_others_are_left_alone_even_with_our_mark(host: Host, tmp_path: Path):
    """Anybody can begin a comment with the same words."""
    host.comments = [
        {"id": 1, "user": {"login": "mallory"}, "body": f"{MARK}mine now"},
        {"id": 2, "user": {"login": BOT}, "body": "another job"},
        {"id": 3, "user": None, "body": f"{MARK}ghost"},
        {"id": 4, "user": {"login": BOT}, "body": f"quoting {MARK}"},
    ]
    post(host, tmp_path)

    assert [each["id"] for each in host.comments] == [1, 2, 3, 4, 900]
    assert host.comments[0]["body"] == f"{MARK}mine now"


def test_a_comment_far_back_is_found(host: Host, tmp_path: Path):
    host.comments = [
        {"id": number, "user": {"login": "ada"}, "body": "hm"} for number in range(250)
    ]
    host.comments.append({"id": 777, "user": {"login": BOT}, "body": f"{MARK}old"})
    post(host, tmp_path)

    assert host.comments[-1] == {"id": 777, "user": {"login": BOT}, "body": f"{MARK}plan"}


@pytest.mark.parametrize("status", [301, 401, 403, 404, 500])
def test_a_refusal_is_told_without_the_token_and_no_redirect_is_followed(
    status: int, host: Host, tmp_path: Path
):
    host.status, host.elsewhere = status, f"{host.url}/elsewhere"
    done = post(host, tmp_path)

    assert done.returncode == 2
    assert f"HTTP {status}" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout
    assert len(host.asked) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PULL_REQUEST", "7/../../user"),
        ("PULL_REQUEST", "$(id)"),
        ("GITHUB_REPOSITORY", "acme/mesh/../../user"),
        ("GITHUB_API_URL", "file:///etc/passwd"),
        ("TOKEN", ""),
        ("TOKEN", "a\r\nX-Evil: 1"),
        ("MARKDOWN", "/nonexistent"),
    ],
)
def test_what_makes_no_sense_is_sent_to_nobody(name: str, text: str, host: Host, tmp_path: Path):
    done = post(host, tmp_path, **{name: text})

    assert (done.returncode, host.asked) == (2, [])
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["hello", f"{MARK}{'x' * 70_000}", ""])
def test_a_file_that_is_no_plan_is_not_posted(text: str, host: Host, tmp_path: Path):
    assert (post(host, tmp_path, text).returncode, host.asked) == (2, [])


def test_an_event_without_a_pull_request_is_no_failure(host: Host, tmp_path: Path):
    done = post(host, tmp_path, PULL_REQUEST="")

    assert (done.returncode, host.asked) == (0, [])


def test_the_action_hands_over_everything_by_environment():
    (step,) = read("github/comment/action.yml")["runs"]["steps"]

    assert set(step["env"]) >= {"MARKDOWN", "TOKEN", "AUTHOR", "PULL_REQUEST"}
    assert step["run"].splitlines()[-1] == 'python3 -I "$ACTION_FOLDER/post.py"'
