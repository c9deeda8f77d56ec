"""Energy: what the machine's counters went up by, over their new beginnings; nothing where there are none."""

import types

import pytest
import torch

from adaptx.profiling import energy as metering
from adaptx.profiling.energy import GPU_MEASURE, PACKAGES_MEASURE, energy

CPU = torch.device("cpu")


class Package:
    """A counter of microjoules as Linux shows it."""

    def __init__(self, folder, name="package-0", most=1_000_000_000):
        folder.mkdir(parents=True)
        self.file = folder / "energy_uj"
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{most}\n")

    def shows(self, joules):
        self.file.write_text(f"{int(joules * 1e6)}\n")


@pytest.fixture
def powercap(tmp_path, monkeypatch):
    monkeypatch.setattr(metering, "POWERCAP", tmp_path)
    return tmp_path


def test_packages_are_added_up_and_their_parts_are_not(powercap):
    first, second = Package(powercap / "intel-rapl:0"), Package(powercap / "intel-rapl:1", "package-1")
    core = Package(powercap / "intel-rapl:0:0", "core")
    for each in (first, second, core):
        each.shows(10)
    with energy(CPU) as used:
        first.shows(13)
        second.shows(14.5)
        core.shows(200)
    assert used.joules == pytest.approx(7.5)
    assert used.measure == PACKAGES_MEASURE


def test_a_counter_that_begins_anew_goes_on(powercap, monkeypatch):
    monkeypatch.setattr(metering, "_INTERVAL_SECONDS", 0.01)
    package = Package(powercap / "intel-rapl:0", most=100_000_000)
    package.shows(90)
    with energy(CPU) as used:
        package.shows(5)
    assert used.joules == pytest.approx(15)


@pytest.mark.parametrize("name", [None, "psys"])
def test_without_a_package_nothing_is_measured(powercap, name):
    if name is not None:
        Package(powercap / "intel-rapl:0", name).shows(1)
    with energy(CPU) as used:
        pass
    assert (used.joules, used.measure) == (None, None)


def test_a_counter_that_cannot_be_read_any_more_ends_no_training(powercap):
    package = Package(powercap / "intel-rapl:0")
    package.shows(1)
    with energy(CPU) as used:
        package.file.unlink()
    assert (used.joules, used.measure) == (None, None)


def test_a_counter_that_may_not_be_read_is_none(powercap):
    Package(powercap / "intel-rapl:0").file.mkdir()
    with energy(CPU) as used:
        pass
    assert used.joules is None


def test_a_gpu_is_found_by_its_identity(monkeypatch):
    shown = iter((1_000, 1_000, 1_000, 4_500))
    asked = []
    nvml = types.SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=asked.append,
        nvmlDeviceGetTotalEnergyConsumption=lambda _: next(shown),
        NVMLError=RuntimeError,
    )
    monkeypatch.setattr(metering, "_nvml", lambda: nvml)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: types.SimpleNamespace(uuid="0a-1b"))
    with energy(torch.device("cuda")) as used:
        next(shown)
    assert asked == ["GPU-0a-1b"]
    assert used.joules == pytest.approx(3.5)
    assert used.measure == GPU_MEASURE


def test_without_nvml_a_gpu_is_not_measured(monkeypatch):
    monkeypatch.setattr(metering, "_nvml", lambda: None)
    with energy(torch.device("cuda")) as used:
        pass
    assert used.joules is None
