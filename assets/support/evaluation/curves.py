"""Curves of trainings: an evaluated run for each LoRA that a training kept."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assets.support.evaluation.options import GeneratedVideosConfig, TrainingCurve
from storage.collection import Store
from storage.files import confined
from training.policies.adapters import FOLDER, kept

POINT = re.compile(r"(.+)-step-(\d{5,})", re.ASCII)


def point_name(curve: str, step: int) -> str:
    return f"{curve}-step-{step:05d}"


def is_point(name: str, curves: Sequence[Mapping[str, Any]]) -> bool:
    """Whether `name` is a point of one of the recipe's `curves`, even if its LoRA does not exist."""
    match = POINT.fullmatch(name)
    found = [one for one in curves if match and one["name"] == match[1] and name == point_name(match[1], int(match[2]))]
    return any(not one.get("steps") or int(match[2]) in one["steps"] for one in found)


def adapters(store: Store, curve: TrainingCurve) -> dict[int, Path]:
    """Step -> LoRA for the steps of a curve that its training has kept so far."""
    there = kept(confined(store.training, curve.training))
    return {step: path for step, path in there.items() if step in curve.steps or not curve.steps}


def points(store: Store, config: GeneratedVideosConfig) -> dict[str, tuple[TrainingCurve, int, Path]]:
    """Name of each existing point -> its curve, step and LoRA."""
    return {
        point_name(curve.name, step): (curve, step, path)
        for curve in config.curves
        for step, path in adapters(store, curve).items()
    }


def lacking(store: Store, config: GeneratedVideosConfig) -> list[str]:
    """One sentence for each curve that lacks a LoRA it was asked for, with the steps that exist."""
    told = []
    for curve in config.curves:
        place = confined(store.training, curve.training)
        there = kept(place)
        missing = sorted(set(curve.steps) - there.keys())
        if missing or not there:
            what = f"no LoRA of step {missing[0]}" if missing else "no LoRA"
            known = ", ".join(map(str, there)) or "none"
            told.append(f"curve {curve.name!r}: {place / FOLDER} holds {what}. Steps with a LoRA: {known}")
    return told
