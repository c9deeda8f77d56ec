"""Energy used during a block of work, where the machine has a counter for it.

On CUDA: the GPU's counter, read by nvidia-ml-py (NVML, Volta and later). On Linux without CUDA: the counters of the
processor packages, if they may be read (powercap, intel-rapl; also on AMD). Both include the work of other programs.
On other machines nothing is measured.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from adaptx.profiling.sampling import sampled

GPU_MEASURE = "the GPU's counter"
PACKAGES_MEASURE = "the processor packages' counters"
POWERCAP = Path("/sys/class/powercap")
# A processor package's counter wraps around after a few hundred kilojoules, which is minutes at a kilowatt. Reading it
# more often than that catches every wrap.
_INTERVAL_SECONDS = 20.0

Reading = Callable[[], Mapping[str, tuple[float, float]] | None]
"""Returns two numbers of joules by counter name, such as `gpu`: the energy so far, and the energy at which the counter
wraps around to 0. Returns None if the counters cannot be read."""


@dataclass
class Energy:
    """The energy of a block of work. The values are set when the block ends.

    joules: None if nothing was measured. measure: a description of the counter.
    """

    joules: float | None = None
    measure: str | None = None


@contextmanager
def energy(device: torch.device, shared: bool = False) -> Generator[Energy]:
    """Measure the energy that the device uses during the `with` block.

    shared: whether other stages run on this machine at the same time. If so, nothing is measured on a CPU, because the
    processors' counters cannot tell stages apart.
    """
    found = Energy()
    of_cpu = _packages() if device.type == "cpu" and not shared else None
    meter = _gpu(device) if device.type == "cuda" else of_cpu
    if meter is None:
        yield found
        return
    measure, counted = meter[0], _IncreaseOfCounters(meter[1])
    with sampled(counted.read, _INTERVAL_SECONDS):
        yield found
    counted.read()
    if counted.joules is not None:
        found.joules, found.measure = counted.joules, measure


class _IncreaseOfCounters:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._last = {name: joules for name, (joules, _) in (reading() or {}).items()}
        self.joules: float | None = 0.0

    def read(self) -> None:
        counters = self._reading()
        if counters is None or self.joules is None:
            self.joules = None
            return
        for name, (joules, most) in counters.items():
            risen = joules - self._last[name]
            self.joules += risen if risen >= 0 else risen + most
            self._last[name] = joules


def _packages() -> tuple[str, Reading] | None:
    folders = [
        folder
        for folder in sorted(POWERCAP.glob("intel-rapl:*"))
        # Skip the counters of a package's parts (cores, memory), which the package's counter includes.
        if folder.name.count(":") == 1 and _text(folder / "name").startswith("package")
    ]

    def reading() -> dict[str, tuple[float, float]] | None:
        try:
            return {each.name: (_joules(each / "energy_uj"), _joules(each / "max_energy_range_uj")) for each in folders}
        except (OSError, ValueError):
            # On most systems only root may read them (CVE-2020-8694).
            return None

    return (PACKAGES_MEASURE, reading) if reading() else None


def _joules(file: Path) -> float:
    return 1e-6 * int(_text(file))


def _text(file: Path) -> str:
    return file.read_text(encoding="ascii").strip()


def _gpu(device: torch.device) -> tuple[str, Reading] | None:
    nvml = _nvml()
    if nvml is None:
        return None
    try:
        nvml.nvmlInit()
        identity = torch.cuda.get_device_properties(device).uuid
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{identity}")
    except nvml.NVMLError:
        return None

    def reading() -> dict[str, tuple[float, float]] | None:
        try:
            return {"gpu": (1e-3 * nvml.nvmlDeviceGetTotalEnergyConsumption(handle), 0.0)}
        except nvml.NVMLError:
            return None

    return (GPU_MEASURE, reading) if reading() else None


def _nvml() -> Any:
    try:
        import pynvml  # pyright: ignore[reportMissingImports, reportMissingModuleSource]
    except ImportError:
        return None
    return pynvml
