"""The words of the dataset card: one function a section, each from the manifest's facts."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from curation.assembly.split_words import split_words
from curation.release.options import PublishOptions

SPECIAL = re.compile(r"""[\\`*_{}\[\]()#!|~<>&"'$:@^=]|(?<=www)\.""")
PAPER = "arXiv 2606.12072"
NOT_RECORDED = "not recorded"

REASONS = {
    "removed_on_request": "named in the removal list, or a near-duplicate of a picture that is",
    "near_duplicate": "near-duplicate of another picture",
    "bench_image": "other tasks of a benchmark image",
    "bench_cluster": "in the near-duplicate cluster of a benchmark image",
    "bench_clip": "from the clip of a benchmark image",
    "bench_source": "from the source video (or folder) of a benchmark image",
    "bench_copy": "a benchmark image mirrored, cropped, with bars or a logo",
}

STRUCTURE = {
    "images": """- `data/*.parquet` (config `images`, splits `train` and `bench`): one row an image, so that pixels are
  stored once: `image`, frame and clip ids, `seconds` into the clip, size, SHA-256, the source video's id and the clip's
  start in it, and `pairs`, the list of the image's tasks: `id`, `agent`, `task`, `solution`, `agent_category`,
  `task_type`. A benchmark image has one pair.
- `train/train.jsonl`, `train/images/shard_000/...`: the layout of the paper's authors, a pair a line with `id`, `task`,
  `solution` and `image`, a path relative to the JSONL file.
- `bench/bench.jsonl`, `bench/images/`: the authors' layout, with `id`, `task` and `image` only.""",
    "ids": """- `ids/*.parquet`, `ids/*.jsonl` (config `ids`): every pair of both splits without pixels, also of
  sources that forbid redistribution (`redistributable` false).""",
}


def escape(text: Any) -> str:
    """`text` on one line, with everything that Markdown or HTML might act on as character references."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return SPECIAL.sub(lambda match: f"&#{ord(match[0])};", line)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table of escaped cells; columns after the first that hold numbers are right-aligned."""
    numeric = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(head))]
    shown = [[f"{c:,}" if isinstance(c, int) else escape(c) for c in row] for row in rows]
    lines = [head, ["---:" if number else "---" for number in numeric], *shown]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fenced(values: Mapping[str, Any]) -> str:
    """`values` as a block of JSON that is shown as it is: ASCII, and within a fence longer than any it holds."""
    text = json.dumps(values, indent=1, sort_keys=True)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}json\n{text}\n{fence}"


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def sections(
    manifest: Mapping[str, Any],
    options: PublishOptions,
    configs: Sequence[Mapping[str, Any]],
    samples: Sequence[Mapping],
) -> str:
    """The card below its front matter. Equal arguments give equal text."""
    parts = [
        _summary(manifest, options),
        _use(options, [config["config_name"] for config in configs]),
        _structure(manifest, [config["config_name"] for config in configs]),
        _creation(manifest),
        _composition(manifest),
        _samples(samples),
        _rights(manifest, options),
        _limits(manifest),
        _changelog(manifest),
        _citation(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(manifest: Mapping[str, Any], options: PublishOptions) -> str:
    pairs, images, pixels = manifest["pairs"], manifest["images"], manifest["images_with_pixels"]
    rows = [[split, pairs[split], images[split], pixels[split]] for split in pairs]
    return f"""# {escape(options.title)}

Images of scenes, each with tasks for someone or something in them and a detailed solution of every task, to train and
to test video world models: given the image and the task `[Agent]: instruction.`, a model should generate the video in
which it is done. Built by an open implementation of World Model Self-Distillation ({PAPER}), whose WorldTasks
dataset it rebuilds from other footage. All tasks, solutions and labels are machine-generated.

{table(["split", "pairs", "images", "images with pixels here"], rows)}

Version `{manifest["version"]}`, a hash of the files' content. Built by {_fact(manifest, "generated_by")} from the
source {_fact(manifest, "source")}."""


def _use(options: PublishOptions, names: Sequence[str]) -> str:
    where = options.repo_id or "PATH_OF_THIS_FOLDER"
    examples = {
        "images": f'images = load_dataset("{where}", "images")  # splits train and bench; tasks in `pairs`',
        "ids": f'pairs = load_dataset("{where}", "ids")  # a task a row, no pixels',
    }
    lines = "\n".join(examples[name] for name in names)
    return f"""## Uses

```python
from datasets import load_dataset

{lines}
```

Meant for training and testing image-to-video models that follow instructions, and for research on planning with world
models. The benchmark is for testing only: do not train on it, and leave its solutions out of a prompt that is scored.

### Out-of-scope use

Not for identifying or profiling people, not for controlling vehicles, robots or weapons without other safeguards, and
not as a record of what happened in the footage: the solutions describe motions that were imagined."""


def _structure(manifest: Mapping[str, Any], names: Sequence[str]) -> str:
    listed = "\n".join(STRUCTURE[name] for name in names)
    return f"""## Structure

{listed}
- `manifest.json`: counts, settings, changelog. `SHA256SUMS`: check the files with `sha256sum -c SHA256SUMS`.

Image files are left out of a release that was told so; the Parquet files then hold the pixels."""


def _creation(manifest: Mapping[str, Any]) -> str:
    facts = manifest["facts"]
    funnel = [
        [
            stage["stage"],
            stage["rows_in"],
            stage["kept"],
            share(stage["kept"], stage["rows_in"]),
            _reasons(stage["reasons"]),
        ]
        for stage in facts.get("funnel", [])
    ]
    tokens = facts.get("tokens", {})
    models = [
        [stage, ", ".join(tokens.get(stage, {}).get("models", [])) or facts.get("vlm", NOT_RECORDED), prompt or "-"]
        for stage, prompt in facts.get("prompts", {}).items()
    ]
    stats = manifest["statistics"]
    lost = [
        [REASONS.get(reason, reason), pairs, stats["reason_images"].get(reason, 0)]
        for reason, pairs in stats["reasons"].items()
    ]
    settings = facts.get("options", {}) | {"worldtasks": manifest["assembly"]}
    distance = manifest["assembly"].get("near_duplicate_distance", NOT_RECORDED)
    return f"""## Creation

Clips are cut into frames, frames are filtered by sharpness and exposure, ranked by an aesthetic score
({_fact(manifest, "scorer")}) and screened by a vision-language model, which then writes the tasks and solutions of each
frame; named rules drop malformed pairs, and a second prompt sorts the rest by agent and task type, from the words
alone.

### Funnel

{table(["stage", "rows in", "kept", "share", "why not"], funnel) if funnel else NOT_RECORDED}

### Models and prompts

{table(["stage", "model", "prompt hash"], models) if models else NOT_RECORDED}

### Near-duplicates and the benchmark split

{table(["pairs taken out in assembly", "pairs", "images"], lost) if lost else "Nothing was taken out in assembly."}

Near-duplicates are frames whose 64-bit perceptual hashes differ in at most {distance} bits. The benchmark is drawn by
a hash of the pairs' ids, in proportion to agent category and task type, one pair an image. No image of it, and no
near-duplicate of one, is in train. {split_words(stats, manifest["assembly"])} What both splits share is looked for on
the finished table, apart from the code that splits.

### Settings

{fenced(settings)}"""


def _composition(manifest: Mapping[str, Any]) -> str:
    splits = {name: split for name, split in manifest["statistics"]["splits"].items() if split["pairs"]}
    parts = []
    for kind, head in (("agent_categories", "addressed agent"), ("task_types", "task type")):
        names = sorted({name for split in splits.values() for name in split[kind]})
        rows = [[name, *(share(s[kind].get(name, 0), s["pairs"]) for s in splits.values())] for name in names]
        parts.append(table([head, *splits], rows))
    return "## Composition\n\n![Shares of agents and task types](card/taxonomy.png)\n\n" + "\n\n".join(parts)


def _samples(samples: Sequence[Mapping]) -> str:
    if not samples:
        return ""
    lines = [
        f"{number}. **{escape(row['task'])}** {escape(row['solution'])}" for number, row in enumerate(samples, start=1)
    ]
    return "## Samples\n\n![Numbered samples](card/samples.jpg)\n\n" + "\n".join(lines)


def _rights(manifest: Mapping[str, Any], options: PublishOptions) -> str:
    splits = manifest["statistics"]["splits"].values()
    held_back = sum(split["images"] - split["publishable_images"] for split in splits)
    sources = (
        f"{held_back:,} images come from sources that forbid redistribution: their pixels are not here, only their ids."
        if held_back
        else "All images come from sources that allow redistribution."
    )
    contact = escape(options.contact) or "the publisher of this repository"
    licence = options.license_name if options.license == "other" else options.license
    return f"""## Licences and personal information

The tasks, solutions and labels are under: {escape(licence)}. Frames stay under the terms of the footage they come from
({_fact(manifest, "source")}). {sources}

Footage of public places can show people. No names or identities were added, and none should be inferred.

### To have an item removed

Write to {contact} with the id of the sample, frame, clip or source video. The id goes on a removal list that every
later version honours: the item, the other frames it names, and pictures that are near-duplicates of them are left out.

### To restore the pixels of the ids-only release

With lawful access to the footage, take for each row of `ids/` the video `external_id` (or your own copy of `clip_id`)
and the frame at `source_seconds` (`external_start_s` + `seconds`; `seconds` counts from the clip's first frame).
Another encoding of the same video will not give the same bytes: compare the 64-bit `phash`, a few bits of difference
are to be expected; `image_sha256` is that of the original frame file."""


def _limits(manifest: Mapping[str, Any]) -> str:
    return f"""## Bias, risks and limits

- Tasks and solutions are one model's guesses from one still: some are impossible, trivial, or blind to what the picture
  hides. No person has checked them all.
- The labels are read from the words of a task, not from its picture.
- What is common in the footage is common here; see the composition above for how uneven that is. The tasks are in one
language.
- The filters prefer sharp, well-lit frames and what the aesthetic scorer likes: night, fog and motion blur are rare.
- Near-duplicates are found by the layout of light and dark. Two views of one place can pass, and one layout in other
colours counts as a copy.
- Scores on this benchmark compare models with each other on this version; {PAPER} used other images."""


def _changelog(manifest: Mapping[str, Any]) -> str:
    lines = []
    for entry in reversed(manifest["changelog"]):
        pairs = ", ".join(f"{entry['pairs'][split]:,} {split}" for split in manifest["pairs"])
        since = (
            f"; since `{entry['since']}`: {entry['added']:,} added, {entry['removed']:,} removed"
            if "since" in entry
            else ""
        )
        lines.append(f"- `{entry['version']}`: {pairs} pairs{since}")
    return "## Changelog\n\n" + "\n".join(lines)


def _citation() -> str:
    return f"""## Citation

Cite the paper that this dataset's recipe comes from ({PAPER}):

```bibtex
@misc{{worldmodelselfdistillation,
  title         = {{World Model Self-Distillation}},
  eprint        = {{2606.12072}},
  archivePrefix = {{arXiv}}
}}
```"""


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in reasons.items()) or "-"


def _fact(manifest: Mapping[str, Any], name: str) -> str:
    value = manifest["facts"].get(name)
    return escape(value if isinstance(value, str) else json.dumps(value, sort_keys=True)) if value else NOT_RECORDED
