"""What the side-by-side players show, as compact JSON: the same sample and seed by every run, with the judge's answers.

Texts stand once in `texts` and are named by their place; -1 is none. Rows are [set, sample, seed, panes], a pane for
each run of the set:

    pane    [sha256, has a strip, why no video, look, prompt, seconds, seconds of the VLM, answers, what was judged]
    answer  [log-odds or null, 1 yes / 0 no / -1 none, text, failure, whether exact, others], null where never asked
    others  [[which judge or wording, 1 / 0 / -1, log-odds or null], ...]
    look    [frames, frames a second, height, width, indices of the strip's frames]
"""

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.records import Judgement, VideoRecord
from evaluation.report.footage import Footage
from evaluation.report.leaderboard import Group
from evaluation.report.reading import Evaluated
from evaluation.strips import FRAMES
from models.vlm.frames import frame_indices
from models.vlm.questions import NAMES, SCORED, label_of
from pages.page import visible

LONGEST = 600  # characters of a text that are shown
DECIMALS = 4

Places = Mapping[tuple[str, str], Footage]  # (run's name, video id) -> its files


class Table:
    """Values that stand once, by their place."""

    def __init__(self):
        self.values: list[Any] = []
        self._places: dict[Any, int] = {}

    def place(self, value: Any) -> int:
        if value not in self._places:
            self._places[value] = len(self.values)
            self.values.append(value)
        return self._places[value]


class Texts(Table):
    """Texts as a reader may see them: cut, without invisible characters; "" is -1."""

    def text(self, value: str) -> int:
        if not value:
            return -1
        return self.place(visible(value if len(value) <= LONGEST else value[: LONGEST - 3] + "..."))


def players(groups: Sequence[Group], footage: Places) -> dict[str, Any]:
    """Everything that the players need. Runs of a group show the samples that any of them has."""
    texts, looks, judged = Texts(), Table(), Table()
    sets, rows, samples = [], [], []
    for at, group in enumerate(groups):
        questions = _questions(group)
        sets.append(
            {
                "name": visible(f"{group.benchmark} {group.version} {group.judge}".strip()),
                "runs": [[visible(one.label), visible(one.role)] for one in group.runs],
                "questions": [visible(label_of(question)) for question in questions],
            }
        )
        known = {name: sample for one in group.runs for name, sample in one.samples.items()}
        first = len(samples)
        order = {name: first + place for place, name in enumerate(known)}
        samples += [
            [texts.text(one.sample_id), texts.text(one.task), texts.text(one.solution), texts.text(one.agent),
             texts.text(one.task_type), texts.text(one.agent_category), texts.text(one.group)]
            for one in known.values()
        ]  # fmt: skip
        columns = [_panes(one, questions, footage, texts, looks, judged) for one in group.runs]
        keys = {key: None for name in known for column in columns for key in column if key[0] == name}
        rows += [[at, order[name], seed, [column.get((name, seed)) for column in columns]] for name, seed in keys]
    return {
        "sets": sets,
        "samples": samples,
        "rows": rows,
        "texts": texts.values,
        "looks": looks.values,
        "judged": judged.values,
        "frames": FRAMES,
    }


def _questions(group: Group) -> list[str]:
    asked = {one.question for run in group.runs for one in run.judgements}
    return [name for name in NAMES if name in asked] + sorted(asked - set(NAMES))


def _panes(
    run: Evaluated, questions: Sequence[str], footage: Places, texts: Texts, looks: Table, judged: Table
) -> dict[tuple[str, int], list]:
    """(sample id, seed) -> pane of one run's videos."""
    counted, others = _answers(run)
    made: dict[tuple[str, int], list] = {}
    for video in run.videos:
        if (video.sample_id, video.seed) in made:
            continue
        place = footage[run.name, video.video_id]
        answers = []
        seen = -1
        for question in questions:
            one = counted.get((video.video_id, question))
            if one is None:
                answers.append(None)
                continue
            more = [_other(label, other, texts) for label, other in others.get((video.video_id, question), ())]
            answers.append([*_said(one), texts.text(one.text), texts.text(one.failure), int(one.exact), more])
            if one.frames:
                times = tuple(round(time, 3) for time in one.times_s)
                seen = judged.place((tuple(one.frames), times))
        made[video.sample_id, video.seed] = [
            place.sha256, int(place.strip), texts.text(place.missing), looks.place(_look(video)),
            texts.text(video.prompt), round(video.seconds, 3), round(video.vlm_seconds, 3), answers, seen,
        ]  # fmt: skip
    return made


def _answers(run: Evaluated) -> tuple[dict[tuple[str, str], Judgement], dict[tuple[str, str], list]]:
    """The judgement that counts by (video, question), and the others with what they are."""
    judge = run.run.judge if run.run else next((one.judge for one in run.judgements), "")
    counted: dict[tuple[str, str], Judgement] = {}
    others: dict[tuple[str, str], list] = {}
    for one in run.judgements:
        key = one.video_id, one.question
        if one.judge != judge:
            others.setdefault(key, []).append((one.judge, one))
        elif one.variant != SCORED:
            others.setdefault(key, []).append((f"wording {one.variant}", one))
        elif key not in counted or (counted[key].failure and not one.failure):
            counted[key] = one
    for name, judgements in run.others.items():
        label = name.removeprefix("judgements.").removesuffix(".jsonl")
        for one in judgements:
            wording = "" if one.variant == SCORED else f", wording {one.variant}"
            others.setdefault((one.video_id, one.question), []).append((f"judge {label}{wording}", one))
    return counted, others


def _other(label: str, one: Judgement, texts: Texts) -> list:
    log_odds, yes = _said(one)
    return [texts.text(label), yes, log_odds]


def _said(one: Judgement) -> tuple[float | None, int]:
    log_odds = None if one.log_odds is None else round(one.log_odds, DECIMALS)
    return log_odds, -1 if one.yes is None else int(one.yes)


def _look(video: VideoRecord) -> tuple:
    shown = frame_indices(video.frames, FRAMES) if video.frames > 0 else ()
    return video.frames, round(video.fps, 4), video.height, video.width, shown
