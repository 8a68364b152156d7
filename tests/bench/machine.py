"""The line above every benchmark's table: what it ran on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine(*packages: str) -> str:
    """CPU model, usable cores, Python, and the versions of `packages`."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    parts = [f"{names[0] if names else platform.processor()}, {len(os.sched_getaffinity(0))} cores"]
    parts += [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
    return "; ".join(parts)
