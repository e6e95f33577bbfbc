"""What /readyz says beside being ready: what an operator should know though sinks are served."""

from __future__ import annotations

import pytest

from gitsource.admin.readiness import readiness

SERVED = {"ready": True, "collections": {"a": {"count": 1}, "b": {"count": 0}}}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, []),
        ({"collections": {"a": {"count": 0}}}, ["what is served has no resource at all"]),
        ({"unsaved": "full"}, ["what is served is not kept on disk: full"]),
        ({"unkept": "full"}, ["operators' orders are not kept across a restart: full"]),
        ({"reload_error": "line 1"}, ["changed settings are not taken over: line 1"]),
    ],
)
def test_an_alarm_does_not_unready_and_is_told(more, expected) -> None:
    told = readiness(SERVED | more)

    assert told["ready"]
    assert len(expected) == len(told["reasons"])
    assert all(why.startswith(said) for why, said in zip(told["reasons"], expected, strict=True))
