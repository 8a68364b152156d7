"""A recipe's VLM, with the microworld's scripted one among the backends."""

from models.vlm import build_vlm as backends
from models.vlm.options import VLMOptions
from models.vlm.protocol import VLM


def scripted(options: VLMOptions) -> VLM:
    """The scripted VLM: it reads pixels by rule and needs no weights."""
    from microworld.scripted_vlm import ScriptedVLM

    return ScriptedVLM(flaw_rate=options.flaw_rate, photo_tasks=options.photo_tasks, workers=options.workers)


MAKERS: backends.Makers = {"scripted": scripted}


def build_vlm(options: VLMOptions) -> VLM:
    """As models.vlm.build_vlm.build_vlm, for every backend of a recipe."""
    return backends.build_vlm(options, MAKERS)
