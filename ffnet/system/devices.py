"""Devices and compute types, and a clear error when memory runs out."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from fflabels.errors import FFLabelsError, lacks_memory
from ffnet.system.ranks import local_rank

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


def resolve_device(name: str) -> torch.device:
    """Return the device called ``auto``, ``cpu``, ``cuda`` or ``cuda:i``; ``cuda`` is a separate GPU for each rank.

    Raises
    ------
    FFLabelsError
        For another name, or a GPU that does not exist.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()) or (kind == "cpu" and ":" in name):
        raise FFLabelsError("unknown device", where="device", got=name, expected="auto, cpu, cuda or cuda:i")
    if kind == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    number = int(index or local_rank())
    if number >= count:
        raise FFLabelsError(
            "no such GPU", where="device", got=name, expected=f"{count} CUDA devices here", hint="try cpu, or auto"
        )
    return torch.device("cuda", number)


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a device computes bfloat16 natively."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # torch has no public name for it
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def device_name(device: torch.device) -> str:
    """Return the name of the GPU, or of the processor and its number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    threads = torch.get_num_threads()
    return f"{model}, {threads} thread{'s' if threads > 1 else ''}"


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn out-of-memory errors of any device into an error that names the settings to lower."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise FFLabelsError(
            "out of memory",
            got=str(error).splitlines()[0] if str(error) else None,
            hint="lower train.batch, inference.chunk or net.widths, or set inference.linear_pool=4",
        ) from error


@contextmanager
def deterministic() -> Iterator[None]:
    """Make convolutions on a GPU add in a fixed order, so that a resumed run equals one that was never stopped."""
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    cudnn.benchmark, cudnn.deterministic = False, True
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = before
