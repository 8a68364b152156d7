"""A recipe's VLM, with the microworld's scripted one among the backends."""

from models.vlm import build
from models.vlm.build import VLMOptions
from models.vlm.protocol import VLM


def scripted(options: VLMOptions) -> VLM:
    """The scripted VLM: it reads pixels by rule and needs no weights."""
    from microworld.scripted_vlm import ScriptedVLM

    return ScriptedVLM(
        flaw_rate=options.flaw_rate,
        photo_tasks=options.photo_tasks,
        workers=options.workers,
        judge_noise=options.judge_noise,
        judge_flip=options.judge_flip,
    )


MAKERS: build.Makers = {"scripted": scripted}


def build_vlm(options: VLMOptions) -> VLM:
    """As models.vlm.build.build_vlm, for every backend of a recipe."""
    return build.build_vlm(options, MAKERS)
