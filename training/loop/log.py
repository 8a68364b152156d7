"""The live view of a run: progress with its remaining time, metrics.jsonl, TensorBoard files, pictures, notes.

    metrics.jsonl       one line a step; a resumed run goes on behind the step it resumed from
    evaluations.jsonl   held-out scores along the way
    judged.jsonl        their origin: log-odds of every held-out task, by arm, step and question, with the mass
    notes.txt           what was said
    pictures/           PNG files by step
    tensorboard/        the same for `tensorboard --logdir`

Whoever started the run may listen: `report` gets a dict for each message, its "kind" being progress, note or finished.
"""

import contextlib
import json
import math
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from pages.pictures import inline, jpeg_below, png
from storage.files import append_line, write_bytes
from storage.full_disk import naming
from storage.json_files import parse_json
from training.loop.pictures import MAX_BYTES, curves_png
from training.options.rewards import WEIGHTS

METRICS, EVALUATIONS, JUDGED, NOTES = "metrics.jsonl", "evaluations.jsonl", "judged.jsonl", "notes.txt"
PICTURES, TENSORBOARD = "pictures", "tensorboard"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
SHOWN = ("loss", "reward", "solved", "grad_norm")  # in the progress line, where a step has them
DRAWN = ("heldout/task", "reward", "solved", *(f"reward/{name}" for name in WEIGHTS), "grad_norm")
TTY_S, PIPE_S, REPORT_S = 0.2, 10.0, 5.0  # seconds between progress lines on a terminal, in a file, and reports
WINDOW = 20  # steps whose mean duration tells the remaining time

Report = Callable[[dict[str, Any]], None]


class RunLog:
    """What one run tells; only the process of rank 0 writes anything. A context manager: closes files at its end.

    `begin` or `resume` comes before the first step. Metrics are numbers; what is not finite is null in the files.
    """

    def __init__(
        self,
        output: Path,
        total_steps: int,
        rank: int = 0,
        *,
        report: Report | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.output, self.total, self.first = Path(output), total_steps, rank == 0
        self._report, self._stream, self._clock = report, stream or sys.stderr, clock
        self._board, self._purge = None, 0
        self._durations: deque[float] = deque(maxlen=WINDOW)
        self._last_step_at = clock()
        self._shown_at = self._reported_at = -math.inf
        self._open_line = False

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, kind, *_) -> None:
        self._end_line()
        # A full disk, which the board would tell of once more, has ended the run already.
        told = contextlib.suppress(OSError) if kind else naming(self.output / TENSORBOARD)
        if self._board is not None:
            with told:
                self._board.close()

    def begin(self) -> None:
        """Forgets what an earlier run in this folder logged."""
        if self.first:
            for name in (METRICS, EVALUATIONS, JUDGED, NOTES):
                (self.output / name).unlink(missing_ok=True)
            for path in (*self._pictures(), *(self.output / TENSORBOARD).glob("events.out.tfevents.*")):
                path.unlink()
        self._last_step_at = self._clock()

    def resume(self, step: int) -> None:
        """Goes on behind `step`: whatever was logged of later steps, or half written, goes."""
        if self.first:
            for name in (METRICS, EVALUATIONS, JUDGED):
                kept = [line for line in self._lines(name) if line["step"] <= step]
                write_bytes(self.output / name, "".join(json.dumps(line) + "\n" for line in kept).encode())
            for path in self._pictures():
                if int(path.name.split("-")[1]) > step:
                    path.unlink()
            self._purge = step + 1
            self.note(f"resumed at step {step}")
        self._last_step_at = self._clock()

    def step(self, step: int, metrics: Mapping[str, float]) -> None:
        """One finished step (counted from 1)."""
        if not self.first:
            return
        now = self._clock()
        self._durations.append(now - self._last_step_at)
        self._last_step_at = now
        self._append(METRICS, step, metrics)
        tty, done = self._stream.isatty(), step >= self.total
        if done or now - self._shown_at >= (TTY_S if tty else PIPE_S):
            self._shown_at = now
            self._show(self.progress(step, metrics), tty)
        if self._report and (done or now - self._reported_at >= REPORT_S):
            self._reported_at = now
            told = {"step": step, "total": self.total, "eta_s": round(self.eta_s(step), 1)}
            told |= {"line": self.progress(step, metrics), "metrics": _finite(metrics)}
            self._report({"kind": "progress", **told})

    def evaluation(self, step: int, scores: Mapping[str, float]) -> None:
        """Held-out scores after a step, by name; a second one of the same step is added, not merged."""
        if self.first:
            self._append(EVALUATIONS, step, scores)
            self.note(f"step {step}: " + ", ".join(f"{name} {value:.3f}" for name, value in scores.items()))

    def judged(
        self, step: int, arm: str, log_odds: Mapping[str, Sequence[float | None]], mass: Sequence[float | None]
    ) -> None:
        """Log-odds of the held-out tasks, in their order, by question, null where the judge failed; and the least
        `mass` of a task's answers, null where it is not known.

        A second line of the same arm and step replaces the first for whoever reads them.
        """
        if self.first:
            self._line(JUDGED, {"step": step, "arm": arm, "log_odds": dict(log_odds), "mass": list(mass)})

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """A picture uint8 [H, W, 3] -> pictures/step-00000020-<name>.png. Raises ValueError for an odd name."""
        if not NAME.fullmatch(name):
            raise ValueError(f"picture name {name!r}: use up to 64 letters, digits, '_' or '-'")
        if self.first:
            write_bytes(self.output / PICTURES / f"step-{step:08d}-{name}.png", png(picture))
            with naming(self.output / TENSORBOARD):
                self._tensorboard().add_image(name, picture, step, dataformats="HWC")

    def note(self, text: str) -> None:
        """A line that people should see; control characters become spaces."""
        if not self.first:
            return
        line = "".join(c if c.isprintable() else " " for c in text)
        self._end_line()
        print(line, file=self._stream, flush=True)
        append_line(self.output / NOTES, line)
        if self._report:
            self._report({"kind": "note", "line": line})

    def finish(self, facts: Mapping[str, Any], table: str) -> dict[str, Any]:
        """Draws the curves and reports what the run ends with, as metadata in the form of Dagster Pipes; returns it.

        `facts` (JSON): its numbers, words and truth values are told one by one, the rest is not. `table` is Markdown.
        """
        if not self.first:
            return {}
        curves = curves_png(self.series(), DRAWN)
        write_bytes(self.output / "curves.png", curves)
        metadata = _metadata(facts)
        metadata |= {"scores": _md(table), "curves": _md(inline("curves", curves))}
        if grids := [path for path in self._pictures() if path.stem.endswith("-rollouts")]:
            from PIL import Image

            with Image.open(grids[-1], formats=("PNG",)) as grid:
                metadata["rollouts"] = _md(inline(grids[-1].stem, jpeg_below(grid.convert("RGB"), MAX_BYTES)))
        for line in self._lines(METRICS)[-1:]:
            metadata |= _metadata({f"last {name}": value for name, value in line.items()})
        metadata |= {name: {"type": "path", "raw_value": str(self.output / name)} for name in (METRICS, TENSORBOARD)}
        if self._report:
            self._report({"kind": "finished", "metadata": metadata})
        return metadata

    def series(self) -> dict[str, list[tuple[int, float]]]:
        """name -> [(step, value), ...] of everything logged so far; null counts as NaN."""
        series: dict[str, list[tuple[int, float]]] = {}
        for line in (*self._lines(METRICS), *self._lines(EVALUATIONS)):
            step = line.pop("step")
            for name, value in line.items():
                series.setdefault(name, []).append((step, math.nan if value is None else value))
        return series

    def eta_s(self, step: int) -> float:
        """Seconds that the steps behind `step` will take, by the mean of the last 20."""
        return (self.total - step) * sum(self._durations) / max(len(self._durations), 1)

    def progress(self, step: int, metrics: Mapping[str, float]) -> str:
        shown = "".join(f"  {name} {metrics[name]:.4g}" for name in SHOWN if name in metrics)
        pace, left = _duration(self._durations[-1]), _duration(self.eta_s(step))
        return f"step {step}/{self.total}{shown}  {pace} a step  {left} left"

    def _append(self, name: str, step: int, values: Mapping[str, float]) -> None:
        self._line(name, {"step": step, **_finite(values)})
        with naming(self.output / TENSORBOARD):
            for key, value in values.items():
                self._tensorboard().add_scalar(key, value, step)

    def _line(self, name: str, values: Mapping[str, Any]) -> None:
        append_line(self.output / name, json.dumps(values, allow_nan=False))

    def _lines(self, name: str) -> list[dict[str, Any]]:
        """The whole lines of a log; a kill may have cut off the last one."""
        path = self.output / name
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return [parse_json(line, f"{path}, line {number}") for number, line in enumerate(text.split("\n")[:-1], 1)]

    def _pictures(self) -> list[Path]:
        return sorted((self.output / PICTURES).glob("step-*.png"))

    def _tensorboard(self):
        if self._board is None:
            from torch.utils.tensorboard import SummaryWriter

            folder = str(self.output / TENSORBOARD)
            self._board = SummaryWriter(folder, purge_step=self._purge or None, flush_secs=10)
        return self._board

    def _show(self, line: str, tty: bool) -> None:
        self._stream.write(f"\r\x1b[K{line}" if tty else line + "\n")
        self._stream.flush()
        self._open_line = tty

    def _end_line(self) -> None:
        if self._open_line:
            self._stream.write("\n")
            self._open_line = False


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: float(value) if math.isfinite(value) else None for name, value in values.items()}


def _duration(seconds: float) -> str:
    """12.3 s, 4:05 or 3:04:05."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _md(text: str) -> dict[str, str]:
    return {"type": "md", "raw_value": text}


def _metadata(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The words, truth values and finite numbers among `values`, with the types that Pipes gives them."""
    metadata = {}
    for name, value in values.items():
        if isinstance(value, str | bool):
            metadata[name] = {"type": "bool" if isinstance(value, bool) else "text", "raw_value": value}
        elif isinstance(value, int | float) and math.isfinite(value):
            metadata[name] = {"type": "int" if isinstance(value, int) else "float", "raw_value": value}
    return metadata
