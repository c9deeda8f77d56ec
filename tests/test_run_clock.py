"""How long a run will still take: speeds learned from stages, and the count of stages."""

from typing import Any

import pytest
from support import tiny

from adaptx.costs.run_clock import RunClock, StagesAhead
from adaptx.costs.speeds import Speeds, groups_of
from adaptx.display.durations import duration
from adaptx.display.run_progress import OverallLine, RunProgress
from adaptx.display.run_summary import stages_run
from adaptx.execution.schedule import Summary
from adaptx.planning.plan import Node, Plan, make_plan
from adaptx.sources.sources import Sources
from adaptx.specs import Lora, Recipe, Sequential
from adaptx.training.progress import Silent

LORA = Lora(4, 8)


@pytest.fixture(scope="module")
def plan(world: tiny.World) -> Plan:
    """A baseline and a transfer, with their evaluations."""
    first = tiny.train(world.bert, tiny.TOPIC, LORA)
    baseline = tiny.train(world.bert, tiny.NLI, LORA)
    transfer = tiny.train(world.bert, tiny.NLI, LORA, start=Sequential(first))
    recipe = Recipe("clock", (*tiny.everywhere(baseline), *tiny.everywhere(transfer)))
    return make_plan(recipe, Sources(world.folder))


def trainings(plan: Plan) -> list[Node]:
    return [node for node in plan.nodes if node.kind == "train"]


def ahead(nodes: list[Node], *later: Node, total: int | None = None, **operations: float) -> StagesAhead:
    """Each node is a group of its own, and has 100 operations unless its name is given."""
    known = {node.fingerprint: operations.get(node.name, 100.0) for node in (*nodes, *later)}
    return StagesAhead(total or len(nodes) + len(later), [[node] for node in nodes], [[node] for node in later], known)


def test_a_stage_is_judged_by_its_own_kind_model_and_task(plan: Plan) -> None:
    topic, nli = (next(n.stage for n in trainings(plan) if f".{name}." in n.name) for name in ("topic", "nli"))
    scored = next(node.stage for node in plan.nodes if node.kind == "evaluate")
    assert groups_of(topic)[0] == ()
    speeds = Speeds()
    assert speeds.seconds(nli, 100) is None
    speeds.learn(topic, 100, 10)
    # Nothing else is known, so all stages are thought to be as fast.
    assert speeds.seconds(nli, 50) == pytest.approx(5)
    assert speeds.seconds(scored, 50) == pytest.approx(5)
    speeds.learn(nli, 1e9, 2e9)
    # 1e9 operations at 2 s outweigh what the general groups count as: one stage of 100.
    assert speeds.seconds(nli, 100) == pytest.approx(200, rel=1e-3)
    # topic: its own 100 operations took 10 s; the group above (model) counts as another 100, at about 2 s each.
    assert speeds.seconds(topic, 100) == pytest.approx((10 + 200) / 2, rel=1e-3)


def test_earlier_runs_count_as_one_stage(plan: Plan) -> None:
    stage = trainings(plan)[0].stage
    earlier = Speeds()
    earlier.learn(stage, 1000, 1000)
    speeds = Speeds().after(earlier)
    assert speeds.seconds(stage, 100) == pytest.approx(100)
    # This machine is twice as slow. After many stages, the store hardly matters.
    speeds.learn(stage, 100, 200)
    after_one = speeds.seconds(stage, 100)
    assert after_one is not None
    assert 100 < after_one < 200
    for _ in range(200):
        speeds.learn(stage, 100, 200)
    assert speeds.seconds(stage, 100) == pytest.approx(200, rel=0.02)
    assert earlier.seconds(stage, 100) == pytest.approx(100)


def test_the_clock_counts_and_learns(plan: Plan) -> None:
    first, second, third = trainings(plan)
    clock = RunClock(workers=1)
    # 5 stages of 8 are stored.
    clock.expect(ahead([first, second, third], total=8))
    assert clock.seconds_left(0.0) is None
    clock.begin(first.fingerprint, 0.0)
    assert (clock.begun, clock.total) == (6, 8)
    clock.advance(first.fingerprint, 1, 100, 4.0)
    assert clock.seconds_left(4.0) is None
    # From step 1 to step 50 in 49 s: one second per step, so 50 s are left of this one, and 100 s for each other.
    clock.advance(first.fingerprint, 50, 100, 53.0)
    assert clock.seconds_left(53.0) == pytest.approx(50 + 200)
    # The clock goes on between two reports.
    assert clock.seconds_left(58.0) == pytest.approx(45 + 200)
    clock.finish(first.fingerprint, 110.0)
    assert clock.begun == 6
    assert clock.seconds_left(110.0) == pytest.approx(220)
    clock.begin(second.fingerprint, 110.0)
    assert clock.seconds_left(130.0) == pytest.approx(200)
    # It fails, and what needs it is skipped.
    clock.leave([second.fingerprint, third.fingerprint])
    assert clock.begun == clock.total
    assert clock.seconds_left(131.0) == 0


def test_a_resumed_training_is_not_thought_to_be_fast(plan: Plan) -> None:
    first, second = trainings(plan)[:2]
    clock = RunClock(workers=1)
    clock.expect(ahead([first, second]))
    clock.begin(first.fingerprint, 0.0)
    clock.advance(first.fingerprint, 91, 100, 1.0)
    clock.advance(first.fingerprint, 95, 100, 5.0)
    assert clock.seconds_left(5.0) == pytest.approx(5 + 100)
    clock.finish(first.fingerprint, 10.0)
    # 10 % of the stage took 10 s.
    assert clock.seconds_left(10.0) == pytest.approx(100)


def test_two_workers_and_stages_that_wait_for_a_search(plan: Plan) -> None:
    first, second, third = trainings(plan)
    clock = RunClock(workers=2)
    clock.expect(ahead([first, second], third))
    for each in (first, second):
        clock.begin(each.fingerprint, 0.0)
        clock.advance(each.fingerprint, 1, 10, 1.0)
        clock.advance(each.fingerprint, 6, 10, 6.0)
    assert (clock.begun, clock.total) == (2, 3)
    # 4 s for both at once, and 10 s for the stage that begins after them.
    assert clock.seconds_left(6.0) == pytest.approx(4 + 10)
    for each in (first, second):
        clock.finish(each.fingerprint, 10.0)
    clock.expect(ahead([third], total=3))
    assert clock.begun == 2
    assert clock.seconds_left(10.0) == pytest.approx(10)


def test_a_stage_of_unknown_size_counts_as_the_mean(plan: Plan) -> None:
    first, second, third = trainings(plan)
    clock = RunClock(workers=1)
    operations = {first.fingerprint: 100.0, second.fingerprint: 300.0, third.fingerprint: None}
    clock.expect(StagesAhead(3, [[first], [second], [third]], [], operations))
    clock.begin(first.fingerprint, 0.0)
    clock.finish(first.fingerprint, 10.0)
    assert clock.seconds_left(10.0) == pytest.approx(30 + 20)


class Watching(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def overall(self, text: str) -> None:
        self.texts.append(text)

    def close(self) -> None:
        pass


def test_a_watcher_is_told_when_the_count_changes_and_at_most_once_a_second(plan: Plan) -> None:
    now = [0.0]
    watching: Any = Watching()
    line = OverallLine(watching, RunClock(workers=1), lambda: now[0])
    progress = RunProgress(watching, line)
    groups = [[node] for node in plan.nodes]
    progress.expect(plan, groups, [])
    first = trainings(plan)[0]
    progress.begin_stage(first.fingerprint)
    assert watching.texts == [f"stage 1 of {len(plan.nodes)}"]
    progress.start(first.name, 1000, "step")
    for step in range(1, 501):
        now[0] += 0.1
        progress.advance(step, 1.0)
    assert 2 < len(watching.texts) <= 51
    assert watching.texts[-1].startswith(f"stage 1 of {len(plan.nodes)}, about ")
    # An evaluation's passes do not count as a share of it.
    other = progress.beside()
    scored = next(node for node in plan.nodes if node.kind == "evaluate")
    other.begin_stage(scored.fingerprint)
    other.start(scored.name, 5, "sequence")
    other.advance(5)
    assert watching.texts[-1].startswith(f"stage 2 of {len(plan.nodes)}, about ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.01, "< 0.1 s"), (0.42, "0.4 s"), (89, "89 s"), (150, "2.5 min"), (2700, "45 min"), (12240, "3.4 h"),
     (129600, "36 h"), (1036800, "12 days"), (1e9, "11,574 days")],
)  # fmt: skip
def test_durations_have_a_sensible_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_ran_is_told_in_words(plan: Plan) -> None:
    trained = trainings(plan)
    scored = next(node for node in plan.nodes if node.kind == "evaluate")
    assert stages_run([], [], 0.1) == "0 stages run"
    assert stages_run([], trained, 9.0) == "0 stages run, 3 by another run"
    assert stages_run([*trained, scored], [], 660.0) == "4 stages run in 11 min (3 trainings, 1 evaluation)"


def test_a_notebook_shows_what_ran_and_what_gained() -> None:
    summary: Any = Summary(verdicts=lambda: ["nli: <gain>"])
    assert repr(summary) == "<Summary: 0 stages run, none failed>"
    shown = summary._repr_html_()
    assert shown.startswith("<div>0 stages run</div><div>nli: &lt;gain&gt;</div>")
    assert "study.report()" in shown
