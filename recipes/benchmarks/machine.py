"""What the numbers were measured on."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import keras


def machine() -> dict[str, Any]:
    """Describe processor, system, load, backend and versions."""
    versions = {}
    for name in ("glimmer_keras", "keras", "keras-hub", keras.backend.backend(), "numpy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "backend": keras.backend.backend(),
        "devices": devices(),
        "versions": versions,
    }


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def devices() -> list[str]:
    """Name the accelerators, or the CPU."""
    if keras.backend.backend() == "torch":
        import torch

        return [torch.cuda.get_device_name()] if torch.cuda.is_available() else ["cpu"]
    if keras.backend.backend() == "jax":
        import jax

        return [device.device_kind for device in jax.devices()]
    return keras.distribution.list_devices()


def cpu_model() -> str:
    """Name the processor, as Linux does where it can."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
