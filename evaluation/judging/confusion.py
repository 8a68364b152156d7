"""One judge against a better one: where it errs, and what that does to a score."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.records import Judgement
from stats.rates import Rate

Key = tuple[str, str, int]  # video, question, wording


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


def confusion(exact: Sequence[Judgement], noisy: Sequence[Judgement]) -> dict[str, Confusion]:
    """Confusion by question of one run's judgements by two judges, matched by video, question and wording.

    Raises ValueError when one asks something twice, the two saw different files of a video, or nothing matches.
    """
    right, other = _by_key(exact), _by_key(noisy)
    both = [key for key in right if key in other]
    if not both:
        raise ValueError(
            f"nothing can be compared: {len(right)} and {len(other)} judgements share no video, question and wording"
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


def key_of(one: Judgement) -> Key:
    """By what judgements of two judges are matched."""
    return one.video_id, one.question, one.variant


def _by_key(judgements: Sequence[Judgement]) -> dict[Key, Judgement]:
    found: dict[Key, Judgement] = {}
    for one in judgements:
        key = key_of(one)
        if key in found:
            raise ValueError(f"{one.video_id}: {one.question} in wording {one.variant} appears twice")
        found[key] = one
    return found
