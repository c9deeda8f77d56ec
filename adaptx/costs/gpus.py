"""The cost of a plan's remaining stages on each type of GPU: hours, peak memory, and trainings that do not fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adaptx.catalog.gpus import GPUS, UTILISATION, Gpu
from adaptx.costs.room import fits, needed_bytes
from adaptx.costs.stages import Cost, longest_peak_bytes
from adaptx.planning.plan import Node
from adaptx.specs import Resources, Train

ON_A_GPU = Resources(device="cuda")


@dataclass(frozen=True, kw_only=True)
class GpuCost:
    """The cost of stages that run one after the other on one GPU.

    hours: time if the GPU works at `utilisation` (a share) of its peak rate. peak_memory_bytes: the largest predicted
    memory of a training, or None if no training has a prediction. with_gradient_checkpointing: number of trainings that
    fit only with gradient checkpointing. too_large: number of trainings that do not fit even with gradient
    checkpointing and the smallest micro-batch size.
    """

    gpu: Gpu
    hours: float
    peak_memory_bytes: int | None
    with_gradient_checkpointing: int
    too_large: int
    utilisation: float = UTILISATION


@dataclass(frozen=True)
class GpuCosts:
    """The costs on several types of GPU.

    each: one entry per type. uncounted: number of stages whose cost is unknown, because their number of rows or their
    model's shape is unknown. unpredicted: architectures and quantised checkpoints whose training memory no closed form
    predicts.
    """

    each: tuple[GpuCost, ...]
    uncounted: int
    unpredicted: tuple[str, ...]


def gpu_costs(nodes: Sequence[Node], costs: Mapping[str, Cost | None], gpus: Sequence[Gpu] = GPUS) -> GpuCosts:
    """Return the cost of running these stages on each GPU.

    costs: the cost of each stage, by fingerprint; None if it is unknown. Only its number of operations is used, so the
    costs may be for any device.
    """
    estimates = [costs[node.fingerprint] for node in nodes]
    flops = sum(estimate.flops for estimate in estimates if estimate is not None)
    trainings = [node.stage for node in nodes if isinstance(node.stage, Train)]
    peaks = [(train, longest_peak_bytes(train, ON_A_GPU)) for train in trainings]
    known = [(train, peak) for train, peak in peaks if peak is not None]
    unknown = {
        train.model.shape.model_type
        if train.model.shape is not None and train.model.quantised is None
        else train.model.name
        for train, peak in peaks
        if peak is None
    }
    found = [_on(gpu, flops, known) for gpu in gpus]
    return GpuCosts(tuple(found), sum(estimate is None for estimate in estimates), tuple(sorted(unknown)))


def _on(gpu: Gpu, flops: float, known: Sequence[tuple[Train, int]]) -> GpuCost:
    large = [train for train, peak in known if not fits(needed_bytes(peak, "cuda"), gpu.memory_bytes)]
    smallest = Resources(device="cuda", micro_batch_size=1, gradient_checkpointing=True)
    too_large = sum(
        (peak := longest_peak_bytes(train, smallest)) is None or not fits(needed_bytes(peak, "cuda"), gpu.memory_bytes)
        for train in large
    )
    most = max((needed_bytes(peak, "cuda") for _, peak in known), default=None)
    hours = flops / gpu.assumed_flops_per_second / 3600
    return GpuCost(
        gpu=gpu,
        hours=hours,
        peak_memory_bytes=most,
        with_gradient_checkpointing=len(large) - too_large,
        too_large=too_large,
    )
