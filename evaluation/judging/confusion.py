"""One judge against a better one: where it errs, what that does to a score, and how to take it out again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.records import Judgement
from stats.rates import Z95, Rate

Key = tuple[str, str, int]  # video, question, wording


class Uninformative(ValueError):
    """A judge whose yes is no likelier where yes is right: nothing can be concluded from its rate."""


@dataclass(frozen=True)
class Confusion:
    """Answers of a judge where a better judge's are known, in counts of videos.

    `both_yes`, `both_no`: alike; `missed`: yes is right and it said no; `false_yes`: no is right and it said yes;
    `failed`: one of the two has no answer; `unmatched`: only one of the two was asked.
    """

    question: str
    both_yes: int
    missed: int
    false_yes: int
    both_no: int
    failed: int = 0
    unmatched: int = 0

    @property
    def sensitivity(self) -> Rate:
        """Yes where yes is right."""
        return Rate(self.both_yes, self.both_yes + self.missed)

    @property
    def specificity(self) -> Rate:
        """No where no is right."""
        return Rate(self.both_no, self.both_no + self.false_yes)

    @property
    def right(self) -> Rate:
        """What the better judge says: its share of yes."""
        return Rate(self.both_yes + self.missed, self.compared)

    @property
    def judged(self) -> Rate:
        """What the judge says: its share of yes."""
        return Rate(self.both_yes + self.false_yes, self.compared)

    @property
    def compared(self) -> int:
        return self.both_yes + self.missed + self.false_yes + self.both_no

    @property
    def shift(self) -> float:
        """The judge's score minus the right one, over these videos; NaN when there is none."""
        return self.judged.share - self.right.share


@dataclass(frozen=True)
class Corrected:
    """A rate without its judge's errors, and its 95 % interval, within 0..1.

    `raw` is the estimate before it is cut to 0..1, `clipped` whether it was. `informedness` is sensitivity +
    specificity - 1: errors of the judged rate grow by one over it.
    """

    share: float
    low: float
    high: float
    raw: float
    clipped: bool
    informedness: float


def confusion(exact: Sequence[Judgement], noisy: Sequence[Judgement]) -> dict[str, Confusion]:
    """Confusion by question of one run's judgements by two judges, matched by video, question and wording.

    Raises ValueError when one asks something twice, the two saw different files of a video, or nothing matches.
    """
    right, other = _by_key(exact), _by_key(noisy)
    both = [key for key in right if key in other]
    if not both:
        raise ValueError(
            f"{len(right)} and {len(other)} judgements share no video, question and wording: nothing can be compared"
        )
    for key in both:
        if right[key].video_sha256 != other[key].video_sha256:
            raise ValueError(f"{key[0]}: the two judges saw different files of this video; judge it again")
    found = {}
    for question in dict.fromkeys(key[1] for key in both):
        pairs = [(right[key].yes, other[key].yes) for key in both if key[1] == question]
        apart = sum(key[1] == question for key in right.keys() ^ other.keys())
        failed = sum(None in pair for pair in pairs)
        counts = [pairs.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))]
        found[question] = Confusion(question, *counts, failed, apart)
    return found


def corrected(judged: Rate, sensitivity: Rate, specificity: Rate) -> Corrected:
    """The right share behind a judged one (Rogan and Gladen 1978), with the interval of Lang and Reiczigel (2014).

    (judged + specificity - 1) / (sensitivity + specificity - 1), where sensitivity and specificity come from videos
    judged by both judges, other ones than those of `judged`. Its limits: it presumes that the judge errs as often on
    these videos as on those; the closer informedness is to 0, the wider the interval; outside 0..1 the estimate is cut,
    which biases it. It corrects a rate and no single answer, and a difference of two models only in size, never in
    sign, since one line corrects both.

    Raises Uninformative when sensitivity + specificity is at most 1, and ValueError where one rests on no answer.
    """
    for name, rate in (("judged", judged), ("sensitivity", sensitivity), ("specificity", specificity)):
        if not rate.valid:
            raise ValueError(f"{name} rests on no answer: at least 1 is expected")
    informedness = sensitivity.share + specificity.share - 1
    if informedness <= 0:
        raise Uninformative(
            f"sensitivity {sensitivity.share:.3f} and specificity {specificity.share:.3f}: a sum above 1 is expected"
        )
    raw = (judged.share + specificity.share - 1) / informedness
    low, high = _interval(judged, sensitivity, specificity)
    share = min(1.0, max(0.0, raw))
    return Corrected(share, min(low, share), max(high, share), raw, share != raw, informedness)


def _interval(judged: Rate, sensitivity: Rate, specificity: Rate) -> tuple[float, float]:
    """Counts are first drawn towards one half, so that shares of 0 and 1 keep a width."""
    z2 = Z95**2
    n, n_se, n_sp = judged.valid + z2, sensitivity.valid + 2, specificity.valid + 2
    p = (judged.successes + z2 / 2) / n
    se, sp = (sensitivity.successes + 1) / n_se, (specificity.successes + 1) / n_sp
    informed = se + sp - 1
    if informed <= 0:
        return 0.0, 1.0
    share = (p + sp - 1) / informed
    of_se, of_sp = se * (1 - se) / n_se, sp * (1 - sp) / n_sp
    centre = share + 2 * z2 * (share * of_se - (1 - share) * of_sp)
    half = Z95 * math.sqrt(p * (1 - p) / n + share**2 * of_se + (1 - share) ** 2 * of_sp) / informed
    return max(0.0, centre - half), min(1.0, centre + half)


def key_of(one: Judgement) -> Key:
    """By what judgements of two judges are matched."""
    return one.video_id, one.question, one.variant


def _by_key(judgements: Sequence[Judgement]) -> dict[Key, Judgement]:
    found: dict[Key, Judgement] = {}
    for one in judgements:
        key = key_of(one)
        if key in found:
            raise ValueError(f"{one.video_id}: {one.question} in wording {one.variant} stands twice")
        found[key] = one
    return found
