"""Memory of a device that a process may use: all memory of a GPU, or the machine's free memory."""

from pathlib import Path

import torch


def device_memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        # Not Linux. On Linux, /proc/meminfo is enough and psutil is not needed.
        import psutil

        return psutil.virtual_memory().available
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
