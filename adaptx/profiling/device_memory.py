"""Memory that a device has for a process: of a GPU all of it, of the machine what is free now."""

import torch


def device_memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    import psutil

    return psutil.virtual_memory().available
