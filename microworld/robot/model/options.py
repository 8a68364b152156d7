"""Options of the robot base's pre-training; apart from the program, which loads torch."""

import hashlib
import json

from pydantic import Field

from storage.options import Options

OF_EPISODES = ("seed", "episodes", "val")
OF_VAE = (*OF_EPISODES, "vae_steps", "vae_batch", "vae_rate", "vae_kl", "vae_from", "processes")


class RobotBaseOptions(Options):
    """How the robot microworld's base model is made."""

    out: str = Field("microworld/robot/checkpoint", min_length=1, description="Folder of the checkpoint.")
    work: str = Field(
        "data/robot_microworld_base", min_length=1, description="Episodes and finished stages, which are not repeated."
    )
    seed: int = Field(0, ge=0, description="Seed of episodes, weights and batches.")
    processes: int = Field(2, ge=1, le=64, description="Processes, one thread each, that share every batch.")
    episodes: int = Field(1200, ge=2, description="Episodes of the train split.")
    val: int = Field(80, ge=2, description="Episodes of the val split: for the curve and the scores.")
    vae_steps: int = Field(1200, ge=1, description="Steps of the VAE.")
    vae_batch: int = Field(20, ge=1, description="Pictures a process and step.")
    vae_rate: float = Field(2e-3, gt=0, description="Highest learning rate of the VAE.")
    vae_kl: float = Field(
        1e-5, ge=0, description="Weight of the KL term, a mean over latents, beside the MSE in [-1, 1]."
    )
    vae_from: str = Field("", description="Folder of a VAE that is trained further. Empty: a new one.")
    steps: int = Field(2400, ge=5, description="Steps of the world model.")
    world_from: str = Field("", description="Folder of a world model (a stage in `work`) that is trained further.")
    batch: int = Field(10, ge=1, description="Chunks a process and step.")
    rate: float = Field(
        1.2e-3, gt=0, description="Highest learning rate of the world model: up in 50 steps, then a cosine."
    )
    ema: float = Field(0.997, ge=0, lt=1, description="Decay of the average of the weights, which is the model.")
    p_mean: float = Field(0.7, description="Mean of ln sigma in training: Ctrl-World's.")
    p_std: float = Field(1.6, gt=0, description="Standard deviation of ln sigma in training: Ctrl-World's.")
    replay_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of chunks with the history ages of rollouts; the rest has those of Ctrl-World's training. "
        "Both, since rollouts read the first while the released model was trained on the second.",
    )
    history_noise: float = Field(
        0.0,
        ge=0,
        description="Highest noise on history latents; each chunk draws its own. 0: a base that has only seen true "
        "histories, as teacher forcing gives them; robustness is what post-training is there for.",
    )
    dropout: float = Field(0.05, ge=0, le=1, description="Share of chunks that are not told their actions.")
    evaluations: int = Field(40, ge=5, description="Points of the curve of the validation loss.")
    val_chunks: int = Field(192, ge=1, description="Chunks of the validation loss, the same at each point.")
    scored: int = Field(40, ge=1, description="Episodes of the val split that are rolled out for the scores.")
    sampler_steps: int = Field(5, ge=1, description="Euler steps of a chunk in the scores.")

    def key(self, names: tuple[str, ...]) -> str:
        """Eight hexadecimal digits that name a stage by the options it follows from."""
        return hashlib.sha256(json.dumps(self.model_dump(include=set(names)), sort_keys=True).encode()).hexdigest()[:8]


OF_WORLD = tuple(set(RobotBaseOptions.model_fields) - {"out", "work", "scored", "sampler_steps"})
