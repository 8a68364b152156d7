"""`build_robot_microworld`: the asset's options are the program's own, and what the program leaves is recorded."""

import sys

import dagster as dg
import pytest

from assets.support import program
from assets.training.robot_microworld_model import RobotMicroworldModelConfig

pytestmark = pytest.mark.slow


def test_the_assets_options_are_those_of_the_program():
    from microworld.robot.model.options import RobotBaseOptions

    ours = RobotMicroworldModelConfig.model_fields
    assert set(ours) == {*RobotBaseOptions.model_fields, "grace_s"}
    for name, field in RobotBaseOptions.model_fields.items():
        assert ours[name].annotation == field.annotation, name
        assert (ours[name].default, ours[name].metadata) == (field.default, field.metadata), name


def test_the_checkpoints_content_is_its_data_version(tmp_path, monkeypatch):
    out = tmp_path / "checkpoint"
    script = f"""
import json, pathlib
folder = pathlib.Path({str(out)!r})
folder.mkdir(parents=True, exist_ok=True)
said = {{"sha256": {{"model.safetensors": "ab"}}, "settled": {{}}, "scores": {{}}}}
(folder / "base.json").write_text(json.dumps(said))
"""
    started = program.run_child

    def stand_in(context, command, **given):
        assert command[:3] == [sys.executable, "-m", "microworld.robot.pretrain"]
        return started(context, [sys.executable, "-c", script], **given)

    monkeypatch.setattr(program, "run_child", stand_in)
    versions = []
    for _ in range(2):
        from pipelines.definitions import defs

        with dg.instance_for_test() as instance:
            result = defs.resolve_job_def("build_robot_microworld").execute_in_process(
                run_config={
                    "resources": {"collection": {"config": {"root": str(tmp_path), "name": "c"}}},
                    "ops": {"robot_microworld_model": {"config": {"out": str(out), "vae_steps": 3}}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                instance=instance,
            )
        (event,) = result.get_asset_materialization_events()
        assert event.materialization.metadata["sha256"].value == {"model.safetensors": "ab"}
        versions.append(event.materialization.tags["dagster/data_version"])
    assert versions[0] == versions[1]
    written = (tmp_path / "c" / "training" / "robot_microworld_model" / "config.yaml").read_text()
    assert "vae_steps: 3" in written and "grace_s" not in written
