"""The official evaluator of VBVR-Bench as a program: found or told how to get, run within a time limit, never a shell.

It has two commands that score differently, and both skip what is missing without a word; what it left is read, and held
against the samples, in results.py.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.benchmarks.vbvr.options import EvaluatorOptions, Scoring
from evaluation.benchmarks.vbvr.released import SPLITS
from storage.files import at_end
from storage.processes import death_signal, how_it_ended

PROGRAMS: dict[Scoring, str] = {"task_specific": "vbvr-run-evaluation", "weighted": "vbvr-evaluate"}
GRACE_S = 10.0
TAIL = 2000  # characters of the log in an error

INSTALL = """it is not among the installed programs. In an environment of its own (its rules want numpy below 2):
    git clone https://github.com/Video-Reason/VBVR-Bench && python -m venv vbvr
    vbvr/bin/python -m pip install "numpy<2" -e VBVR-Bench
then name it in the options: evaluator.command: [vbvr/bin/{program}]"""


class NoEvaluator(RuntimeError):
    """The official evaluator is not there; the message says how to install it."""


class EvaluatorFailed(RuntimeError):
    """It ended with an error, took too long, or left no results; the message has the end of its output."""


@dataclass(frozen=True)
class Call:
    """One start of the evaluator: arguments, and the results file that it will leave."""

    arguments: tuple[str, ...]
    results: Path


def program(options: EvaluatorOptions) -> tuple[str, ...]:
    """The program and its first arguments. Raises NoEvaluator when it is not there."""
    name = PROGRAMS[options.scoring]
    first, *more = options.command or (name,)
    found = shutil.which(first)
    if found is None:
        raise NoEvaluator(f"VBVR's evaluator {first!r}: " + INSTALL.format(program=name))
    for argument in more[:1]:
        if argument.endswith(".py") and not Path(argument).is_file():
            raise NoEvaluator(f"evaluator.command: {argument} does not exist. " + INSTALL.format(program=name))
    return (found, *more)


def calls(
    options: EvaluatorOptions, videos: Path, benchmark: Path, out: Path, splits: Sequence[str] = tuple(SPLITS)
) -> list[Call]:
    """How the evaluator is started on `videos` (the model's folder, absolute paths throughout).

    The weighted command is started once a split: without the option it looks, in the version read for this, for folders
    of other names and finds no video.
    """
    first = program(options)
    videos, benchmark, out = videos.resolve(), benchmark.resolve(), out.resolve()
    device = ("--device", options.device)
    if options.scoring == "task_specific":
        paths = ("--model_path", str(videos), "--gt_base", str(benchmark), "--output_dir", str(out))
        return [Call((*first, *paths, *device), out / f"{videos.name}_vbvr_results.json")]
    made = []
    for split in splits:
        name = f"{videos.name}_{split}"
        paths = ("--videos_path", str(videos), "--gt_path", str(benchmark), "--output_path", str(out))
        arguments = (*first, *paths, "--name", name, "--split", split, *device)
        made.append(Call(arguments, out / f"{name}_eval_results.json"))
    return made


def run_call(call: Call, log: Path, timeout_s: float, check: Callable[[Call], None] = lambda call: None) -> None:
    """Runs one call to its end; its output is added to `log`. An older results file is removed first.

    The program leads a process group of its own, which is ended when it takes longer than `timeout_s`, and when we are
    told to stop. Its exit status counts only where it left no whole results: the installed `vbvr-evaluate` ends with 1
    after success, since its main function returns the results. `check` raises ValueError or OSError for results that
    are not whole. Raises EvaluatorFailed.
    """
    call.results.parent.mkdir(parents=True, exist_ok=True)
    call.results.unlink(missing_ok=True)
    with at_end(log) as output:
        start = output.tell()
        process = subprocess.Popen(
            call.arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=death_signal(),
        )
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise EvaluatorFailed(f"{_name(call)} was stopped after {timeout_s:g} s{_tail(log, start)}") from None
        finally:
            _end(process)
    ended = how_it_ended(status) if status else "it ended well"
    if not call.results.is_file():
        raise EvaluatorFailed(f"{_name(call)}: {ended}, and it left no {call.results.name}{_tail(log, start)}")
    if status:
        try:
            if status != 1:  # killed, or wrong arguments
                raise ValueError("it did not come to its end")
            check(call)
        except (OSError, ValueError) as error:
            raise EvaluatorFailed(f"{_name(call)}: {ended}; {error}{_tail(log, start)}") from error


def _end(process: subprocess.Popen) -> None:
    """Ends what is left of the process group: politely, then not."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
            return


def _name(call: Call) -> str:
    return f"VBVR's evaluator {call.arguments[0]}"


def _tail(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - TAIL))
        text = file.read().decode(errors="replace").strip()
    return f"; the end of {log}:\n{text}" if text else f"; it printed nothing ({log})"
