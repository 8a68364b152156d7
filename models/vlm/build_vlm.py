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

            return OpenAIServer(
                base_url=options.base_url,
                model=options.model,
                api_key_env=options.api_key_env,
                concurrency=options.concurrency,
                timeout_s=options.timeout_s,
                max_retries=options.max_retries,
                backoff_s=options.backoff_s,
                backoff_max_s=options.backoff_max_s,
                temperature=options.temperature,
                thinking=options.thinking,
            )
        case "transformers":
            from models.vlm.transformers_local import TransformersVLM

            return TransformersVLM(
                options.model,
                device=options.device,
                dtype=options.dtype,
                revision=options.revision,
                temperature=options.temperature,
                thinking=bool(options.thinking),
            )
        case "vllm":
            from models.vlm.vllm_local import VllmVLM

            return VllmVLM(
                options.model,
                revision=options.revision,
                concurrency=options.concurrency,
                timeout_s=options.timeout_s,
                temperature=options.temperature,
                thinking=bool(options.thinking),
                engine_options=options.engine_options,
            )
    raise ValueError(f"backend {options.backend!r} has no maker here: makers for {sorted(makers)} were handed in")
