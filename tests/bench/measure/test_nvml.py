"""What NVML tells, with a library that is made up here."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pynvml
import pytest
import torch

from bench.measure import cost as measure
from bench.measure import environment as machine
from bench.measure import nvml, timing

GPU = torch.device("cuda:0")


class MadeUp(SimpleNamespace):
    """An NVML in which every function can be made to fail; it complains when it is used without having begun."""

    NVMLError = pynvml.NVMLError
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    def __init__(self, fails: tuple[str, ...] = (), **answers: object) -> None:
        super().__init__(open=0, millijoules=0)
        mine = SimpleNamespace(pid=os.getpid(), usedGpuMemory=3_000_000_000)
        self.answers: dict = {
            "nvmlSystemGetDriverVersion": "570.86",
            "nvmlDeviceGetHandleByUUID": "handle",
            "nvmlDeviceGetClockInfo": 1755,
            "nvmlDeviceGetMaxClockInfo": 1980,
            "nvmlDeviceGetPowerUsage": 312_500,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0,
            "nvmlDeviceGetComputeRunningProcesses": [mine],
        } | answers
        self.fails = fails

    def nvmlInit(self) -> None:  # noqa: N802
        if "nvmlInit" in self.fails:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: object) -> int:  # noqa: N802
        if "nvmlDeviceGetTotalEnergyConsumption" in self.fails:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        self.millijoules += 50_000
        return self.millijoules

    def __getattr__(self, name: str) -> object:
        if name not in self.__dict__.get("answers", {}):
            raise AttributeError(name)

        def answer(*_: object) -> object:
            assert self.open, f"{name} before nvmlInit or after nvmlShutdown"
            if name in self.fails:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return self.answers[name]

        return answer


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="made-up"))

    def install(**how: object) -> MadeUp:
        library = MadeUp(**how)
        monkeypatch.setattr(nvml, "pynvml", library)
        return library

    return install


def test_a_gpu_is_described(made_up) -> None:
    library = made_up()
    with nvml.gpu(GPU) as gpu:
        state = nvml.state(gpu)
        assert nvml.process_memory_mb(gpu) == 3000
        assert nvml.energy_j(gpu) == 50
    assert nvml.driver() == "570.86"
    assert library.open == 0
    assert (state.clock_mhz, state.highest_clock_mhz, state.power_w, state.power_limit_w) == (
        1755,
        1980,
        312.5,
        700,
    )
    assert (state.temperature_c, state.throttled, state.other_processes) == (61, (), 0)


def test_company_and_throttling_are_warned_of(made_up, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.psutil, "cpu_percent", lambda interval: 0.0)
    others = [SimpleNamespace(pid=pid, usedGpuMemory=1) for pid in (1, os.getpid(), 2)]
    made_up(
        nvmlDeviceGetComputeRunningProcesses=others, nvmlDeviceGetCurrentClocksThrottleReasons=0x1 | 0x4 | 0x40
    )
    with nvml.gpu(GPU) as gpu:
        state = nvml.state(gpu)
    assert machine.environment("cpu", state).warnings == (
        "2 other processes computed on the GPU",
        "the GPU's clocks were held back: power cap, heat (hardware)",
    )


def test_the_workers_of_this_process_are_no_other_processes(made_up, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml.multiprocessing, "active_children", lambda: [SimpleNamespace(pid=1)])
    seen = [SimpleNamespace(pid=pid, usedGpuMemory=1) for pid in (1, os.getpid())]
    for more, number in (((), 0), ((2,), 1)):
        others = [SimpleNamespace(pid=pid, usedGpuMemory=1) for pid in more]
        made_up(nvmlDeviceGetComputeRunningProcesses=[*seen, *others])
        with nvml.gpu(GPU) as gpu:
            assert nvml.state(gpu).other_processes == number


def test_processes_that_a_container_hides_are_not_known(made_up, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.psutil, "cpu_percent", lambda interval: 0.0)
    made_up(nvmlDeviceGetComputeRunningProcesses=[])
    with nvml.gpu(GPU) as gpu:
        assert nvml.process_memory_mb(gpu) is None
        state = nvml.state(gpu)
    assert state.other_processes is None
    assert machine.environment("cpu", state).warnings == ()
    made_up(nvmlDeviceGetComputeRunningProcesses=[SimpleNamespace(pid=7, usedGpuMemory=5_000_000)])
    with nvml.gpu(GPU) as gpu:
        assert nvml.process_memory_mb(gpu) is None, "somebody else's memory is not ours"


def test_without_nvml_nothing_is_known_and_nothing_fails(made_up) -> None:
    library = made_up(fails=("nvmlInit",))
    with nvml.gpu(GPU) as gpu:
        assert (gpu, nvml.state(gpu), nvml.energy_j(gpu), nvml.process_memory_mb(gpu)) == (None,) * 4
    assert nvml.driver() is None
    assert library.open == 0


@pytest.mark.parametrize("missing", [name for name in MadeUp().answers if name != "nvmlDeviceGetHandleByUUID"])
def test_what_a_device_does_not_know_leaves_the_rest_known(made_up, missing: str) -> None:
    made_up(fails=(missing,))
    with nvml.gpu(GPU) as gpu:
        state = nvml.state(gpu)
    known = [value for value in state.model_dump().values() if value not in (None, ())]
    assert len(known) >= 5


def test_nvml_is_ended_when_the_measurement_fails(made_up) -> None:
    library = made_up()
    with pytest.raises(ZeroDivisionError), nvml.gpu(GPU):
        raise ZeroDivisionError
    assert library.open == 0


def test_a_cpu_asks_nobody(made_up) -> None:
    library = made_up(fails=("nvmlInit",))
    with nvml.gpu(torch.device("cpu")) as gpu:
        assert gpu is None
    assert library.open == 0


def test_energy_is_that_of_a_call_or_there_is_a_reason(made_up, monkeypatch: pytest.MonkeyPatch) -> None:
    def pretend(seconds: float) -> None:
        monkeypatch.setattr(timing, "pass_size", lambda *_: 10)
        monkeypatch.setattr(timing, "timed", lambda *_: [timing.Samples([100 * seconds] * 10, 100 * seconds)])

    made_up()
    pretend(seconds=2.0)
    with nvml.gpu(GPU) as gpu:
        _, energy, source = measure.latency_and_energy(lambda: None, GPU, 1.0, gpu)
        assert (energy, source) == (5.0, "NVML's counter over 10 calls")
        pretend(seconds=0.1)
        assert measure.latency_and_energy(lambda: None, GPU, 1.0, gpu)[1:] == (
            None,
            "the timed calls took less than 0.5 s",
        )
    made_up(fails=("nvmlDeviceGetTotalEnergyConsumption",))
    with nvml.gpu(GPU) as gpu:
        _, energy, source = measure.latency_and_energy(lambda: None, GPU, 1.0, gpu)
    assert (energy, source) == (None, "NVML gives no energy counter for this device")
