"""Options that the pages write are options, and YAML that they show is taken by what it is for."""

import re
from collections.abc import Iterator

import dagster as dg
import pytest
import yaml

from assets.support.evaluation.options import EvaluatedRun, GeneratedVideosConfig, TrainingCurve
from assets.support.option_tables import anchor
from assets.support.resources import VLMResource
from assets.support.run_config import check_run_config
from evaluation.report.options import ReportOptions
from evaluation.rollouts.acting import DriveOptions
from pipelines.recipes import job_of
from tests.docs.pages import PAGES
from training.reproduction.options import Experiment

OPTIONS = next(page for page in PAGES if page.name == "docs/options.md")
# docs/benchmarks.md has a test of its own: tests/evaluation/benchmarks/test_documented_options.py.
OTHERS = [page for page in PAGES if page.name not in ("docs/options.md", "CHANGELOG.md")]
FILE = re.compile(r".*\.(py|md|json|jsonl|yaml|txt|log|png|html|toml|cff|csv|mp4|safetensors)")
MODEL = "frames: 8, height: 32, width: 32, fps: 4.0"  # in place of `...`
# Of commands without an asset; docs/benchmarks.md says where they belong.
OF_COMMANDS = {"step", "benchmark", "rewrites", "objective", "gpt4o"}


def known_paths() -> set[str]:
    """`executor.rollout.group` and so on: blocks and options of docs/options.md, without `ops` and `config`."""
    tables: dict[str, dict[str, list[tuple[str, str]]]] = {}  # place -> option -> (kind, place) of its blocks
    titles: dict[str, str] = {}
    for line in OPTIONS.text.splitlines():
        if line.startswith("#"):
            title = line.lstrip("# ")
            titles[anchor(title)] = title
            rows = tables[anchor(title)] = {}
        elif row := re.match(r"\| `(\w+)` \|", line):
            rows[row[1]] = re.findall(r"\[(\w+)\]\(#([^)]+)\)", line)

    def below(place: str, path: str) -> Iterator[str]:
        yield path
        for option, blocks in tables[place].items():
            yield f"{path}.{option}"
            for kind, block in blocks:
                yield from below(block, f"{path}.{option}" + ("" if kind == "block" else f".{kind}"))

    tops = {place: title for place, title in titles.items() if title.endswith(".config")}
    return {
        path
        for place, title in tops.items()
        for path in below(place, title.removeprefix("ops.").removesuffix(".config"))
    }


PATHS = known_paths()
NAMES = {path.rpartition(".")[2] for path in PATHS}
BLOCKS = {part for path in PATHS for part in path.split(".")[:-1]}
pages = pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.name)


@pages
def test_every_option_named_with_its_block_is_there(page):
    for word in page.inline:
        if not re.fullmatch(r"[a-z_0-9]+(\.[a-z_0-9]+)+", word) or FILE.fullmatch(word):
            continue
        path = word.removeprefix("ops.").replace(".config", "")
        if path.partition(".")[0] in BLOCKS:
            assert any(f".{known}".endswith(f".{path}") for known in PATHS), f"{page.name}: {word}"


@pages
def test_every_option_shown_with_a_value_is_there(page):
    for word in page.inline:
        if match := re.match(r"([a-z_0-9]+): ", word):
            assert match[1] in NAMES | OF_COMMANDS, f"{page.name}: {word}"


def yaml_blocks(page) -> list[str]:
    chunks = [chunk for block in page.blocks for chunk in re.split(r"\n\s*\n", block)]
    return [chunk for chunk in chunks if re.match(r"(#.*\n)*([a-z_]+:\s|- \{)", chunk)]


@pages
def test_every_block_of_options_is_taken(page, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "a token")
    for text in yaml_blocks(page):
        if page.name == "docs/benchmarks.md":
            continue
        check(yaml.safe_load(text.replace("...}", f"{MODEL}}}")), f"{page.name}: {text.splitlines()[0]}")


def check(block, where: str) -> None:
    """Raises for a block that nothing takes."""
    match block:
        case {"ops": _} | {"resources": _}:
            from pipelines.definitions import defs

            dg.validate_run_config(defs.resolve_job_def(job_of(block)), block)
            check_run_config(block)
        case {"vlm": options}:
            VLMResource(**options)
        case {"generated_videos": options}:
            GeneratedVideosConfig(**options["config"])
        case {"source": _}:
            check({"ops": {"clips": {"config": block}}}, where)
        case {"curves": curves}:
            assert [TrainingCurve(**curve) for curve in curves]
        case {"policy": _, "output": _}:
            DriveOptions(**block)
        case {"runs": _, "output": _}:
            ReportOptions(**block)
        case [*rows] if all("control" in one for one in rows):
            assert [EvaluatedRun(**one) for one in rows]
        case [*experiments] if all("method" in one for one in experiments):
            assert [Experiment(**one) for one in experiments]
        case _:
            raise AssertionError(f"{where}: no test knows what takes this block; add a case")


def test_metrics_in_the_troubleshooting_are_explained():
    texts = {page.name: page for page in PAGES}
    metric = re.compile(r"(groups|judge|reward|spread|seconds)/[a-z_]+")
    explained = set(filter(metric.fullmatch, texts["docs/training.md"].inline))
    named = set(filter(metric.fullmatch, texts["docs/troubleshooting.md"].inline))
    assert named and {name for name in named if not name.startswith("seconds/")} <= explained
