"""Names and values of headers, edge by edge."""

import pytest

from gitsource.validate.istio.headers import is_jwt_claim, match_name_flaw, value_flaw


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a",
            "a\tb",
            "é",
            "100%%",
            "%%%%",
            "%HOSTNAME%",
            "a %HOSTNAME% b",
            "%A%%B%",
            "%A%%%%B%",
        ),
        *("%REQ(x-id)%", "%REQ( x-id ) %", "%START_TIME(%s.%3f)%", "%REQ(a\\)b)%", "%(a)%"),
        *(
            '%M(["a"])%',
            '%M( [ "a" , "b" ] ) %',
            '%M(["a\\"b"])%',
            '%M(["a)%',
        ),
    ],
)
def test_a_value_may_hold_expressions_that_are_closed(text):
    assert value_flaw(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        *("%", "10%", "a%b", "%%%", "%A", "%A%%", "%REQ(", "%REQ(a", "%REQ(a)", "%REQ(a) b%"),
        *(
            "%REQ()%",
            '%M(["a"',
            '%M(["a"]',
            '%M(["a"])',
            '%M(["a" "b"])%',
            "%M([a])%",
            '%M(["a"] x)%',
        ),
        *("%REQ(a\\", '%M(["a",])%', "%REQ(a):10%", '%REQ(a"b)%'),
    ],
)
def test_a_percent_sign_that_opens_nothing_is_doubled(text):
    assert "%" in value_flaw(text)


@pytest.mark.parametrize("text", ["\0", "a\n", "\r", "\x1f", "\x7f", "\x08"])
def test_a_value_holds_no_control_characters_but_tabs(text):
    assert "control character" in value_flaw(text)


def test_a_value_of_a_megabyte_takes_no_time_to_speak_of():
    """Nothing in it is tried twice: with each thing tried twice this would never end."""
    assert value_flaw('%M(["a",' * 100_000)
    assert value_flaw("%A(\\" * 100_000)
    assert value_flaw("%A%" * 300_000) == ""


@pytest.mark.parametrize(
    "name",
    [
        *(
            "@request.auth.claims.a",
            "@request.auth.claims.a.b",
            "@request.auth.claims..",
            "@REQUEST.Auth.claims.a",
        ),
        *("@request.auth.claims[a]", "@request.auth.claims[a][b]", "@request.auth.claims[[]"),
    ],
)
def test_a_claim_follows_a_dot_or_stands_in_brackets(name):
    assert is_jwt_claim(name)
    assert match_name_flaw(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        *(
            "@request.auth.claims",
            "@request.auth.claims.",
            "@request.auth.claims[]",
            "@request.auth.claims[a",
        ),
        *("@request.auth.claimsa", "@request.auth.audiences.a", "x@request.auth.claims.a", "@"),
    ],
)
def test_what_names_no_claim_is_no_header_either(name):
    assert not is_jwt_claim(name)
    assert match_name_flaw(name)


@pytest.mark.parametrize("name", [":method", ":scheme", ":authority", ":path", ":status", "host"])
def test_requests_are_matched_by_headers_and_pseudo_headers(name):
    assert match_name_flaw(name) == ""


@pytest.mark.parametrize("name", ["", ":", "::", ":Path", ":foo", "a b", 'a"b'])
def test_other_names_are_told(name):
    assert match_name_flaw(name)
