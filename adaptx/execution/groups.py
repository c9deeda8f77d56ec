"""What is carried out as one: a training or merge alone, the evaluations of one model in one precision together."""

from dataclasses import dataclass

from adaptx.planning.identity import evaluation_precision
from adaptx.planning.plan import Node
from adaptx.specs import Evaluate, Stage


@dataclass(frozen=True, eq=False)
class StageGroup:
    """Nodes carried out one after the other by whoever takes the first; equal to itself alone."""

    nodes: tuple[Node, ...]

    @property
    def kind(self) -> type[Stage]:
        """The kind of stage that all its nodes are."""
        return type(self.nodes[0].stage)

    @property
    def fingerprints(self) -> frozenset[str]:
        return frozenset(node.fingerprint for node in self.nodes)

    @property
    def inputs(self) -> frozenset[str]:
        return frozenset(key for node in self.nodes for key in node.inputs)


def grouped(nodes: list[Node]) -> list[StageGroup]:
    """The nodes in groups, each where its first node stood."""
    groups: dict[object, list[Node]] = {}
    for node in nodes:
        stage = node.stage
        shared = (stage.model, evaluation_precision(stage)) if isinstance(stage, Evaluate) else node.fingerprint
        groups.setdefault(shared, []).append(node)
    return [StageGroup(tuple(members)) for members in groups.values()]
