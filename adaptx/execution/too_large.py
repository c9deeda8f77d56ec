"""Refuse trainings that are predicted not to fit into memory, before anything is loaded."""

from collections.abc import Mapping
from dataclasses import replace

from adaptx.costs.memory_check import too_large
from adaptx.display.plan import tell_too_large
from adaptx.display.sizes import gib, parse_bytes
from adaptx.errors import UserError
from adaptx.execution.workers import worker_devices
from adaptx.execution.workshop import Workshop
from adaptx.planning.plan import Plan, Status
from adaptx.profiling.device_memory import device_memory_bytes


def refuse_too_large(plan: Plan, statuses: Mapping[str, Status], shop: Workshop, gpu: str | None, workers: int) -> None:
    """Check that every training that still has to run fits into memory.

    gpu: the memory to check against, such as `24GiB`; None: the device's memory. On a CPU, a training must fit into one
    worker's share of that memory.

    Raises:
        UserError: a training is predicted not to fit.
    """
    each, fewer = "", ""
    memory_bytes = min(map(device_memory_bytes, worker_devices(shop, workers)))
    if gpu is not None:
        memory_bytes = parse_bytes(gpu)
    elif shop.device.type == "cpu" and workers > 1:
        memory_bytes //= workers
        each, fewer = f" (the share of each of {workers} workers)", "Fewer --workers leave more memory for each. "
    to_do = [node for node in plan.nodes if statuses[node.fingerprint] is Status.TO_DO] + [*plan.later]
    resources = replace(shop.resources, device=str(shop.device))
    if found := too_large(to_do, resources, memory_bytes):
        lines = "\n".join(f"  {line}" for line in tell_too_large(found))
        trainings = f"{len(found)} trainings are" if len(found) > 1 else "1 training is"
        raise UserError(
            f"{trainings} predicted not to fit into {gib(memory_bytes)} of {shop.device}{each}:\n"
            f"{lines}\nNothing was loaded. {fewer}To run them anyway, add --too-large"
        )
