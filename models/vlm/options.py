"""Which VLM answers: the block that a recipe writes."""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from models.vlm.protocol import MIN_MASS
from storage.options import Options

# What decides a completion, besides the prompt; not the server's address, its key, or how patiently it is asked.
DECIDES = {
    "backend",
    "model",
    "revision",
    "temperature",
    "thinking",
    "dtype",
    "flaw_rate",
    "photo_tasks",
    "engine_options",
    "answer",
    "answer_samples",
    "answer_max_tokens",
    "min_mass",
}
# Came later: named only where they are not at their defaults, so that results from before keep their fingerprints.
LATER = {"answer", "answer_samples", "answer_max_tokens", "min_mass"}


class VLMOptions(Options):
    """Which model answers, where, and how patiently it is asked. Unknown names are errors."""

    backend: Literal["scripted", "openai", "transformers", "vllm"] = Field(
        "scripted",
        description="scripted: the microworld's own program, which reads pixels and needs no weights. openai: any "
        "server with OpenAI's chat completions, such as vLLM. transformers, vllm: a model in this process.",
    )
    model: str = Field("", description="Name on the server, Hub id, or folder. Empty for scripted.")
    base_url: str = Field(
        "", description="openai: the server's address with API version, e.g. http://127.0.0.1:8000/v1."
    )
    api_key_env: str = Field(
        "", description="openai: NAME of the environment variable with the key. Empty for servers without keys."
    )
    revision: str = Field("main", min_length=1, description="transformers, vllm: branch, tag or commit on the Hub.")
    concurrency: int = Field(16, ge=1, le=4096, description="openai, vllm: most requests in flight at once.")
    timeout_s: float = Field(
        300.0, gt=0, le=7200, description="openai, vllm: seconds for one attempt, to its last byte."
    )
    max_retries: int = Field(6, ge=0, le=50, description="openai: more attempts after 408, 409, 429, 5xx, time-out.")
    backoff_s: float = Field(0.5, gt=0, le=60, description="openai: seconds of the first wait. Doubles, with jitter.")
    backoff_max_s: float = Field(30.0, gt=0, le=600, description="openai: most seconds that it waits by itself.")
    temperature: float | None = Field(
        0.0,
        ge=0,
        le=2,
        description="Of completions; 0 is greedy. Log-odds need none. null (openai) sends nothing, for models that "
        "refuse it.",
    )
    thinking: bool | None = Field(
        False,
        description="Whether the model may think before it answers. null (openai): send nothing, for servers that "
        "refuse the setting.",
    )
    preflight: bool = Field(
        True,
        description="openai: whether the server is asked one short question before anything expensive starts. What it "
        "lacks (address, model, log-probabilities, pictures, JSON) then stops the run at its start.",
    )
    min_mass: float = Field(
        MIN_MASS,
        ge=0,
        le=1,
        description="Least probability that yes and no must have together for an answer to a yes/no question; below it "
        "the judgement failed (no_answer). 0 takes any.",
    )
    answer: Literal["logprobs", "text"] = Field(
        "logprobs",
        description="openai: how yes/no questions are answered. logprobs: by the first token's log-probabilities. "
        "text: the model writes, and the last yes or no counts; for models without log-probabilities.",
    )
    answer_samples: int = Field(
        1, ge=1, le=16, description="answer: text: requests a question; their share of yes makes the log-odds."
    )
    answer_max_tokens: int = Field(
        4096, ge=16, le=131072, description="answer: text: token limit of one answer, its thoughts among them."
    )
    device: str = Field("auto", min_length=1, description="transformers: auto, cpu, cuda, cuda:1 ...")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="transformers: the weights'.")
    engine_options: Mapping[str, Any] = Field(
        default_factory=dict, description="vllm: further engine arguments, e.g. {tensor_parallel_size: 2}."
    )
    flaw_rate: float = Field(0.085, ge=0, le=1, description="scripted: share of pairs that are bad on purpose.")
    judge_noise: float = Field(
        0.0,
        ge=0,
        le=20,
        description="Standard deviation of Gaussian noise on the log-odds of judgements, to test a judge that errs. "
        "0: no noise.",
    )
    judge_flip: float = Field(0.0, ge=0, le=1, description="Share of judgements that are reversed, for the same test.")
    photo_tasks: bool = Field(False, description="scripted: give placeholder answers for other pictures than its own.")
    workers: int = Field(
        1, ge=0, le=256, description="scripted: processes that judge videos. 0: judge in this process."
    )

    def decisive(self) -> dict[str, Any]:
        """The options that decide a completion, as JSON."""
        decided = self.model_dump(mode="json", include=DECIDES)
        usual = {name: type(self).model_fields[name].default for name in LATER}
        return {name: value for name, value in decided.items() if name not in usual or value != usual[name]}

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError(f"base_url {value!r}: give an address like http://HOST:PORT/v1 or https://HOST/v1")
        if parts.username or parts.password:
            raise ValueError("base_url holds a user name or a password: remove it and name a variable in api_key_env")
        return value

    @model_validator(mode="after")
    def _fits_the_backend(self) -> "VLMOptions":
        if self.backend != "scripted" and not self.model:
            raise ValueError(f"model is empty: the backend {self.backend} needs the name of a model")
        if self.backend == "openai" and not self.base_url:
            raise ValueError(
                "base_url is empty: the backend openai needs its server's address, e.g. http://127.0.0.1:8000/v1"
            )
        if self.backend != "openai" and self.thinking is None:
            raise ValueError(f"thinking is null: set it to true or false for the backend {self.backend}")
        if self.backend != "openai" and self.temperature is None:
            raise ValueError(f"temperature null: the backend {self.backend} takes a number")
        if self.answer == "text" and self.backend != "openai":
            raise ValueError(f"answer text: only the backend openai asks so; backend is {self.backend}")
        if self.answer_samples > 1 and (self.answer != "text" or self.temperature == 0):
            raise ValueError(
                f"answer_samples {self.answer_samples}: several need answer: text, and a temperature above 0 or null, "
                "since greedy answers are all alike"
            )
        others = {"base_url": "openai", "api_key_env": "openai", "engine_options": "vllm"}
        for name, backend in others.items():
            if getattr(self, name) and self.backend != backend:
                raise ValueError(f"{name} is set, but only the backend {backend} reads it: backend is {self.backend}")
        return self
