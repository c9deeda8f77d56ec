"""Groups of stages that run together: one training or merge, or all evaluations of one model in one precision."""

from collections.abc import Iterable
from dataclasses import dataclass

from adaptx.planning.identity import evaluation_precision
from adaptx.planning.plan import Node
from adaptx.specs import Evaluate, Stage


@dataclass(frozen=True, eq=False)
class StageGroup:
    """Nodes that one process carries out one after the other. Two groups are equal only if they are the same object."""

    nodes: tuple[Node, ...]

    @property
    def kind(self) -> type[Stage]:
        """The type of the group's stages. All stages of a group have the same type."""
        return type(self.nodes[0].stage)

    @property
    def fingerprints(self) -> frozenset[str]:
        return frozenset(node.fingerprint for node in self.nodes)

    @property
    def inputs(self) -> frozenset[str]:
        """The fingerprints of all stages that these nodes need as inputs."""
        return frozenset(key for node in self.nodes for key in node.inputs)


def grouped(nodes: Iterable[Node]) -> list[StageGroup]:
    """Return the nodes in groups, in the order of each group's first node."""
    groups: dict[object, list[Node]] = {}
    for node in nodes:
        stage = node.stage
        shared = (stage.model, evaluation_precision(stage)) if isinstance(stage, Evaluate) else node.fingerprint
        groups.setdefault(shared, []).append(node)
    return [StageGroup(tuple(members)) for members in groups.values()]
