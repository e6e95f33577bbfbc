"""What sinks name is counted in bytes, exactly, for each peer and in all."""

import random
from dataclasses import replace

import pytest

from gitsource.errors import OverLimit
from gitsource.model import Collection, Origin, Resource
from gitsource.publish.entry.budget import SUBSCRIPTION, Budget
from gitsource.publish.words import NAME, Named
from gitsource.settings.serving import Limits

A, B = "spiffe://prod/a", "spiffe://prod/b"
HERE = "ipv4:127.0.0.1"


def budget_of(each=100_000, total=1_000_000):
    return Budget(replace(Limits(), named_bytes_each=each, named_bytes=total))


def names(*told):
    return Named(frozenset(told))


def test_a_subscription_counts_with_its_name_and_the_names_in_it():
    budget = budget_of()
    budget.share(A).put("eds", names("ab", "cde"))

    expected = SUBSCRIPTION + 3 + 2 * NAME + 5

    assert (expected, expected) == (budget.of(A), budget.total)


def test_characters_beyond_ascii_count_as_what_they_may_take():
    budget = budget_of()
    budget.share(A).put("eds", names("ä"))

    assert SUBSCRIPTION + 3 + NAME + 4 == budget.total


def test_who_names_less_gives_back_and_who_ends_gives_back_everything():
    budget = budget_of()
    share = budget.share(A)
    share.put("eds", names("ab", "cde"))
    share.put("eds", names("ab"))
    left = budget.of(A)
    share.put("rds", Named(own=700))
    share.release()

    assert SUBSCRIPTION + 3 + NAME + 2 == left
    assert (0, 0) == (budget.of(A), budget.total)
    assert "<Budget bytes=0 peers=0 shared=0>" == repr(budget)


def test_names_that_streams_share_count_once_for_a_peer_and_once_in_all():
    budget = budget_of()
    told = names(*(f"service-{number}" for number in range(10)))
    size = sum(NAME + len(one) for one in told.names)
    shares = [budget.share(key) for key in (A, A, B)]
    for share in shares:
        share.put("eds", told)
    per = SUBSCRIPTION + 3

    assert (2 * per + size, per + size) == (budget.of(A), budget.of(B))
    assert 3 * per + size == budget.total

    shares[0].release()

    assert (per + size, 2 * per + size) == (budget.of(A), budget.total)


def test_one_peer_that_names_too_much_is_told_and_others_are_not():
    budget = budget_of(each=10_000)
    share, other = budget.share(A), budget.share(B)
    other.put("eds", names("one"))
    with pytest.raises(OverLimit, match=r"10000 bytes \(limits\.named_bytes_each\)"):
        share.put("eds", names(*(str(number) for number in range(40))))
    other.put("rds", names("two"))

    assert budget.of(B) < 10_000 < budget.of(A)


def test_streams_of_one_peer_have_one_share_together():
    budget = budget_of(each=20_000)
    told = []
    for number in range(10):
        try:
            budget.share(A).put("eds", names(*(f"{number}-{at}" for at in range(10))))
            told.append("in")
        except OverLimit:
            told.append("over")
            break

    assert ["in", "in", "in", "in", "over"] == told


def test_all_peers_together_have_a_bound_as_well_and_this_machine_only_that():
    budget = budget_of(each=10_000, total=50_000)
    here = budget.share(HERE)
    here.put("eds", names(*(str(number) for number in range(150))))
    with pytest.raises(OverLimit, match=r"50000 bytes \(limits\.named_bytes\)"):
        budget.share(A).put("eds", names(*(f"x{number}" for number in range(29))))

    assert budget.of(HERE) > 10_000


def test_who_is_over_may_still_name_less():
    """A bound that was lowered, or one that others fill, ends nobody who asks for nothing more."""
    budget = budget_of()
    share = budget.share(A)
    share.put("eds", names("a", "b", "c"))
    budget.limits = replace(Limits(), named_bytes_each=1, named_bytes=1)
    share.put("eds", names("a", "b"))
    with pytest.raises(OverLimit):
        share.put("eds", names("a", "b", "c"))

    assert SUBSCRIPTION + 3 + 3 * (NAME + 1) == budget.total


def has(*told, known=()):
    return Collection.of(
        "eds",
        [Resource(name, "v", b"", Origin("", 0)) for name in told]
        + [Resource(name, "v", b"body", Origin("", 0)) for name in known],
    )


def test_what_a_client_says_it_has_counts_as_far_as_nobody_else_knows_it():
    budget = budget_of()
    share = budget.share(A)
    share.put("eds", Named(stated=has("ab", "cd", known=("served",))))
    first = budget.total
    share.put("eds", Named(stated=has("ab", known=("served", "more"))))
    less = budget.total
    share.put("eds", Named(stated=has(known=("served", "more"))))

    per = SUBSCRIPTION + 3

    assert (per + 2 * (NAME + 3), per + NAME + 3, per) == (first, less, budget.total)

    share.release()

    assert 0 == budget.total


def weighed(told):
    return sum(NAME + len(one) for one in told)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_streams_do_the_count_is_that_of_what_is_there(seed):
    """Names one by one or at once, alike or not, over peers and ends: worked out anew each time."""
    luck = random.Random(seed)
    budget = budget_of(each=10**9, total=10**9)
    pool = [frozenset(f"n{luck.randrange(40)}" for _ in range(30)) for _ in range(6)]
    streams = []
    for _ in range(300):
        if not streams or luck.random() < 0.1:
            key = luck.choice((A, B))
            streams.append((key, budget.share(key), {}))
        key, share, holds = luck.choice(streams)
        if luck.random() < 0.05:
            share.release()
            streams = [one for one in streams if one[1] is not share]
        else:
            url = luck.choice(("eds", "rds"))
            told = luck.choice(pool)
            if luck.random() < 0.5:
                told = frozenset(luck.sample(sorted(told), len(told) // 2))
            own = luck.choice((0, 0, 500))
            share.put(url, Named(told, own=own))
            holds[url] = (told, own)
        for who in (A, B):
            mine = [one for peer, _, held in streams if peer == who for one in held.items()]
            sets = {id(told): told for _, (told, _) in mine if told}
            alone = sum(SUBSCRIPTION + len(url) + own for url, (_, own) in mine)

            assert alone + sum(map(weighed, sets.values())) == budget.of(who)

        every = [one for _, _, held in streams for one in held.items()]
        sets = {id(told): told for _, (told, _) in every if told}
        alone = sum(SUBSCRIPTION + len(url) + own for url, (_, own) in every)

        assert alone + sum(map(weighed, sets.values())) == budget.total
