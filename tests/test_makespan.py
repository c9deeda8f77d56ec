"""When several workers are done with groups that depend on one another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptx.costs.makespan import TimedGroup, makespan


def work(name: str, seconds: float, *needs: str, running: bool = False) -> TimedGroup:
    return TimedGroup(seconds, frozenset([name]), frozenset(needs), running)


def test_one_worker_does_one_after_the_other() -> None:
    assert makespan([work("a", 3), work("b", 4, "a"), work("c", 5)], 1) == 12


@pytest.mark.parametrize(
    ("works", "seconds"),
    [
        ([], 0),
        # Three of 10 s on two workers take two rounds, which total / workers does not see.
        ([work("a", 10), work("b", 10), work("c", 10)], 20),
        # A chain cannot be shared.
        ([work("a", 10), work("b", 10, "a"), work("c", 10, "b")], 30),
        # The chain of 30 s begins first; the other worker does the rest.
        ([work("x", 15), work("y", 15), work("a", 10), work("b", 20, "a")], 30),
        # What runs keeps its worker, although the other two have longer chains.
        ([work("long", 9), work("longer", 9), work("slow", 20, running=True)], 20),
        # An input that no group makes is stored.
        ([work("a", 4, "stored"), work("b", 4, "stored too")], 4),
    ],
)
def test_two_workers_by_hand(works: list[TimedGroup], seconds: float) -> None:
    assert makespan(works, 2) == seconds


@st.composite
def graphs(draw: st.DrawFn) -> list[TimedGroup]:
    """Up to 12 groups; each needs some of those before it."""
    found: list[TimedGroup] = []
    for place in range(draw(st.integers(0, 12))):
        needs = draw(st.sets(st.sampled_from(range(place)))) if place else set()
        found.append(work(str(place), draw(st.integers(0, 50)), *map(str, needs)))
    return found


def longest_chain(works: list[TimedGroup]) -> float:
    chains: dict[str, float] = {}
    for place, each in enumerate(works):
        chains[str(place)] = each.seconds + max((chains[key] for key in each.needs), default=0)
    return max(chains.values(), default=0)


@given(graphs(), st.integers(1, 5))
def test_a_makespan_is_within_grahams_bounds(works: list[TimedGroup], workers: int) -> None:
    total, chain, found = sum(each.seconds for each in works), longest_chain(works), makespan(works, workers)
    assert found >= max(chain, total / workers) - 1e-9
    assert found <= total / workers + chain + 1e-9
