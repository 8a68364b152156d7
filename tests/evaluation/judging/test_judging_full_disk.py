"""A judging on a disk that is full: what is answered stays, what could not be kept is asked again, nothing is final."""

import errno
import os
import shutil

import pytest

from evaluation.judging.judge_runs import JOURNAL, judge_runs
from storage.full_disk import CannotWrite, refused
from storage.journal import Journal
from tests.evaluation.judging.told import failures, judgements, options
from tests.small_disk import fill, small_disk


def answers(run) -> list[tuple]:
    return [(one.video_id, one.question, one.log_odds, one.failure) for one in judgements(run)]


def judged_again(disturbed, run, server, most_lost: int) -> None:
    """Judges what a full disk broke off, and the same undisturbed: no answer is missing or other, few are lost."""
    with Journal(disturbed / JOURNAL) as journal:
        kept = len(journal)
    asked = len(server.bodies)
    assert kept < asked <= kept + most_lost, "an answer that could not be kept ends the judging"
    assert not (disturbed / "judgements.jsonl").exists()
    judge_runs([disturbed], options(server, concurrency=1))
    again = len(server.bodies) - asked
    judge_runs([run], options(server, concurrency=1))
    whole = len(server.bodies) - asked - again
    assert again == whole - kept, "what was kept is not asked again"
    assert not failures(disturbed) and answers(disturbed) == answers(run)


def test_an_answer_that_could_not_be_kept_is_asked_for_again(run, server, tmp_path, monkeypatch):
    disturbed, real, kept = shutil.copytree(run, tmp_path / "disturbed"), Journal.put, []

    def put(self, key, value):
        if len(kept) == 5:
            raise refused(errno.ENOSPC, self.path)
        real(self, key, value)
        kept.append(key)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "put", put)
        with pytest.raises(CannotWrite, match=f"{JOURNAL} cannot be written: No space left on device"):
            judge_runs([disturbed], options(server, concurrency=1))
    judged_again(disturbed, run, server, most_lost=3)


def test_a_judging_that_fills_a_real_disk_goes_on_when_there_is_space(run, server, tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        disturbed = shutil.copytree(run, disk / "run")
        with Journal(disturbed / JOURNAL) as journal:
            journal.put("of a run before", "x")
        taken = fill(disk, leave=96 * 2**10)
        with pytest.raises(CannotWrite, match=f"{JOURNAL} cannot be written: No space left on device"):
            judge_runs([disturbed], options(server, concurrency=1))
        taken.unlink()
        with Journal(disturbed / JOURNAL) as journal:
            journal.drop(lambda value: value == "x")
        judged_again(disturbed, run, server, most_lost=3)
        assert os.listdir(disk) == ["run"]
