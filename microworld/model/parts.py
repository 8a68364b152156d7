"""The microworld's own image-to-video model: a diffusers folder of real classes, tiny.

WanTransformer3DModel (Wan 2.1 style: the first frame's latents and a mask are joined to the noisy latents by channels),
a UMT5 text encoder over words, FrameVAE, and the Euler flow-matching scheduler. WanImageToVideoPipeline runs on it as
it is; `frames` there must be given as one less, since it rounds to a multiple of the temporal factor plus one.
"""

from pathlib import Path

import torch
from torch import Tensor

from models.video.frame_vae import FrameVAE

SIZE = 32  # pixels
FRAMES = 8
MAX_TOKENS = 112
SHIFT = 3.0  # of the sampler's noise levels
PUNCTUATION = ".,:;[]"

# Every word of the microworld's T and D, and common words of people's own ways to say them.
WORDS = """
a above across after all along also and around aside at away back background before begins behind below beside between
blue both bottom briefly bring brings by camera cell cells centre colour column columns coming corner counted cross
crossing curves cyan diamond diagonally directly disc does down each edge else ends everything fades first for four
frame from front glides go goes green grey half halfway halting halts in into is it its keep keeps left meanwhile move
moves not nothing of off on one onto orange other over pad passing path picture pink place places purple push pushes
pushing red rest resting rests right ring round row rows same scene side slant slides square start starts stay stays
still stone stones stop stops straight swap swaps than that the their them then there things three through to together
top touch touches touching towards triangle turn turning turns two until up video visit was way where which while with
without yellow 1 2 3 4
"""


def make_tokenizer(words: list[str] | None = None):
    """A tokenizer of lower-case words and punctuation; what it does not know becomes <unk>."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = ["<pad>", "</s>", "<unk>", *PUNCTUATION, *sorted(set(words or WORDS.split()))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=MAX_TOKENS,
    )


def tokenise(tokenizer, texts: list[str]) -> tuple[Tensor, Tensor]:
    """ids and mask int64 [B, MAX_TOKENS]."""
    made = tokenizer(texts, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt")
    return made.input_ids, made.attention_mask


def make_parts(width: int = 128, depth: int = 4, heads: int = 4, z_dim: int = 16, seed: int = 0) -> dict:
    """Freshly initialised parts, by their folder names in a diffusers pipeline."""
    from diffusers import FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    text = UMT5EncoderModel(
        UMT5Config(
            vocab_size=len(tokenizer),
            d_model=96,
            d_kv=24,
            d_ff=192,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=32,
            relative_attention_max_distance=64,
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
        )
    )
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=heads,
        attention_head_dim=width // heads,
        in_channels=2 * z_dim + 1,
        out_channels=z_dim,
        text_dim=96,
        freq_dim=64,
        ffn_dim=2 * width,
        num_layers=depth,
        rope_max_seq_len=64,
    )
    return {
        "tokenizer": tokenizer,
        "text_encoder": text,
        "transformer": transformer,
        "vae": FrameVAE(z_dim=z_dim),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=SHIFT),
    }


def save(parts: dict, folder: Path) -> None:
    """Writes the parts as a diffusers folder with its model_index.json."""
    import json

    folder.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        config = folder / name / "config.json"
        if config.exists():  # without the path on this machine that it was read from
            kept = {key: value for key, value in json.loads(config.read_text()).items() if key != "_name_or_path"}
            config.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    index = {
        "_class_name": "WanImageToVideoPipeline",
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
        "text_encoder": ["transformers", "UMT5EncoderModel"],
        "transformer": ["diffusers", "WanTransformer3DModel"],
        "vae": ["models.video.frame_vae", "FrameVAE"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "image_encoder": [None, None],
        "image_processor": [None, None],
        "transformer_2": [None, None],
        "expand_timesteps": False,
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
