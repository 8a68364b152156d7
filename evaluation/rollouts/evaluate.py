"""Rollouts of a policy, and of rows that need none, made into an evaluated set (evaluation/rollouts/records.py)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from evaluation.rollouts.closed_loop import Rolled, Start, VelocityField, check_start, roll_out
from evaluation.rollouts.metrics import frame_scores
from evaluation.rollouts.options import MetricSettings
from evaluation.rollouts.records import RolloutRecord, RolloutSet
from models.robot.protocol import RobotWorldModel
from robots.encoded import EpisodeStore
from robots.timing import Timing

COPY, RECONSTRUCTION = "copy of frame 0", "VAE reconstruction"


def evaluate(
    name: str,
    model: RobotWorldModel,
    store: EpisodeStore,
    starts: Sequence[Start],
    chunks: int,
    timing: Timing,
    *,
    seed: int,
    steps: int,
    batch: int,
    metrics: MetricSettings = MetricSettings(),
    velocity: VelocityField | None = None,
    identity: str | None = None,
    shuffled: bool = False,
    device: str = "cpu",
) -> RolloutSet:
    """Rolls out and scores. `identity`: of a policy that is not the model's own weights. `shuffled`: every rollout gets
    the poses of another episode. Raises as `roll_out` and `frame_scores`."""
    poses_of = shuffle(starts) if shuffled else None
    made = roll_out(
        model,
        store,
        starts,
        chunks,
        timing,
        seed=seed,
        steps=steps,
        batch=batch,
        velocity=velocity,
        poses_of=poses_of,
    )
    sampling = {"steps": steps, "seed": seed, "guidance": 1.0, **_decoding(model)}
    return _scored(
        name,
        made,
        store,
        timing,
        chunks,
        metrics,
        device,
        identity=model.identity if identity is None else identity,
        sampling=sampling,
        notes=("every rollout was given the poses of another episode",) if shuffled else (),
    )


def copy_of_first(
    store: EpisodeStore,
    starts: Sequence[Start],
    chunks: int,
    timing: Timing,
    metrics: MetricSettings = MetricSettings(),
    device: str = "cpu",
) -> RolloutSet:
    """The row of who predicts that nothing moves."""

    def made() -> Iterator[Rolled]:
        for one in starts:
            first = store.frames(one.episode_id, [one.row])[0]
            yield Rolled(one, np.broadcast_to(first, (chunks, timing.frames, *first.shape)))

    return _scored(COPY, made(), store, timing, chunks, metrics, device)


def reconstruction(
    model: RobotWorldModel,
    store: EpisodeStore,
    starts: Sequence[Start],
    chunks: int,
    timing: Timing,
    metrics: MetricSettings = MetricSettings(),
    device: str = "cpu",
) -> RolloutSet:
    """The row of the true latents, decoded chunk by chunk: what no model with this VAE does better than."""

    def made() -> Iterator[Rolled]:
        for one in starts:
            rows = np.stack([timing.chunk_rows(one.row, chunk) for chunk in range(chunks)])
            latents = torch.from_numpy(store.latents(one.episode_id, rows.ravel())).unflatten(0, rows.shape)
            yield Rolled(one, model.decode(model.stack(latents).to(model.device)).numpy())

    found = _scored(RECONSTRUCTION, made(), store, timing, chunks, metrics, device, sampling=_decoding(model))
    return found.model_copy(update={"identity": model.latents_identity})


def shuffle(starts: Sequence[Start]) -> list[Start]:
    """For each start one of another episode: the next one in order. Raises ValueError where all are of one episode."""
    found = []
    for place, one in enumerate(starts):
        after = [*starts[place + 1 :], *starts[:place]]
        other = next((start for start in after if start.episode_id != one.episode_id), None)
        if other is None:
            raise ValueError(f"all starts are of episode {one.episode_id}: shuffled poses need another episode")
        found.append(other)
    return found


def _decoding(model: RobotWorldModel) -> dict[str, Any]:
    """What else changes the pixels; of a model without such a setting, None."""
    return {name: getattr(model, name, None) for name in ("decode_chunk", "noise_aug")}


def _scored(
    name: str,
    made: Iterable[Rolled],
    store: EpisodeStore,
    timing: Timing,
    chunks: int,
    metrics: MetricSettings,
    device: str,
    identity: str = "",
    sampling: dict[str, Any] | None = None,
    notes: tuple[str, ...] = (),
) -> RolloutSet:
    first, rollouts = int(metrics.skip_first), []
    for one in made:
        check_start(store.episode(one.start.episode_id), one.start, timing, chunks)
        unique = store.frames(one.start.episode_id, timing.rows(one.start.row, chunks))
        truth = np.stack([unique[n * timing.new :][: timing.frames] for n in range(chunks)])
        pair = [torch.from_numpy(np.ascontiguousarray(frames[:, first:])) for frames in (one.chunks, truth)]
        means = {key: values.mean(1) for key, values in frame_scores(*pair, metrics, device).items()}
        scores = {key: [[_number(v) for v in row] for row in values.tolist()] for key, values in means.items()}
        rollouts.append(RolloutRecord(episode_id=one.start.episode_id, row=one.start.row, scores=scores))
    settings = {
        "metrics": metrics.record(*store.size),
        "timing": {
            "history": timing.history,
            "frames": timing.frames,
            "stride": timing.stride,
            "pattern": timing.pattern,
        },
        "chunks": chunks,
        "episodes": {"version": store.version, "contract": store.contract},
    }
    notes = (*notes, metrics.off) if metrics.off else notes
    return RolloutSet(
        name=name,
        identity=identity,
        views=store.views,
        settings=settings,
        sampling=sampling or {},
        notes=notes,
        rollouts=tuple(rollouts),
    )


def _number(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None
