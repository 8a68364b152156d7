"""Shared by all tests: where the real clips lie, no network for Hugging Face libraries, and hands off the repository's
own data (guard/sitecustomize.py)."""

import os
import sys
from pathlib import Path

import hypothesis
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
# Processes that tests start find the rooms, and are watched as this one is.
os.environ["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY / "tests" / "guard"), str(REPOSITORY)])
# Hundreds of processes are started: each module is compiled once.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# What a shell may have set for runs of its own.
for name in ("DAGSTER_HOME", "WMSD_EPISODES_RECIPE", "WMSD_EVALUATION_RECIPE", "WMSD_RECIPE", "WMSD_SHARDS"):
    os.environ.pop(name, None)

# How long an example takes is the machine's business: workers run side by side, and others may run beside them.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

from tests import warm  # noqa: E402
from tests.guard import sitecustomize  # noqa: E402


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(autouse=True)
def no_server_has_passed():
    """Ports come again: a server of a test before may not have passed the preflight for one of this test."""
    yield
    if (module := sys.modules.get("models.vlm.preflight")) is not None:
        module.PASSED.clear()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real clips beside the checkout; tests that need them are skipped where they are absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real clips, ../shared/data, is not there")
    return folder


def contents() -> dict[str, tuple[int, int]]:
    """Every file of the repository's own data: its size and the time of its last change."""
    sys.wmsd_watched = False
    try:
        paths = [path for folder in sitecustomize.FOLDERS for path in Path(folder).rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}
    finally:
        sys.wmsd_watched = True


@pytest.fixture(scope="session", autouse=True)
def touched(tmp_path_factory):
    """The file in which processes note what they touched of the repository's own data."""
    before = contents()
    file = tmp_path_factory.getbasetemp() / "touched.txt"
    file.touch()
    os.environ["WMSD_TEST_TOUCHED"] = str(file)
    yield file
    changed = sorted(path for path, _ in before.items() ^ contents().items())
    assert not changed, f"changed by a test, or by something else that runs in this clone: {changed[:5]}"


@pytest.fixture(autouse=True)
def leaves_the_repositorys_data_alone(touched):
    known = len(touched.read_text())
    yield
    told = touched.read_text()[known:]
    assert not told


@pytest.fixture(scope="session", autouse=True)
def warm_starts():
    with warm.switched_on() as starts:
        yield starts
