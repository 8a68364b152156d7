"""docs/benchmarks.md: what it tells people to write is what jobs and commands take, and sizes are the model's."""

import re
from pathlib import Path
from textwrap import dedent

import dagster as dg
import pytest
import yaml

from assets.support.run_config import check_run_config
from evaluation.benchmarks.dreamgen.options import DreamgenOptions
from evaluation.benchmarks.vbench.options import VbenchOptions
from evaluation.benchmarks.vbvr.options import VbvrOptions
from models.video.options import VideoModelOptions
from pipelines.recipes import job_of
from tests.evaluation.benchmarks.vbvr.vbvr_rig import FAKE

PAGE = Path(__file__).parents[3] / "docs" / "benchmarks.md"
COMMANDS = {"DreamGen Bench": DreamgenOptions, "VBVR-Bench": VbvrOptions, "VBench": VbenchOptions}
LTX2 = (32, 8)  # pixels and frames that its VAE makes one of


def indented(begins: str) -> list[tuple[str, dict]]:
    """(heading, options) of each indented block of the page whose first key is `begins`."""
    found = []
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        for block in re.findall(rf"(?m)^    {begins}:.*\n(?:^    .*\n)*", part):
            found.append((part.splitlines()[0], yaml.safe_load(dedent(block))))
    return found


NAMED = re.findall(r"make evaluate RECIPE=(recipes/\w+\.yaml)", PAGE.read_text(encoding="utf-8"))
RECIPES, STEPS = (
    [yaml.safe_load((PAGE.parents[1] / name).read_text(encoding="utf-8")) for name in NAMED],
    indented("step"),
)


def test_the_page_has_a_recipe_for_both_jobs_and_options_for_all_commands():
    assert [job_of(recipe) for recipe in RECIPES] == ["evaluate_dreamgen", "evaluate_vbvr"]
    assert {heading for heading, _ in STEPS} == set(COMMANDS)


@pytest.mark.parametrize("recipe", RECIPES, ids=job_of)
def test_a_recipe_of_the_page_is_a_valid_run_config_of_its_job(recipe):
    from pipelines.definitions import defs

    dg.validate_run_config(defs.resolve_job_def(job_of(recipe)), recipe)
    if "vbvr_scores" in recipe["ops"]:  # an installed evaluator is a part of what is checked
        recipe["ops"]["vbvr_scores"]["config"]["evaluator"]["command"] = FAKE
    check_run_config(recipe)


@pytest.mark.parametrize("recipe", RECIPES, ids=job_of)
def test_a_recipe_of_the_page_asks_for_videos_that_its_model_can_make(recipe):
    from models.video.pixels import check_size
    from models.video.protocol import VideoShape

    videos = recipe["ops"]["generated_videos"]["config"]
    model = VideoModelOptions(**videos["model"])
    assert model.kind == "ltx2" and model.ltx2.schedule == "distilled" and videos["sampler"] == {"steps": 8}
    check_size(VideoShape(model.frames, model.height, model.width, model.fps), *LTX2, "LTX-2")


@pytest.mark.parametrize(("heading", "options"), STEPS)
def test_options_of_the_page_are_what_its_command_takes(heading, options):
    COMMANDS[heading].model_validate(options)
