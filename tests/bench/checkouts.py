"""Running a checkout of the project from outside of it, with an interpreter that may have another one installed."""

import os
import subprocess
import sys
from pathlib import Path


def environment(checkout: Path) -> dict[str, str]:
    """What the commands of `checkout` are given: its own packages first, one thread."""
    return os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def check_origin(checkout: Path, python: str, module: str) -> None:
    """Ends the program where `python -m module` in `checkout` would run code of another place."""
    words = [python, "-c", f"import importlib.util; print(importlib.util.find_spec({module!r}).origin)"]
    told = subprocess.run(words, cwd=checkout, env=environment(checkout), capture_output=True, text=True)
    if not Path(told.stdout.strip() or os.devnull).resolve().is_relative_to(checkout):
        sys.exit(f"{module} of {checkout} is not its own: {told.stdout.strip() or told.stderr.strip()[-300:]}")
