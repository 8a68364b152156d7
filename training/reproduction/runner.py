"""Runs trainers side by side, each a process of its own, within a budget of time; what ended is not run again."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Literal

import yaml

from evaluation.report.reproduction import ENDED
from storage.files import at_end, locked_now, write_bytes
from storage.full_disk import told_of_a_full_disk
from storage.json_files import parse_json, read_object
from storage.processes import asked_to_end, death_signal, how_it_ended
from training.at_work import at_work
from training.loop.log import METRICS
from training.reproduction.schedule import SECONDS_A_STATE, START_S, Run, cost, forecast, next_run
from training.train import DIVERGED, STOPPED

CONFIG, LOG, RECORD, LOCK = "config.yaml", "train.log", "run.json", ".lock"
POLL_S, TELL_S = 0.2, 60.0
MOST_FAILURES = 3  # so many runs that fail otherwise than by diverging show a fault of the set-up
Status = Literal["finished", "diverged", "unfinished", "failed", "not run"]
REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Record:
    """How a run ended, kept in its folder. `step`: the last one done; `seconds`: of all its processes so far."""

    status: Status = "not run"
    reason: str = ""
    step: int = 0
    seconds: float = 0.0


@dataclass
class Child:
    run: Run
    process: subprocess.Popen
    lock: IO
    began: float
    log_start: int
    asked: bool = False  # by us, to end


def command(config: Path) -> list[str]:
    """What trains one run: the same that a person would type. It resumes by itself."""
    return [sys.executable, "-m", "training.train", "--config", str(config)]


def record_of(run: Run) -> Record:
    path = run.folder / RECORD
    return Record(**read_object(path)) if path.exists() else Record()


def steps_logged(run: Run) -> list[dict]:
    """The whole lines of the run's metrics."""
    path = run.folder / METRICS
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [parse_json(line, f"{path}, line {number}") for number, line in enumerate(text.split("\n")[:-1], 1)]


class Runner:
    """Trains `runs` in their order, `at_once` at a time, until all have ended, the time is over, or a signal comes.

    `say` gets lines of progress, `ended` is called after each run's end. Runs that ended before are passed over, others
    go on from their checkpoints.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        *,
        at_once: int,
        minutes: float,
        grace_s: float,
        say: Callable[[str], None],
        ended: Callable[[], None] = lambda: None,
    ):
        self.runs, self.at_once, self.grace_s, self.say, self.ended = list(runs), at_once, grace_s, say, ended
        self.deadline = time.monotonic() + 60 * minutes
        self.waiting = [run for run in self.runs if record_of(run).status not in ENDED]
        self.children: list[Child] = []
        self.asked = 0  # the signal that asked us to end
        self.failed: dict[str, str] = {}  # label -> why, of this time
        self._look = True  # whether something may have become possible to start since we last looked

    def run(self) -> None:
        """Returns when nothing runs any more; `asked`, `failed` and the records in the runs' folders say the rest."""
        self.tell_plan()
        told = time.monotonic()
        with self._signals():
            while self.waiting or self.children:
                self._reap()
                over = time.monotonic() >= self.deadline
                if self.asked or over or len(self.failed) >= MOST_FAILURES:
                    self._end_all()
                    return
                if self._look and len(self.children) < self.at_once:
                    self._look = self._start_what_fits()
                if not self.children and not self._look:
                    return
                if time.monotonic() - told >= TELL_S:
                    told = time.monotonic()
                    self.say(self.progress())
                time.sleep(POLL_S)

    def seconds_of(self, runs: Sequence[Run]) -> dict[str, float]:
        """What is left of each run by its label, in seconds, at the pace measured so far."""
        measured = [self._measured(run) for run in self.runs]
        seconds, states = (sum(values) for values in zip(*measured, strict=True))
        pace = seconds / states if states else SECONDS_A_STATE
        live = {child.run.label for child in self.children}
        return {
            run.label: (run.label not in live) * START_S + pace * cost(run.options, self._step(run)) for run in runs
        }

    def tell_plan(self) -> None:
        done = len(self.runs) - len(self.waiting)
        seconds = self.seconds_of(self.waiting)
        left = self.deadline - time.monotonic()
        plan = forecast([run.label for run in self.waiting], seconds, [], self.at_once, left)
        text = f"{len(self.runs)} runs, {done} already ended; about {plan.seconds / 60:.0f} of {left / 60:.0f} min"
        self.say(text + (f"; no time for {', '.join(plan.not_run)}" if plan.not_run else ""))

    def progress(self) -> str:
        running = [child.run for child in self.children]
        seconds = self.seconds_of([*running, *self.waiting])
        left = self.deadline - time.monotonic()
        busy = [seconds[run.label] for run in running]
        plan = forecast([run.label for run in self.waiting], seconds, busy, self.at_once, left)
        now = ", ".join(f"{run.label} step {self._step(run)}/{run.options.run.steps}" for run in running)
        done = len(self.runs) - len(running) - len(self.waiting)
        skipped = f"; no time for {', '.join(plan.not_run)}" if plan.not_run else ""
        return f"{done} of {len(self.runs)} runs ended; {now}; about {plan.seconds / 60:.0f} min left{skipped}"

    def _measured(self, run: Run) -> tuple[float, float]:
        """Seconds of the run's logged steps, and what they cost."""
        lines = steps_logged(run)
        one = cost(run.options.model_copy(update={"held_out": run.options.held_out.model_copy(update={"tasks": 0})}))
        return sum(line["seconds"] for line in lines), one * len(lines) / run.options.run.steps

    def _step(self, run: Run) -> int:
        lines = steps_logged(run)
        return lines[-1]["step"] if lines else 0

    def _start_what_fits(self) -> bool:
        """Fills the free places; whether it is worth another look before a run ends: a folder was still taken."""
        waiting, taken = list(self.waiting), False
        while waiting and len(self.children) < self.at_once:
            seconds = self.seconds_of(waiting)
            label = next_run([run.label for run in waiting], seconds, self.deadline - time.monotonic())
            if label is None:
                break
            run = next(run for run in waiting if run.label == label)
            waiting.remove(run)
            if self._start(run):
                self.waiting.remove(run)
            else:
                taken = True
        return taken

    def _start(self, run: Run) -> bool:
        """False while another process holds the run's folder: one that a killed reproduction left, and that saves."""
        lock = at_end(run.folder / LOCK)
        if not locked_now(lock) or at_work(run.folder):  # or a trainer that a person started
            lock.close()
            return False
        options = run.options.model_dump(mode="json")
        write_bytes(run.folder / CONFIG, yaml.safe_dump(options, sort_keys=False, allow_unicode=True).encode())
        # What a child reports to Dagster would be taken for the reproduction's own materialization.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DAGSTER_PIPES")}
        with at_end(run.folder / LOG) as log:
            start = log.tell()
            process = subprocess.Popen(
                command(run.folder / CONFIG),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # so that Ctrl-C reaches it through us alone, once
                pass_fds=(lock.fileno(),),  # the lock lasts as long as the child, also when we are killed
                preexec_fn=death_signal(),
            )
        self.say(f"{run.label} begins ({run.options.method}, {run.options.run.steps} steps): {run.folder}")
        self.children.append(Child(run, process, lock, time.monotonic(), start))
        return True

    def _reap(self) -> None:
        for child in [child for child in self.children if child.process.poll() is not None]:
            self.children.remove(child)
            self._look = True
            child.lock.close()
            record = self._ended(child)
            write_bytes(child.run.folder / RECORD, json.dumps(asdict(record)).encode())
            if record.status == "failed":
                self.failed[child.run.label] = record.reason
            why = f": {record.reason}" if record.reason else ""
            self.say(f"{child.run.label} {record.status} at step {record.step}{why}")
            self.ended()

    def _ended(self, child: Child) -> Record:
        status, said = child.process.returncode, last_line(child.run.folder / LOG, child.log_start)
        seconds = record_of(child.run).seconds + time.monotonic() - child.began
        record = Record("finished", "", self._step(child.run), round(seconds, 1))
        if status == 0:
            return record
        if status == STOPPED or (child.asked and status < 0):  # before it heard signals, or it took too long to save
            return replace(record, status="unfinished", reason=said)
        if status == DIVERGED:
            return replace(record, status="diverged", reason=said.partition("; metrics")[0].removeprefix("Diverged: "))
        said = told_of_a_full_disk(said or "it printed nothing", child.run.folder)
        return replace(record, status="failed", reason=f"{said} ({how_it_ended(status)})")

    def _end_all(self) -> None:
        """Asks all children to end, waits while they save, and kills those that do not end."""
        for child in self.children:
            child.asked = True
            child.process.send_signal(signal.SIGTERM)
        limit = time.monotonic() + self.grace_s
        for child in self.children:
            try:
                child.process.wait(max(0.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
        self._reap()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def ask(number: int, frame) -> None:
            self.asked = number

        with asked_to_end(ask):
            yield


def last_line(log: Path, start: int) -> str:
    """The last line of a log from byte `start` on that says something."""
    with log.open("rb") as handle:
        handle.seek(start)
        lines = handle.read().decode(errors="replace").replace("\r", "\n").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return said[:REASON_CHARACTERS]
