"""What a plan is made of: a recipe's options, the model they name, and what to change where it does not fit."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from models.video.options import VideoModelOptions
from storage.strict_yaml import read_yaml
from training.options import TrainOptions
from training.planning.costs import Model, memory
from training.planning.published import VAES, Published, published

# What a recipe's block says about starting processes, and what the asset fills in.
LAUNCH = ("name", "processes", "fresh", "grace_s")
STAND_INS = {"conditions": "-", "output": "-"}


def recipe_options(path: Path, method: str | None = None) -> tuple[TrainOptions, int]:
    """The training options of a recipe (a run config with `ops.executor.config`, or the trainer's own file), and its
    processes. Raises ValueError naming the file and what is wrong."""
    try:
        config = read_yaml(path)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}: a recipe of train_wmsd is expected") from error
    block = config
    if isinstance(config, dict) and "ops" in config:
        block = ((config["ops"] or {}).get("executor") or {}).get("config")
    if not isinstance(block, dict):
        raise ValueError(f"{path} has no block ops.executor.config: a recipe of train_wmsd is expected")
    processes = block.get("processes", 1)
    given = {key: value for key, value in block.items() if key not in LAUNCH}
    given = STAND_INS | given | ({"method": method} if method else {})
    objective = given.get("objective")
    if isinstance(objective, dict) and len(objective) == 1 and "kind" not in objective:
        ((kind, options),) = objective.items()  # Dagster's selector
        given["objective"] = {"kind": kind, **(options or {})}
    try:
        return TrainOptions.model_validate(given), processes
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, item['loc'])) or 'options'}: {item['msg']}" for item in error.errors()]
        raise ValueError("\n".join([f"{path}: {len(lines)} mistakes in the options:", *lines])) from error


def planned_model(options: VideoModelOptions, configs: Path | None = None) -> Model:
    """The model from configs in a folder (`configs`, or the recipe's path or Hub cache), else from the published table.

    Nothing is fetched when the environment has HF_HUB_OFFLINE. Raises ValueError where neither is there, and as
    models.video.build.describe for sizes that do not fit.
    """
    from models.video.build import describe, skeleton

    if configs is not None:
        options = options.model_copy(update={"path": str(configs), "revision": None})
    try:
        facts, transformer = describe(options), skeleton(options)
    except FileNotFoundError as error:
        known = published(options.path)
        if configs is not None or known is None:
            raise ValueError(
                f"model.path {options.path!r}: no checkpoint here ({str(error).splitlines()[0][:200]}), and its size "
                "is not in the table of published ones. Give --model-config FOLDER with model_index.json and the "
                "config.json of every part (a few kB: `hf download ID --include '*.json'`)"
            ) from error
        return from_table(known, options)
    source = f"configs in {options.path}" if Path(options.path).is_dir() else f"configs of {options.path} in the cache"
    return Model(
        kind=options.kind,
        parameters=facts["parameters"],
        hidden=facts["hidden_size"],
        ffn=facts["ffn_size"],
        depth=facts["layers"],
        tokens=facts["tokens"],
        audio_tokens=facts["audio_tokens"],
        context_tokens=facts["context_tokens"],
        joint_context=facts["joint_context"],
        state_size=facts["state_size"],
        pixels=options.frames * options.height * options.width,
        layers=linear_layers(transformer),
        vae=VAES[options.kind],
        source=source,
    )


def from_table(known: Published, options: VideoModelOptions) -> Model:
    """The published model at the recipe's size. Raises ValueError for another kind or a size its VAE cannot take."""
    from models.video.build import empty_transformer, shape_of
    from models.video.pixels import check_size

    if options.kind != known.kind:
        raise ValueError(f"model.kind {options.kind!r}: {options.path} is a {known.kind!r}")
    steps, side, _ = known.compression
    check_size(shape_of(options), side * known.patch, steps, options.path)
    transformer = empty_transformer(known.kind, known.transformer)
    config = transformer.config
    hidden = config["num_attention_heads"] * config["attention_head_dim"]
    frames, rows, columns = (options.frames - 1) // steps + 1, options.height // side, options.width // side
    audio = round(options.frames / options.fps * known.audio[0])
    return Model(
        kind=known.kind,
        parameters=sum(parameter.numel() for parameter in transformer.parameters()),
        hidden=hidden,
        ffn=config.get("ffn_dim") or int(hidden * config.get("mlp_ratio", 4)),
        depth=config["num_layers"],
        tokens=frames * (rows // known.patch) * (columns // known.patch),
        audio_tokens=audio,
        context_tokens=options.max_prompt_tokens or known.context_tokens,
        joint_context=known.joint_context,
        state_size=known.channels * frames * rows * columns + audio * known.audio[1],
        pixels=options.frames * options.height * options.width,
        layers=linear_layers(transformer),
        vae=VAES["wan2.2" if known.kind == "wan" and side == 16 else known.kind],
        source=f"{known.source} (no checkpoint here)",
    )


def linear_layers(transformer) -> dict[str, tuple[int, int]]:
    """(in, out) of every linear layer by name."""
    from torch import nn

    found = transformer.named_modules()
    return {name: (layer.in_features, layer.out_features) for name, layer in found if isinstance(layer, nn.Linear)}


def lora_targets(options: TrainOptions) -> tuple[str, ...]:
    """The recipe's targets, or those that the model's adapter lists."""
    from models.video import hunyuan15, ltx2, wan

    own = {"wan": wan.LORA_TARGETS, "ltx2": ltx2.LORA_TARGETS, "hunyuan15": hunyuan15.LORA_TARGETS}
    return options.lora.targets or own[options.model.kind]


Change = tuple[str, Callable[[TrainOptions], TrainOptions]]


def remedies(options: TrainOptions) -> list[Change]:
    """Settings that lower the peak, those first that change no result."""

    def put(block: str, **values: Any) -> Callable[[TrainOptions], TrainOptions]:
        return lambda o: o.model_copy(update={block: getattr(o, block).model_copy(update=values)})

    found: list[Change] = []
    if not options.memory.checkpointing:
        found.append(
            ("memory.checkpointing: true (one more forward pass a trained state)", put("memory", checkpointing=True))
        )
    if options.memory.batch > 1:
        found.append(("memory.batch: 1", put("memory", batch=1)))
    if options.rollout.batch > 1:
        found.append(("rollout.batch: 1", put("rollout", batch=1)))
    if options.model.vae_batch > 1:
        found.append(("model.vae_batch: 1", put("model", vae_batch=1)))
    if options.model.dtype != "bfloat16":
        found.append(("model.dtype: bfloat16 (conditions are encoded again)", put("model", dtype="bfloat16")))
    if options.lora.rank > 16:
        found.append(("lora.rank: 16", put("lora", rank=16)))
    return found


def what_fits(
    model: Model, options: TrainOptions, ranks: int, limit: float, targets: tuple[str, ...]
) -> tuple[list[str], Mapping[str, float]]:
    """Changes, one after the other, until the peak is below `limit` bytes or none is left; and the memory then."""
    made, now = [], memory(model, options, ranks, targets)
    for text, change in remedies(options):
        if now["peak"] <= limit:
            break
        options = change(options)
        after = memory(model, options, ranks, targets)
        if after["peak"] < now["peak"]:
            made.append(text)
            now = after
    return made, now
