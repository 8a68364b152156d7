"""The literal commands of the README, each in a shell of its own."""

import json
import shutil
import subprocess

import pytest
import yaml

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shell(repository, tmp_path_factory):
    """Runs bash commands after `source activate`, in a folder that has the instance's files but not its history."""
    if not (repository / ".venv" / "bin" / "activate").exists():
        pytest.skip("the environment is not in .venv: `make setup` puts it there")
    folder = tmp_path_factory.mktemp("instance")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(repository / name, folder / name)

    def run(command: str) -> subprocess.CompletedProcess:
        entered = f"source '{repository}/activate' && cd '{folder}' && {command}"
        return subprocess.run(["bash", "-c", entered], capture_output=True, text=True, timeout=300)

    run.folder = folder
    return run


def test_the_bare_job_command_finds_its_job_and_runs_one_shard(shell, tmp_path, job_tools):
    recipe, _ = job_tools
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(tmp_path, clips=6)))
    tags = json.dumps({"dagster/partition": "shard-0001"})
    finished = shell(f"dagster job execute -j build_worldtasks -c '{path}' --tags '{tags}'")
    # Six clips give no release; what is held here is that the bare command loads the job and runs the shard's stages.
    assert "Invalid set of CLI arguments" not in finished.stderr
    assert (tmp_path / "small" / "tables" / "taxonomy" / "shard-0001.parquet").exists(), finished.stderr[-2000:]


def test_the_bare_job_command_without_a_shard_is_refused_with_what_to_type(shell):
    finished = shell("dagster job execute -j build_worldtasks")
    assert finished.returncode != 0
    assert "this run names no shard" in finished.stderr
    assert "dagster/partition" in finished.stderr


def test_run_history_persists_without_dagster_home(shell):
    """Runs after the two above: their records are in the folder, and no temporary home is left."""
    assert (shell.folder / ".dagster" / "storage" / "history").is_dir()
    assert not list(shell.folder.glob(".tmp_dagster_home_*"))


def test_definitions_validate(shell):
    finished = shell("dagster definitions validate")
    assert finished.returncode == 0, finished.stderr[-2000:]
