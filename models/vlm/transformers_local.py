"""A VLM in this process, on transformers: real Qwen-VL classes, one request at a time.

vlm = TransformersVLM(VLMOptions(backend="transformers", model="Qwen/Qwen3-VL-4B-Instruct"))
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from media.pictures import decode_rgb
from models.vlm.answers import answered, completion, log_odds, model_id, schema_instruction, yes_no_ids
from models.vlm.options import VLMOptions
from models.vlm.protocol import Completion, Image, LogOdds, Media, Prompt, Usage, Video
from models.vlm.second_try import temperature_of

Result = TypeVar("Result")
TICKS_PER_S = 1000  # frame indices are given as milliseconds, so that frames at any times keep them


class TransformersVLM:
    """Weights and processor from `options.model`: a folder or a Hub id, safetensors only, no code from the repository.

    Answers of `complete` are validated, not constrained: no library among the dependencies forces generation into a
    schema (xgrammar comes with the vllm extra only), so small models will often answer wrong_schema here.

    Requests run one after the other in a worker thread, so the event loop stays free and an answer is the same bytes
    whatever else is asked at the same time; a padded batch would change the last bits. Use vLLM for throughput.

    device: "auto" (CUDA when there is one), "cpu", "cuda:1" ...; dtype: "auto" (as stored), "float32", "bfloat16".
    revision: branch, tag or commit on the Hub. temperature: 0 is greedy; above it, sampling is seeded by `seed` and
    takes the process's random state for the time of the call. thinking: the chat template's `enable_thinking`.

    Raises ValueError when the tokenizer has no single token for yes or for no, or one for both.
    """

    def __init__(self, options: VLMOptions):
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        path, revision, device = options.model, options.revision, options.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.processor = AutoProcessor.from_pretrained(path, revision=revision, trust_remote_code=False)
        self.model = AutoModelForImageTextToText.from_pretrained(
            path, revision=revision, dtype=options.dtype, use_safetensors=True, trust_remote_code=False
        )
        self.model.to(device).eval()
        self.temperature, self.thinking, self.min_mass = options.temperature, options.thinking, options.min_mass
        self.model_id = model_id("transformers", path, revision, options.temperature, options.thinking)
        if options.dtype != "auto":
            self.model_id += f";dtype={options.dtype}"
        self.yes_ids, self.no_ids = yes_no_ids(self.processor.tokenizer)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vlm")

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
        text = f"{prompt.text}\n\n{schema_instruction(schema)}"
        temperature = temperature_of(self.temperature, again)
        return await self._in_worker(lambda: self._complete(text, media, schema, max_tokens, seed, temperature))

    async def log_odds(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        """Exact, from the logits at the first answered position."""
        return await self._in_worker(lambda: self._log_odds(question, media))

    async def aclose(self) -> None:
        self._worker.shutdown(wait=True, cancel_futures=True)

    def token_logprobs(self, text: str, media: Sequence[Media]):
        """(log-probabilities [vocabulary] float32 of the first answered token, prompt length in tokens). Blocks."""
        import torch

        with torch.inference_mode():
            inputs = self.inputs(text, media)
            logits = self.model(**inputs, use_cache=False, logits_to_keep=1).logits[0, -1]
        return torch.log_softmax(logits.float(), dim=-1).cpu(), inputs["input_ids"].shape[1]

    def inputs(self, text: str, media: Sequence[Media]):
        """The processor's tensors (batch of 1) for a user message of `media`, in their order, and then `text`."""
        images = [decode_rgb(medium.data) for medium in media if isinstance(medium, Image)]
        videos = [medium for medium in media if isinstance(medium, Video)]
        content = [{"type": "image" if isinstance(medium, Image) else "video"} for medium in media]
        prompt = self.processor.apply_chat_template(
            [{"role": "user", "content": [*content, {"type": "text", "text": text}]}],
            tokenize=False,
            add_generation_prompt=True,
            # A template that does not name it makes transformers take it for the processor's, and warn at each request.
            **({"enable_thinking": self.thinking} if "enable_thinking" in str(self.processor.chat_template) else {}),
        )
        arguments: dict[str, Any] = {}
        if images:
            arguments["images"] = images
        if videos:
            frames, metadata = zip(*map(_frames_and_metadata, videos), strict=True)
            arguments["videos_kwargs"] = {
                "video_metadata": list(metadata),
                "do_sample_frames": False,
                **self._pixel_cap(),
            }
            arguments["videos"] = list(frames)
        return self.processor(text=[prompt], return_tensors="pt", **arguments).to(self.model.device, self.model.dtype)

    def _pixel_cap(self) -> dict[str, bool]:
        """Qwen3-VL's video processor wants to be told; True is its authors' own and transformers' coming default."""
        return {"cap_pixels_per_frame": True} if hasattr(self.processor.video_processor, "cap_pixels_per_frame") else {}

    def _log_odds(self, question: Prompt, media: Sequence[Media]) -> LogOdds:
        sides = (self.yes_ids, self.no_ids)
        if question.digits:
            sides = yes_no_ids(self.processor.tokenizer, digits=True)
        logprobs, length = self.token_logprobs(question.text, media)
        yes, no = (logprobs[ids].tolist() for ids in sides)
        said = self.processor.tokenizer.decode([int(logprobs.argmax())])
        odds = log_odds(yes, no, Usage(prompt_tokens=length, completion_tokens=1), text=said)
        return answered(odds, self.min_mass)

    def _complete(
        self,
        text: str,
        media: Sequence[Media],
        schema: Mapping[str, Any],
        max_tokens: int,
        seed: int,
        temperature: float,
    ) -> Completion:
        import torch
        from transformers import GenerationConfig

        stop = self.model.generation_config.eos_token_id
        stop = [self.processor.tokenizer.eos_token_id] if stop is None else stop if isinstance(stop, list) else [stop]
        sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        config = GenerationConfig(max_new_tokens=max_tokens, eos_token_id=stop, pad_token_id=stop[0], **sampling)
        inputs = self.inputs(text, media)
        with torch.inference_mode(), _seeded(seed) if temperature else contextlib.nullcontext():
            tokens = self.model.generate(**inputs, generation_config=config)[0, inputs["input_ids"].shape[1] :].tolist()
        usage = Usage(prompt_tokens=inputs["input_ids"].shape[1], completion_tokens=len(tokens))
        answer = self.processor.tokenizer.decode(tokens, skip_special_tokens=True)
        return completion(answer, schema, usage, truncated=len(tokens) == max_tokens and tokens[-1] not in stop)

    async def _in_worker(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._worker, call)


@contextlib.contextmanager
def _seeded(seed: int):
    """generate() draws from the process's random state only: it is seeded, and put back as it was."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _frames_and_metadata(video: Video):
    """(frames uint8 [T, H, W, 3], metadata that makes every frame's time and the mean rate come out right).

    Qwen3-VL reads times as index / fps, Qwen2.5-VL the mean rate as count / total_num_frames * fps. Two frames at
    least, since the models join frames in pairs.
    """
    import numpy as np
    from transformers.video_utils import VideoMetadata

    frames = [np.asarray(decode_rgb(data)) for data in video.frames]
    ticks = [round(time_s * TICKS_PER_S) for time_s in video.times_s]
    if len(frames) == 1:
        frames, ticks = frames * 2, ticks * 2
    shapes = sorted({frame.shape[:2] for frame in frames})
    if len(shapes) > 1:
        raise ValueError(f"a video's frames have the sizes {shapes} (height, width): all must have one size")
    span = max(ticks[-1] - ticks[0], 1)
    total = round(span * len(ticks) / max(len(ticks) - 1, 1))
    return np.stack(frames), VideoMetadata(
        total_num_frames=max(total, len(ticks)), fps=float(TICKS_PER_S), frames_indices=ticks
    )
