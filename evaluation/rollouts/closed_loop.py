"""Rollouts in a closed loop: each chunk is predicted from frames that the model predicted itself.

Only the first frame is true. The rest is the rollout's own: the current frame is the last of the chunk before, the
history lies in a ring buffer of such frames. A rollout depends on the model, its start, its poses and its own seeds, on
nothing beside it in the batch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.robot.protocol import RobotWorldModel
from models.video.protocol import Condition
from models.video.sampling import ode
from models.video.seeds import seed_of
from robots.encoded import EncodedEpisode, EpisodeStore
from robots.timing import History, Timing, TooShort

VelocityField = Callable[[Tensor, Tensor, Condition], Tensor]


@dataclass(frozen=True)
class Start:
    """Where a rollout begins: the row of an episode that is its first frame."""

    episode_id: str
    row: int = 0

    def __str__(self) -> str:
        return f"episode {self.episode_id} from row {self.row}"


@dataclass(frozen=True)
class Rolled:
    """What was predicted from a start: uint8 [chunks, frames, V, H, W, 3], each chunk with its current frame first."""

    start: Start
    chunks: np.ndarray

    def frames(self, first: np.ndarray) -> np.ndarray:
        """The rollout without repeats, uint8 [chunks new + 1, V, H, W, 3]: the true `first`, then all new frames."""
        return np.concatenate([first[None], self.chunks[:, 1:].reshape(-1, *self.chunks.shape[2:])])


def chunk_seed(seed: int, start: Start, chunk: int) -> int:
    """The seed of a chunk's noise, whatever else is rolled out beside it or before it."""
    return seed_of(seed, "rollout", start.episode_id, start.row, chunk)


class ClosedLoop:
    """B rollouts side by side, a chunk at a time. `velocity`: of another policy than the model's own weights."""

    def __init__(self, model: RobotWorldModel, timing: Timing, steps: int, velocity: VelocityField | None = None):
        check_timing(model, timing)
        self.model, self.timing, self.steps, self.velocity = model, timing, steps, velocity
        self.latents: History[Tensor] = History(timing)
        self.poses: list[Tensor] = []  # [B, D] of each time so far
        self.current: Tensor

    @property
    def now(self) -> int:
        """The current frame's time, in model frames from the start."""
        return len(self.poses) - 1

    def begin(self, first: Tensor, pose: Tensor) -> None:
        """First frames as latents [B, V, C, h, w] and their normalised poses [B, D]."""
        self.latents.begin(first)
        self.current, self.poses = first, [pose]

    def take(self, rows: Sequence[int]) -> "ClosedLoop":
        """The rollouts `rows`, in that order, repeats allowed: branches that share what came before. What is added to
        one is not seen by the other."""
        other = ClosedLoop(self.model, self.timing, self.steps, self.velocity)
        at = torch.as_tensor(rows)
        other.latents.kept = {time: frame[at.to(frame.device)] for time, frame in self.latents.kept.items()}
        other.current = self.current[at.to(self.current.device)]
        other.poses = [pose[at.to(pose.device)] for pose in self.poses]
        return other

    @torch.no_grad()
    def advance(self, poses: Tensor, seeds: Sequence[int], texts: Sequence[str] | None = None) -> Tensor:
        """The next chunk, states x [B, frames, C, V h, w], under normalised `poses` [B, new, D] of its new frames."""
        if poses.shape[1] != self.timing.new:
            raise ValueError(f"{poses.shape[1]} poses a rollout: a chunk has {self.timing.new} new frames")
        now = self.now
        after = [*self.poses, *poses.unbind(1)]
        times = [*self.timing.history_times(now), *range(now, now + self.timing.frames)]
        actions = torch.stack([after[time] for time in times], dim=1)
        history = torch.stack(self.latents.taken(now), dim=1)
        x = self._sampled(self.model.context(history, self.current, actions, texts), seeds)
        self.poses = after
        self.current = self.model.unstack(x)[:, -1]
        self.latents.add(self.current, self.now)
        return x

    def _sampled(self, condition: Condition, seeds: Sequence[int]) -> Tensor:
        model, velocity = self.model, self.velocity
        if velocity is None:
            return model.sample_chunk(condition, seeds, self.steps)
        start = model.start(model.noise(seeds), condition)
        return ode(lambda x, sigma: velocity(x, sigma, condition), start, model.sigmas(self.steps)).clean


def roll_out(
    model: RobotWorldModel,
    store: EpisodeStore,
    starts: Sequence[Start],
    chunks: int,
    timing: Timing,
    *,
    seed: int,
    steps: int,
    batch: int,
    velocity: VelocityField | None = None,
    poses_of: Sequence[Start] | None = None,
) -> Iterator[Rolled]:
    """Rollouts of `chunks` chunks from `starts`, in their order, `batch` side by side, under the episodes' own poses.

    `poses_of`: for each start the start whose poses are given instead (shuffled actions). Raises TooShort before
    anything is sampled, and ValueError for a model that did not encode these episodes.
    """
    check_store(model, store)
    givers = list(starts) if poses_of is None else list(poses_of)
    for one in {*starts, *givers}:
        check_start(store.episode(one.episode_id), one, timing, chunks)
    for first in range(0, len(starts), batch):
        part = starts[first : first + batch]
        poses = torch.stack([_poses(store, one, timing, chunks) for one in givers[first : first + batch]])
        texts = [store.episode(one.episode_id).text for one in part]
        loop = ClosedLoop(model, timing, steps, velocity)
        loop.begin(first_latents(store, part).to(model.device), poses[:, 0])
        made = []
        for chunk in range(chunks):
            new = poses[:, chunk * timing.new + 1 : (chunk + 1) * timing.new + 1]
            made.append(model.decode(loop.advance(new, [chunk_seed(seed, one, chunk) for one in part], texts)).numpy())
        for place, one in enumerate(part):
            yield Rolled(one, np.stack([frames[place] for frames in made]))


def starts_of(episodes: Sequence[EncodedEpisode], timing: Timing, chunks: int, per_episode: int = 1) -> list[Start]:
    """At most `per_episode` starts of each episode, evenly spaced from row 0 on; none of those that are too short.

    Raises TooShort where all are.
    """
    found = []
    for episode in episodes:
        possible = timing.starts(episode.n_rows, chunks)
        count = min(per_episode, len(possible))
        places = np.linspace(0, len(possible) - 1, count).round().astype(int) if count > 1 else [0] * count
        found += [Start(episode.episode_id, possible[place]) for place in places]
    if not found and episodes:
        longest = max(episodes, key=lambda episode: episode.n_rows)
        timing.require(longest.n_rows, chunks, f"the longest of {len(episodes)} episodes, {longest.episode_id},")
    return found


def check_start(episode: EncodedEpisode, start: Start, timing: Timing, chunks: int) -> None:
    """Raises TooShort unless the episode has every row that a rollout from `start` reads."""
    timing.require(episode.n_rows, chunks, f"episode {episode.episode_id}")
    possible = timing.starts(episode.n_rows, chunks)
    if start.row not in possible:
        raise TooShort(
            f"{start}: a rollout of {chunks} chunks needs {timing.rows_needed(chunks)} rows and the episode has "
            f"{episode.n_rows}, so it starts from row 0 to {possible[-1]}"
        )


def check_store(model: RobotWorldModel, store: EpisodeStore) -> None:
    """Raises ValueError where the episodes' latents are not this model's."""
    size = (model.shape.height, model.shape.width)
    for name, ours, theirs in (
        ("latents", model.latents_identity, store.identity),
        ("views", tuple(model.shape.views), store.views),
        ("height and width", size, store.size),
        ("numbers of a pose", model.shape.actions, len(store.statistics.q01)),
    ):
        if ours != theirs:
            raise ValueError(f"{name}: the model has {ours}, the episodes in {store.folder} have {theirs}: encode them")


def check_timing(model: RobotWorldModel, timing: Timing) -> None:
    """Raises ValueError where the model's chunks and history are of other lengths."""
    ours, theirs = (model.shape.history, model.shape.frames), (timing.history, timing.frames)
    if ours != theirs:
        raise ValueError(f"the model has (history, frames) {ours}, the timing {theirs}: they must be the same")


def first_latents(store: EpisodeStore, starts: Sequence[Start]) -> Tensor:
    """Latents float32 [B, V, C, h, w] of the starts' rows."""
    return torch.from_numpy(np.concatenate([store.latents(one.episode_id, [one.row]) for one in starts]))


def _poses(store: EpisodeStore, start: Start, timing: Timing, chunks: int) -> Tensor:
    """Normalised poses float32 [unique, D] of a rollout's frames."""
    states = store.episode(start.episode_id).states[timing.rows(start.row, chunks)]
    return torch.from_numpy(store.statistics.normalised(states))
