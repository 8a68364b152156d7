"""A VLM from options."""

from collections.abc import Callable, Mapping

from models.vlm.options import VLMOptions
from models.vlm.protocol import VLM

Makers = Mapping[str, Callable[[VLMOptions], VLM]]


def build_vlm(options: VLMOptions, makers: Makers | None = None) -> VLM:
    """The VLM that `options` describe. Loads weights for the backends in this process.

    `makers` build the backends that this room does not know, by name: the microworld's `scripted` (microworld/vlm.py).
    Raises ValueError for a missing environment variable and for a backend without a maker, RuntimeError where a
    package or a GPU is missing.
    """
    vlm = _backend(options, makers or {})
    if options.judge_noise or options.judge_flip:
        from models.vlm.erring import Erring

        return Erring(vlm, options.judge_noise, options.judge_flip)
    return vlm


def _backend(options: VLMOptions, makers: Makers) -> VLM:
    if maker := makers.get(options.backend):
        return maker(options)
    match options.backend:
        case "openai":
            from models.vlm.openai_server import OpenAIServer
            from models.vlm.preflight import AskedFirst

            return AskedFirst(options) if options.preflight else OpenAIServer(options)
        case "transformers":
            from models.vlm.transformers_local import TransformersVLM

            return TransformersVLM(options)
        case "vllm":
            from models.vlm.vllm_local import VllmVLM

            return VllmVLM(options)
    raise ValueError(f"backend {options.backend!r} is not available here: only {sorted(makers)} are")
