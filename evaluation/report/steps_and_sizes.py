"""Runs that differ in the number of sampler steps, or in resolution, alone: their scores over the tasks they share."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.generation.run_record import INCIDENTAL
from evaluation.report.curves import estimate_of, measured
from evaluation.report.reading import Evaluated
from evaluation.scoring.comparing import RunComparison, compare_runs
from evaluation.scoring.judged_run import load_run
from evaluation.scoring.run_scores import score
from evaluation.scoring.score_file import RunScores
from models.vlm.questions import label_of
from pages.charts import Lines
from pages.roles import role_label, styles_of

SIZE = ("height", "width")
FEW = 20  # shared tasks, below which the page says that a chart shows little


@dataclass(frozen=True)
class Point:
    """One run of a line at one setting, over the shared tasks; `gain` against the line's usual run, None for that."""

    run: Evaluated
    setting: str
    scores: RunScores
    gain: RunComparison | None


@dataclass(frozen=True)
class Line:
    """Runs that differ in one setting alone, by setting. The usual one is that over the most samples."""

    name: str
    role: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Settings:
    """One axis on one benchmark: `tasks` are those that all lines share."""

    title: str
    benchmark: str
    tasks: int
    lines: tuple[Line, ...]
    charts: tuple[Lines, ...]

    @property
    def few(self) -> bool:
        return self.tasks < FEW


def settings(runs: Sequence[Evaluated]) -> list[Settings]:
    """By benchmark: charts of steps and of resolution, where scored runs differ in these alone."""
    scored = [one for one in runs if one.run is not None and one.record.step is None]
    made = []
    for title, value, told, rest in (
        ("Sampler steps", _steps, str, lambda one: (_one_size(one), _sampler(one))),
        ("Resolution", _size, lambda size: f"{size[1]} x {size[0]}", lambda one: (_any_size(one), *_sampled(one))),
    ):
        by_benchmark: dict[tuple, list[list[Evaluated]]] = {}
        for members in _alike(scored, value, rest):
            first = members[0]
            terms = (*first.benchmark, first.run.judge, json.dumps(first.run.prompts, sort_keys=True), first.run.seeds)
            by_benchmark.setdefault(terms, []).append(members)
        for terms, found in by_benchmark.items():
            if one := _axis(title, terms[0], found, value, told):
                made.append(one)
    return made


def parts(runs: Sequence[Evaluated]) -> list[Evaluated]:
    """Runs at other steps or resolutions over a part of the tasks: points of a chart, and no rows beside whole runs."""
    most: dict[str, int] = {}
    for one in runs:
        for key in (_one_size(one), _any_size(one)):
            most[key] = max(one.record.samples, most.get(key, 0))
    return [one for one in runs if one.record.samples < max(most[_one_size(one)], most[_any_size(one)])]


def _one_size(one: Evaluated) -> str:
    """All that decides a run's videos but sampler and number of samples; and its step, if it has one."""
    return _terms(one, INCIDENTAL) + one.record.identity


def _any_size(one: Evaluated) -> str:
    """The same but for the resolution. A model's identity is of one resolution, so that its path stands for it here."""
    return _terms(one, {*SIZE, *INCIDENTAL} - {"path", "revision"})


def _terms(one: Evaluated, left_out: Collection[str]) -> str:
    record = one.record
    named = ("benchmark", "benchmark_version", "conditioning", "lora_sha256", "seeds", "vlm", "step")
    told: dict[str, Any] = {name: getattr(record, name) for name in named} | {"writer": record.extra.get("writer")}
    told |= {"model": {name: value for name, value in record.model.items() if name not in left_out}}
    return json.dumps(told, sort_keys=True)


def _alike(runs: Sequence[Evaluated], value: Callable, rest: Callable) -> list[list[Evaluated]]:
    """Runs that differ in `value` alone, in its order; of several at one value that over the most samples."""
    together: dict[tuple, dict] = {}
    for one in runs:
        terms = (rest(one), one.run.judge, json.dumps(one.run.prompts, sort_keys=True))
        at = together.setdefault(terms, {})
        if value(one) is not None and len(one.samples) > len(at[value(one)].samples if value(one) in at else ()):
            at[value(one)] = one
    return [[at[key] for key in sorted(at)] for at in together.values() if len(at) > 1]


def _axis(title: str, benchmark: str, found: list[list[Evaluated]], value: Callable, told: Callable) -> Settings | None:
    shared = frozenset.intersection(*(_tasks(one) for members in found for one in members))
    ids = frozenset(sample_id for sample_id, _, _ in shared)
    if not ids:
        return None
    made = []
    for members in found:
        usual = max(members, key=lambda one: len(one.samples))
        over = {one.name: load_run(one.folder, judge=one.run.judge, only=ids) for one in members}
        points = tuple(
            Point(
                one,
                told(value(one)),
                score(over[one.name]),
                None if one is usual else compare_runs(over[one.name], over[usual.name]),
            )
            for one in members
        )
        made.append(Line(role_label(usual.role) or usual.name, usual.role, points))
    names = [told(key) for key in sorted({value(one) for members in found for one in members})]
    questions = list(dict.fromkeys(name for line in made for point in line.points for name in point.scores.questions))
    charts = [_chart(title, name, made, names, len(ids)) for name in (*questions, "average")]
    return Settings(title, benchmark, len(ids), tuple(made), tuple(charts))


def _chart(title: str, question: str, made: Sequence[Line], names: Sequence[str], tasks: int) -> Lines:
    series = []
    for line, style in zip(made, styles_of([line.role for line in made]), strict=True):
        rates = [(names.index(point.setting), estimate_of(point.scores, question)) for point in line.points]
        if one := measured(line.name, rates, style):
            series.append(one)
    name, note = label_of(question), f"Bands: 95 %, over the same {tasks} tasks."
    label = f"{name} by {title.lower()}"
    return Lines(label, tuple(series), x_name=title.lower(), y_name=name, x_labels=tuple(names), note=note)


def _tasks(one: Evaluated) -> frozenset[tuple[str, str, str]]:
    return frozenset((sample.sample_id, sample.task, sample.image) for sample in one.run.samples)


def _steps(one: Evaluated) -> int | None:
    steps = one.record.sampler.get("steps")
    return steps if isinstance(steps, int) else None


def _size(one: Evaluated) -> tuple[int, int] | None:
    """(height, width) as the model makes them."""
    size = tuple(one.record.model.get(name) for name in SIZE)
    return size if all(isinstance(side, int) for side in size) else None


def _sampled(one: Evaluated) -> tuple[str, int | None]:
    return _sampler(one), _steps(one)


def _sampler(one: Evaluated) -> str:
    return json.dumps({key: value for key, value in one.record.sampler.items() if key != "steps"}, sort_keys=True)
