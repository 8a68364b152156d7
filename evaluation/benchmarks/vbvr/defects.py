"""Known defects of the official evaluator: tasks that it can score for no model, told by what it says of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from evaluation.benchmarks.vbvr.results import SampleScore


@dataclass(frozen=True)
class Defect:
    """`task` begins with this; `error` is the whole of what the evaluator says of such a sample; `versions` are
    commits of it that were read and have the defect; `why` says where it lies."""

    task: str
    error: re.Pattern[str]
    versions: tuple[str, ...]
    why: str

    def explains(self, one: SampleScore) -> bool:
        return one.task.startswith(self.task) and bool(self.error.fullmatch(one.error.strip()))


_DISTANCE = re.compile(r"name 'safe_distance' is not defined")
_FILE = "vbvr_bench/evaluators/Out_of_Domain_50_part1.py"
WITHOUT = "All without defects"  # what a table calls the mean over the tasks that no known defect struck
DEFECTS: tuple[Defect, ...] = (
    Defect("G-24_", _DISTANCE, ("275472f",), f"{_FILE}:91 uses safe_distance, which it does not import"),
    Defect("G-54_", _DISTANCE, ("275472f",), f"{_FILE}:668 uses safe_distance, which it does not import"),
)


def known(scores: Iterable[SampleScore]) -> dict[Defect, list[SampleScore]]:
    """The samples whose errors a known defect explains, by defect."""
    found: dict[Defect, list[SampleScore]] = {}
    for one in scores:
        for defect in DEFECTS if one.error else ():
            if defect.explains(one):
                found.setdefault(defect, []).append(one)
                break
    return found


def tasks(found: dict[Defect, list[SampleScore]], scores: Iterable[SampleScore]) -> list[str]:
    """The tasks to leave out: all that a defect of the versions found can strike, so that all models lose the same."""
    versions = {version for defect in found for version in defect.versions}
    here = [defect for defect in DEFECTS if versions & set(defect.versions)]
    return sorted({one.task for one in scores if any(one.task.startswith(defect.task) for defect in here)})


def notes(found: dict[Defect, list[SampleScore]]) -> list[str]:
    """What a reader has to know of each defect."""
    return [
        f"known defect of the official evaluator ({', '.join(defect.versions)}): it failed on {len(some)} samples of "
        f"{', '.join(sorted({one.task for one in some}))} and scored them 0 ({defect.why}). The official numbers have "
        f"these zeros in them; {WITHOUT!r} leaves out all tasks that it can fail on so"
        for defect, some in found.items()
    ]
