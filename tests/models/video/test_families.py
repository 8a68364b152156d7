"""Every family of video models is one folder, named in models/video/families.py, whose facts load nothing heavy."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import diffusers
import pytest

from models.video.families import FAMILIES, published
from models.video.options import VideoModelOptions


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_family_is_a_folder_named_as_its_kind(family):
    parts = import_module(f"models.video.{family.kind}.parts")
    assert {"PARTS", "part_kinds", "describe", "load"} <= vars(parts).keys()
    adapter = import_module(f"models.video.{family.kind}.adapter")
    models = [one for one in vars(adapter).values() if isinstance(one, type) and hasattr(one, "encode_video")]
    assert [model.lora_targets for model in models] == [family.lora_targets]
    assert hasattr(diffusers, family.pipeline) and hasattr(diffusers, family.transformer)
    assert (family.kind in VideoModelOptions.model_fields) == (family.options is not None)
    for known in family.published:
        assert all(published(one) == (family, known) for one in known.ids)


def test_no_folder_of_models_is_left_out():
    import models.video.families

    folders = Path(models.video.families.__file__).parent.glob("*/facts.py")
    assert {path.parent.name for path in folders} == FAMILIES.keys()


def test_options_and_facts_load_nothing_heavy():
    code = "import sys, models.video.options; print({'torch', 'diffusers', 'transformers'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
