"""Curves of trainings: an evaluated run for each LoRA that a training kept, and what a curve looks like to Dagster."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from assets.benchmarks.options import GeneratedVideosConfig, TrainingCurve
from assets.benchmarks.pictures import curves_picture
from assets.store import Store
from evaluation.records import RUN, SCORES, RunRecord, read_one
from evaluation.report.curves import curves
from evaluation.report.reading import read_runs
from evaluation.scores import escaped
from evaluation.statistics.curve import Point
from evaluation.statistics.tables import interval_text
from storage.files import confined
from training.adapters import FOLDER, kept

POINT = re.compile(r"(.+)-step-(\d{5,})", re.ASCII)


def point_name(curve: str, step: int) -> str:
    return f"{curve}-step-{step:05d}"


def is_point(name: str, curves: Sequence[Mapping[str, Any]]) -> bool:
    """Whether `name` is a point of one of a recipe's blocks `curves`, be its LoRA there or not."""
    match = POINT.fullmatch(name)
    found = [one for one in curves if match and one["name"] == match[1] and name == point_name(match[1], int(match[2]))]
    return any(not one.get("steps") or int(match[2]) in one["steps"] for one in found)


def adapters(store: Store, curve: TrainingCurve) -> dict[int, Path]:
    """Step -> LoRA of a curve: those of its steps that its training has kept so far."""
    there = kept(confined(store.training, curve.training))
    return {step: path for step, path in there.items() if step in curve.steps or not curve.steps}


def points(store: Store, config: GeneratedVideosConfig) -> dict[str, tuple[TrainingCurve, int, Path]]:
    """Name of a point -> its curve, step and LoRA; all that are there."""
    return {
        point_name(curve.name, step): (curve, step, path)
        for curve in config.curves
        for step, path in adapters(store, curve).items()
    }


def lacking(store: Store, config: GeneratedVideosConfig) -> list[str]:
    """What curves lack of what was asked for, a sentence each, with the steps there are."""
    told = []
    for curve in config.curves:
        place = confined(store.training, curve.training)
        there = kept(place)
        missing = sorted(set(curve.steps) - there.keys())
        if missing or not there:
            what = f"no LoRA of step {missing[0]}" if missing else "no LoRA of a step"
            known = ", ".join(map(str, there)) or "none"
            told.append(f"curve {curve.name!r}: {place / FOLDER} holds {what}; there are: {known}")
    return told


def curve_metadata(store: Store, names: Sequence[str]) -> dict[str, dg.MetadataValue]:
    """A table and a picture of the curves that the runs `names` make, over the paper's traces; nothing without one."""
    folders = [store.evaluated(name) for name in names if (store.evaluated(name) / SCORES).is_file()]
    records = [(folder, read_one(folder / RUN, RunRecord)) for folder in folders]
    if not any(record.step is not None for _, record in records):
        return {}
    needed = [folder for folder, record in records if record.step is not None or not record.lora]
    found = curves(read_runs(needed, {}))
    metadata = {}
    if found.points:
        metadata["curves"] = dg.MetadataValue.md(table(found.points))
        metadata["curves over the paper's"] = dg.MetadataValue.md(curves_picture(found.charts))
    if found.refused:
        metadata["no curves"] = dg.MetadataValue.json([f"{name}: {why}" for name, why in found.refused])
    return metadata


def table(trainings: Sequence[tuple[str, Sequence[Point]]]) -> str:
    """Markdown of (name, points): a row a step, scores with 95 % intervals."""
    questions = list(dict.fromkeys(question for _, line in trainings for point in line for question in point.questions))
    header = ["", "Step", *(question.capitalize() for question in questions), "Average", "PickScore / 26"]
    rows = [header, ["---"] + ["--:"] * (len(header) - 1)]
    for name, line in trainings:
        for point in line:
            row = [escaped(name), str(point.step)]
            row += [interval_text(point.questions[one]) if one in point.questions else "-" for one in questions]
            row += [interval_text(point.average), interval_text(point.pickscore, 4) if point.pickscore else "-"]
            rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
