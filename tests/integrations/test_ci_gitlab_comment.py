"""The note on a GitLab merge request: posted once, kept up to date, and nobody else's touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates import Authority
from ci_runs import HOSTILE, Ran, read, run
from comment_hosts import Asked, Host, serving
from hostile_plans import cases, plan_of
from report_expected import report
from servers.over_http import tls_server

JOB = read("gitlab/comment.gitlab-ci.yml")["gitsource-comment"]
(SCRIPT,) = JOB["script"]
MARK = "<!-- gitsource:dry-run -->\n"
BOT = {"id": 41, "username": "project_7_bot"}
NOTES = "/api/v4/projects/7/merge_requests/12/notes"


class GitLab(Host):
    """Notes as merge requests have them, for who has the token."""

    def answer(self, asked: Asked, body: dict) -> tuple[int, object]:
        path = asked.path.partition("?")[0]
        if asked.token != "s3cret":
            return 401, {"message": "401 Unauthorized"}
        if (asked.method, path) == ("GET", "/api/v4/user"):
            return 200, BOT
        if (asked.method, path) == ("GET", NOTES):
            return 200, self.page(asked)
        if (asked.method, path) == ("POST", NOTES):
            self.comments.append(note(900, body["body"]))
            return 201, self.comments[-1]
        for each in self.comments:
            if (asked.method, path) == ("PUT", f"{NOTES}/{each['id']}"):
                each["body"] = body["body"]
                return 200, each
        return 404, {"message": "404 Not found"}


def note(number: int, body: str, author: dict = BOT, *, system: bool = False) -> dict:
    return {"id": number, "body": body, "author": author, "system": system, "noteable_iid": 12}


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(GitLab(), "/api/v4") as made:
        yield made


@pytest.fixture(params=[("bash", "-eu", "-o", "pipefail"), ("dash", "-eu")], ids=["bash", "dash"])
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


def post(
    host: Host,
    folder: Path,
    text: str = f"{MARK}plan",
    shell: tuple[str, ...] = ("dash", "-eu"),
    **environ: str,
) -> Ran:
    """Run the job's script where the dry-run's artifacts are."""
    reports = folder / "job" / "gitsource-reports"
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "plan.md").write_text(text, encoding="utf-8")
    told = {"CI_API_V4_URL": host.url, "CI_PROJECT_ID": "7", "CI_MERGE_REQUEST_IID": "12"}
    told |= {"DRY_RUN_NOTE_TOKEN": "s3cret", "NO_PROXY": "*"}
    return run(SCRIPT, reports.parent, shell, **told | environ)


def test_the_first_plan_is_posted_and_the_next_takes_its_place(
    host: Host, tmp_path: Path, shell: tuple[str, ...]
):
    first = post(host, tmp_path, f"{MARK}one", shell)
    second = post(host, tmp_path, f"{MARK}two", shell)

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert ("gitsource: posted\n", "gitsource: brought up to date\n") == (first.out, second.out)
    assert [each["body"] for each in host.comments] == [f"{MARK}two"]


def test_notes_of_others_are_left_alone_even_with_our_mark(host: Host, tmp_path: Path):
    """Anybody can begin a note so, and what GitLab itself notes in our name is no plan."""
    before = [
        note(1, f"{MARK}mine now", {"id": 5, "username": BOT["username"]}),
        note(2, "another job"),
        note(3, f"quoting {MARK}"),
        note(4, f"{MARK}changed the title", system=True),
    ]
    host.comments = [dict(each) for each in before]
    ran = post(host, tmp_path)

    assert ran.code == 0, ran.err
    assert before == host.comments[:4]
    assert [note(900, f"{MARK}plan")] == host.comments[4:]


def test_a_note_far_back_is_found(host: Host, tmp_path: Path):
    ada = {"id": 6, "username": "ada"}
    host.comments = [note(number, "hm", ada) for number in range(250)] + [note(777, f"{MARK}old")]
    post(host, tmp_path)

    assert note(777, f"{MARK}plan") == host.comments[-1]


def test_what_others_wrote_is_posted_as_it_stands_in_the_plan(host: Host, tmp_path: Path):
    """No shell sees it, and no line of it begins as a command to GitLab does."""
    texts = [
        *cases().values(),
        *HOSTILE,
        "/merge",
        "\n/close\n",
        "```\n/approve",
        "</details>\n/lock",
    ]
    at = iter(range(10**9))
    plan = report("markdown", plan_of(lambda: texts[next(at) % len(texts)]), show_old=True)
    ran = post(host, tmp_path, plan)

    assert ran.code == 0, ran.err
    assert [plan] == [each["body"] for each in host.comments]
    assert [] == [line for line in plan.splitlines() if line.lstrip().startswith("/")]
    assert [] == list(tmp_path.rglob("*pwned*"))


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404, 429, 500])
def test_a_refusal_is_told_without_the_token_and_no_redirect_is_followed(
    status: int, host: Host, tmp_path: Path
):
    host.status, host.elsewhere = status, f"{host.url}/elsewhere"
    ran = post(host, tmp_path)

    assert ran.code == 2
    assert f"gitsource: error: the API answers HTTP {status}" in ran.err
    assert "s3cret" not in ran.err + ran.out
    assert len(host.asked) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CI_MERGE_REQUEST_IID", "12/../../user"),
        ("CI_MERGE_REQUEST_IID", ""),
        ("CI_MERGE_REQUEST_IID", "$(touch pwned)"),
        ("CI_PROJECT_ID", "7/../8"),
        ("CI_API_V4_URL", "file:///etc/passwd"),
        ("CI_SERVER_TLS_CA_FILE", "/nonexistent"),
        ("DRY_RUN_NOTE_TOKEN", ""),
        ("DRY_RUN_NOTE_TOKEN", "a\r\nX-Evil: 1"),
    ],
)
def test_what_makes_no_sense_is_sent_to_nobody(name: str, text: str, host: Host, tmp_path: Path):
    ran = post(host, tmp_path, **{name: text})

    assert (2, []) == (ran.code, host.asked), ran.err
    assert ran.err.startswith("gitsource: error: ")
    assert 1 == len(ran.err.splitlines())


@pytest.mark.parametrize("text", ["hello", f"{MARK}{'x' * 70_000}", ""])
def test_a_file_that_is_no_plan_is_not_posted(text: str, host: Host, tmp_path: Path):
    assert (2, []) == (post(host, tmp_path, text).code, host.asked)


@pytest.mark.parametrize("said", [{}, [{}], [{"author": None}], 7])
def test_an_answer_that_is_no_list_of_notes_is_told(said: object, tmp_path: Path):
    class Odd(GitLab):
        def page(self, _asked: Asked) -> list[dict]:
            return said  # type: ignore[return-value]

    with serving(Odd(), "/api/v4") as host:
        ran = post(host, tmp_path)

    assert (2, "gitsource: error: the API answers no list of notes\n") == (ran.code, ran.err)


@pytest.mark.parametrize("known", [True, False])
def test_a_gitlab_with_an_authority_of_its_own_is_known_by_it(known, tmp_path: Path):
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.certificate if known else Authority().certificate)
    with serving(GitLab(), "/api/v4", tls_server(authority.issue("127.0.0.1"))) as host:
        ran = post(host, tmp_path, CI_SERVER_TLS_CA_FILE=str(tmp_path / "ca.pem"))

    assert (0 if known else 2, known) == (ran.code, bool(host.comments)), ran.err
    assert known or "cannot be reached: SSLCertVerificationError" in ran.err


def test_the_job_is_there_for_a_token_alone_and_checks_nothing_out():
    (rule,) = JOB["rules"]

    assert "DRY_RUN_NOTE_TOKEN" in rule["if"]
    assert {"GIT_STRATEGY": "none"} == JOB["variables"]
    template = read("gitlab/gitsource.gitlab-ci.yml")
    (needed,) = JOB["needs"]
    assert needed in template
    assert JOB["image"] == template[needed]["image"]
