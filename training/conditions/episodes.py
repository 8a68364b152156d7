"""Encoded episodes as training reads them: where rollouts may begin, and what a chunk there is conditioned on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evaluation.rollouts.closed_loop import check_store
from models.robot.protocol import RobotWorldModel
from models.video.protocol import Condition
from models.video.seeds import seed_of
from robots.encoded import EncodedEpisode, EpisodeStore
from robots.timing import Timing
from training.options.robots import RobotTrainOptions


class NoEpisodes(ValueError):
    """No episode of a split is long enough for what is asked."""


@dataclass(frozen=True)
class Place:
    """A chunk of a rollout: `chunk` (from 0) of the one that begins at row `start` of the episode."""

    episode: EncodedEpisode
    start: int
    chunk: int


class Episodes:
    """The episodes of a run, their latents, pixels and normalised states, by the model's own arithmetic of time."""

    def __init__(self, options: RobotTrainOptions, model: RobotWorldModel):
        self.model, self.options = model, options
        self.store = EpisodeStore(Path(options.episodes))
        check_store(model, self.store)
        self.dataset_version = self.store.version
        if options.dataset_version and options.dataset_version != self.dataset_version:
            raise ValueError(
                f"the episodes in {options.episodes} are version {self.dataset_version}, but the run needs "
                f"{options.dataset_version}: materialise `episode_latents` again, or leave dataset_version empty"
            )
        shape, time = model.shape, options.rollout.time
        self.timing = Timing(shape.history, shape.frames, time.stride, time.history)
        self._states: dict[str, Tensor] = {}

    def usable(self, split: str, chunks: int) -> list[EncodedEpisode]:
        """The episodes of a split that allow so many chunks. Raises NoEpisodes; a shorter one is never clamped."""
        every = self.store.episodes(split)
        found = [one for one in every if len(self.timing.starts(one.n_rows, chunks))]
        if not found:
            longest = max((one.n_rows for one in every), default=0)
            raise NoEpisodes(
                f"of {len(every)} episodes of split {split!r} none allows {chunks} chunks, which need "
                f"{self.timing.rows_needed(chunks)} rows; the longest has {longest}: ask for "
                "fewer chunks (rollout.chunks, held_out.chunks), or a smaller rollout.time.stride"
            )
        return found

    def chunks_of(self, episode: EncodedEpisode) -> int:
        """The most chunks that the episode allows."""
        return self.timing.longest(episode.n_rows)

    def states(self, episode: EncodedEpisode) -> Tensor:
        """Normalised poses float32 [rows, actions]."""
        if episode.episode_id not in self._states:
            self._states[episode.episode_id] = torch.from_numpy(self.store.statistics.normalised(episode.states))
        return self._states[episode.episode_id]

    def latents(self, episode: EncodedEpisode, rows: Sequence[int] | np.ndarray) -> Tensor:
        """Scaled latents float32 [len(rows), V, C, h, w]."""
        return torch.from_numpy(self.store.latents(episode.episode_id, rows))

    def truth(self, place: Place, chunks: int = 1) -> Tensor:
        """Frames uint8 [chunks, frames, V, H, W, 3] of `chunks` chunks from a place on: pixels, never re-encoded."""
        rows = np.stack([self.timing.chunk_rows(place.start, place.chunk + at) for at in range(chunks)])
        found = self.store.frames(place.episode.episode_id, rows.ravel())
        return torch.from_numpy(found).unflatten(0, rows.shape)

    def actions(self, places: Sequence[Place]) -> Tensor:
        """Normalised poses float32 [B, history + frames, actions] of history and chunk, a row a frame."""
        rows = [self.timing.action_rows(place.start, place.chunk) for place in places]
        return torch.stack([self.states(place.episode)[at] for place, at in zip(places, rows, strict=True)])

    def condition(self, places: Sequence[Place], past: Tensor, actions: Tensor | None = None) -> Condition:
        """What the chunks at B places are conditioned on behind `past`, the scaled latents of their rollouts so far,
        [B, unique frames, V, C, h, w]: all places have the same chunk. `actions`: others than their own."""
        chunk = places[0].chunk
        frames = replace(self.timing, stride=1)
        history = past[:, torch.from_numpy(frames.history_rows(0, chunk))]
        current = past[:, chunk * frames.new]
        told = self.actions(places) if actions is None else actions
        return self.context(history, current, told, [place.episode.text for place in places])

    def context(self, history: Tensor, current: Tensor, actions: Tensor, texts: Sequence[str]) -> Condition:
        """As RobotWorldModel.context, on the model's device."""
        where = self.model.device
        return self.model.context(history.to(where), current.to(where), actions.to(where), list(texts))

    def true_chunks(self, places: Sequence[Place]) -> tuple[Tensor, Tensor, Tensor]:
        """Latents of chunks and of what is before them, all true: states x0 [B, frames, C, V h, w], history
        [B, history, V, C, h, w], current [B, V, C, h, w]."""
        own = [self.timing.action_rows(place.start, place.chunk) for place in places]
        rows = torch.stack([self.latents(place.episode, at) for place, at in zip(places, own, strict=True)])
        history, chunk = rows[:, : self.timing.history], rows[:, self.timing.history :]
        return self.model.stack(chunk), history, chunk[:, 0]

    def drawn(self, usable: Sequence[EncodedEpisode], chunks: int, most: int, *seed: object) -> Place:
        """A place for `chunks` chunks behind a prefix of at most `most`, as `seed` draws it: an episode, a length of
        prefix out of 0..most that it allows, a start, each uniform."""
        random = np.random.default_rng(seed_of(*seed))
        episode = usable[int(random.integers(len(usable)))]
        before = int(random.integers(min(most, self.chunks_of(episode) - chunks) + 1))
        starts = self.timing.starts(episode.n_rows, before + chunks)
        return Place(episode, starts[int(random.integers(len(starts)))], before)
