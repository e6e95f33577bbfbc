"""Streams that were ended are told by sink and reason, and not without end."""

from gitsource.snapshot.endings import Endings


def test_the_same_reason_of_the_same_sink_is_one_row_that_counts():
    endings = Endings()
    news = [
        endings.note(at, "envoy", f"ipv4:10.0.0.1:{at}", "xds", "more than 3 names")
        for at in (1, 2, 3)
    ]
    (row,) = endings.rows()

    assert [True, False, False] == news
    assert {
        "at": "1970-01-01T00:00:03.000Z",
        "count": 3,
        "sink": "envoy",
        "peer": "ipv4:10.0.0.1:3",
        "protocol": "xds",
        "why": "more than 3 names",
    } == row


def test_who_says_no_name_is_known_by_its_host():
    endings = Endings()
    for peer in ("ipv4:10.0.0.1:1", "ipv4:10.0.0.1:2", "ipv4:10.0.0.2:1"):
        endings.note(0, "", peer, "mcp", "nonsense")

    assert [("ipv4:10.0.0.2:1", 1), ("ipv4:10.0.0.1:2", 2)] == [
        (row["peer"], row["count"]) for row in endings.rows()
    ]


def test_the_rows_added_to_last_stay():
    endings = Endings(most=2)
    for sink in ("a", "b", "a", "c"):
        endings.note(0, sink, "", "xds", "why")

    assert ["c", "a"] == [row["sink"] for row in endings.rows()]
