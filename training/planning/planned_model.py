"""The model that a recipe names, described without its weights."""

from pathlib import Path

from models.video.facts import Description
from models.video.families import published
from models.video.options import VideoModelOptions
from training.options import TrainOptions


def planned_model(options: VideoModelOptions, configs: Path | None = None) -> tuple[Description, str]:
    """The model from configs in a folder (`configs`, or the recipe's path or Hub cache), else from those of published
    models that its family lists; and which of these it was, in words.

    Nothing is fetched when the environment has HF_HUB_OFFLINE. Raises ValueError where neither is there, and as
    models.video.build_video_model.describe for sizes that do not fit.
    """
    from models.video.build_video_model import describe

    if configs is not None:
        options = options.model_copy(update={"path": str(configs), "revision": None})
    try:
        found = describe(options)
    except FileNotFoundError as error:
        if configs is not None or published(options.path) is None:
            raise ValueError(
                f"model.path {options.path!r}: there is no checkpoint here ({str(error).splitlines()[0][:200]}), and "
                "the table of published models lacks it. Give --model-config FOLDER with model_index.json and the "
                "config.json of every part (a few kB: `hf download ID --include '*.json'`)"
            ) from error
        return published_model(options)
    here = Path(options.path).is_dir()
    return found, f"configs in {options.path}" if here else f"configs of {options.path} in the cache"


def published_model(options: VideoModelOptions) -> tuple[Description, str]:
    """The published model at the recipe's size. Raises ValueError for another kind or a size that does not fit it."""
    from models.video.build_video_model import describe
    from models.video.checkpoint import PublishedConfigs

    family, known = published(options.path)
    if options.kind != family.kind:
        raise ValueError(f"model.kind {options.kind!r} is wrong: {options.path} is of kind {family.kind!r}")
    checkpoint = PublishedConfigs(Path(), options.path, configs=known.configs)
    return describe(options, checkpoint), f"{known.source} (no checkpoint here)"


def lora_targets(options: TrainOptions) -> tuple[str, ...]:
    """The recipe's targets, or those of the model's family."""
    return options.lora.targets or options.model.family.lora_targets
