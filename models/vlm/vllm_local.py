"""A VLM in this process on vLLM's AsyncLLM: continuous batching without a server. Needs the extra `vllm` and a GPU, or
a build of vLLM for CPUs, on which `make test-vllm` runs it. docs/vlm.md says what was run, and with which version.
"""

import asyncio
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from models.vlm.answers import answered, completion, log_odds, model_id, schema_instruction, yes_no_ids
from models.vlm.chat_content import content_parts
from models.vlm.options import VLMOptions
from models.vlm.protocol import Completion, LogOdds, Media, Prompt, Usage, VLMUnavailable
from models.vlm.second_try import temperature_of


class VllmVLM:
    """`options.model` (a Hub id or a folder) on this machine's GPUs. For one event loop, the one it is first used in.

    concurrency: most requests handed to the engine at once; it batches them as they come.
    timeout_s: seconds for one answer. temperature, thinking, revision: as for TransformersVLM.
    engine_options: further fields of vLLM's AsyncEngineArgs, e.g. {"tensor_parallel_size": 2, "max_model_len": 16384}.

    Raises RuntimeError when vllm is not installed or has no device here, ValueError as TransformersVLM does.
    """

    def __init__(self, options: VLMOptions):
        require_vllm()
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self.options, self.min_mass = options, options.min_mass
        self.model_id = model_id("vllm", options.model, options.revision, options.temperature, options.thinking)
        if options.engine_options:  # quantisation, pixel limits and the like change answers
            engine = json.dumps(dict(options.engine_options), sort_keys=True, default=str)
            self.model_id += f";engine={hashlib.sha256(engine.encode()).hexdigest()[:8]}"
        arguments = AsyncEngineArgs(
            model=options.model,
            revision=options.revision,
            trust_remote_code=False,
            load_format="safetensors",
            **options.engine_options,
        )
        self._engine = AsyncLLM.from_engine_args(arguments)
        tokenizer = self._engine.get_tokenizer()
        self.yes_ids, self.no_ids = yes_no_ids(tokenizer)
        self._places = asyncio.Semaphore(options.concurrency)
        self._numbers = itertools.count()

    async def complete(
        self,
        prompt: Prompt,
        media: Sequence[Media],
        schema: Mapping[str, Any],
        *,
        max_tokens: int,
        seed: int = 0,
        again: bool = False,
    ) -> Completion:
        from vllm.sampling_params import StructuredOutputsParams

        answer = await self._generate(
            f"{prompt.text}\n\n{schema_instruction(schema)}",
            media,
            max_tokens=max_tokens,
            temperature=temperature_of(self.options.temperature, again),
            seed=seed,
            structured_outputs=StructuredOutputsParams(json=dict(schema)),
        )
        output = answer.outputs[0]
        return completion(output.text, schema, _usage(answer), truncated=output.finish_reason == "length")

    async def log_odds(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        """Exact: the engine gives the log-probabilities of the named tokens (raw, before any temperature or mask)."""
        sides = (self.yes_ids, self.no_ids)
        if question.digits:
            sides = yes_no_ids(self._engine.get_tokenizer(), digits=True)
        token_ids = [*sides[0], *sides[1]]
        answer = await self._generate(question.text, media, max_tokens=1, temperature=0.0, logprob_token_ids=token_ids)
        first = answer.outputs[0].logprobs[0]
        yes, no = ([first[i].logprob for i in ids] for ids in sides)
        return answered(log_odds(yes, no, _usage(answer), text=answer.outputs[0].text), self.min_mass)

    async def aclose(self) -> None:
        self._engine.shutdown()

    async def _generate(self, text: str, media: Sequence[Media], **sampling: Any):
        """The engine's final RequestOutput for one user message, rendered as vLLM's server renders it."""
        from vllm.exceptions import VLLMError
        from vllm.renderers import ChatParams
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        template = {"add_generation_prompt": True, "enable_thinking": self.options.thinking, "tokenize": False}
        params = SamplingParams(output_kind=RequestOutputKind.FINAL_ONLY, **sampling)
        renderer = self._engine.renderer
        limit_s = self.options.timeout_s
        async with self._places:
            try:
                async with asyncio.timeout(limit_s):
                    _, (prompt,) = await renderer.render_chat_async(
                        [[{"role": "user", "content": content_parts(text, media)}]],
                        ChatParams(chat_template_kwargs=template),
                        renderer.default_chat_tok_params.with_kwargs(add_special_tokens=False),
                    )
                    async for answer in self._engine.generate(prompt, params, f"wmsd-{next(self._numbers)}"):
                        final = answer
            except TimeoutError:
                raise VLMUnavailable("timeout", f"{self.model_id}: no answer within {limit_s:g} s") from None
            except VLLMError as error:
                raise VLMUnavailable("engine", f"{self.model_id}: {type(error).__name__}: {error}") from error
        if final.outputs[0].finish_reason in ("abort", "error"):
            raise VLMUnavailable("interrupted", f"{self.model_id}: finish_reason {final.outputs[0].finish_reason!r}")
        return final


def require_vllm() -> None:
    """Raises RuntimeError when vllm is not installed or finds no device of its kind, saying what to do instead.

    vLLM itself says which device it was built for: a GPU, or this machine's CPU.
    """
    import importlib.util

    instead = "use the openai backend with a vLLM server elsewhere, or the transformers backend"
    if importlib.util.find_spec("vllm") is None:
        raise RuntimeError(f"the vllm backend needs the package vllm: install the extra wmsd[vllm], or {instead}")
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        return
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError(f"the vllm backend needs a GPU, but torch sees none on this machine: {instead}")


def _usage(answer: Any) -> Usage:
    return Usage(len(answer.prompt_token_ids or ()), len(answer.outputs[0].token_ids))
