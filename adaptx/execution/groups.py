"""What is carried out as one: a training or merge alone, the evaluations of one model in one precision together."""

from dataclasses import dataclass

from adaptx.execution.building import Workshop
from adaptx.execution.execute import execute_evaluations, execute_train
from adaptx.execution.merging import execute_merge
from adaptx.planning.identity import evaluation_precision
from adaptx.planning.plan import Node
from adaptx.specs import Evaluate
from adaptx.store.claim import claimed
from adaptx.training.progress import Progress


@dataclass(frozen=True, eq=False)
class Group:
    """Nodes carried out one after the other by whoever takes the first; equal to itself alone."""

    nodes: tuple[Node, ...]

    @property
    def fingerprints(self) -> frozenset[str]:
        return frozenset(node.fingerprint for node in self.nodes)

    @property
    def inputs(self) -> frozenset[str]:
        return frozenset(key for node in self.nodes for key in node.inputs)


def grouped(nodes: list[Node]) -> list[Group]:
    """The nodes in groups, each where its first node stood."""
    groups: dict[object, list[Node]] = {}
    for node in nodes:
        stage = node.stage
        shared = (stage.model, evaluation_precision(stage)) if isinstance(stage, Evaluate) else node.fingerprint
        groups.setdefault(shared, []).append(node)
    return [Group(tuple(members)) for members in groups.values()]


def carry_out(group: Group, shop: Workshop, progress: Progress) -> dict[str, Exception]:
    """Leave the group's stages in the store, where no other run has; return what failed, by fingerprint.

    Whatever is raised fails the stage alone. One that another run is at work on fails with Busy, at once.
    """
    first = group.nodes[0]
    try:
        if first.kind == "evaluate":
            return execute_evaluations(list(group.nodes), shop, progress)
        with claimed(shop.store.lock(first.fingerprint), first.name):
            if not shop.is_done(first):
                (execute_merge if first.kind == "merge" else execute_train)(first, shop, progress)
            shop.store.finish_working(first.fingerprint)
    except Exception as error:  # the libraries below raise errors of any kind
        return {node.fingerprint: error for node in group.nodes}
    return {}
