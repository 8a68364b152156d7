"""A tiny Qwen-VL with random weights, of the real classes, saved as a checkpoint folder like any other."""

from pathlib import Path

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>")
SPECIAL = (*SPECIAL, "<|image_pad|>", "<|video_pad|>", "<think>", "</think>")

CHAT_TEMPLATE = """{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% for part in message.content -%}
{%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>
{%- elif part.type == 'video' -%}<|vision_start|><|video_pad|><|vision_end|>
{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% if enable_thinking is defined and not enable_thinking -%}<think>

</think>

{% endif -%}{%- endif -%}"""

TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
TEXT |= {"num_key_value_heads": 2, "max_position_embeddings": 4096}
VISION = {"depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 64, "out_hidden_size": 32}


def build(folder: Path, family: str, head_dim: int = 8) -> Path:
    """Saves a tiny `family` ("qwen2_5_vl", "qwen3_vl" or "qwen3_5") with its processor in `folder`.

    `head_dim` is qwen3_vl's, a multiple of 8: vLLM's attention on a CPU takes none below 32.
    """
    import torch
    import transformers

    tokenizer = _tokenizer()
    ids = {
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    }
    text = {**TEXT, "vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": tokenizer.eos_token_id}
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
    if family == "qwen2_5_vl":
        vision = {**VISION, "patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1]}
        config = transformers.Qwen2_5_VLConfig(
            text_config={**text, "rope_parameters": rope}, vision_config=vision, **ids
        )
        model_class, patch = transformers.Qwen2_5_VLForConditionalGeneration, 14
        processor_class, video_class = transformers.Qwen2_5_VLProcessor, transformers.Qwen2VLVideoProcessor
    elif family == "qwen3_vl":
        vision = {**VISION, "patch_size": 16, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1]}
        rope = {**rope, "mrope_interleaved": True, "mrope_section": [head_dim // 4, head_dim // 8, head_dim // 8]}
        text |= {"head_dim": head_dim, "rope_parameters": rope}
        config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, **ids)
        model_class, patch = transformers.Qwen3VLForConditionalGeneration, 16
        processor_class, video_class = transformers.Qwen3VLProcessor, transformers.Qwen3VLVideoProcessor
    else:
        vision = {**VISION, "patch_size": 16, "num_position_embeddings": 64}
        text |= {"head_dim": 16, "layer_types": ["linear_attention", "full_attention"]}
        text |= {"linear_key_head_dim": 8, "linear_value_head_dim": 8}
        text |= {"linear_num_key_heads": 2, "linear_num_value_heads": 4}
        rope = {**rope, "mrope_interleaved": True, "mrope_section": [1, 1, 0], "partial_rotary_factor": 0.25}
        config = transformers.Qwen3_5Config(text_config={**text, "rope_parameters": rope}, vision_config=vision, **ids)
        model_class, patch = transformers.Qwen3_5ForConditionalGeneration, 16
        processor_class, video_class = transformers.Qwen3VLProcessor, transformers.Qwen3VLVideoProcessor

    torch.manual_seed(0)
    model = model_class(config).eval()
    with (
        torch.no_grad()
    ):  # random weights of 0.02 answer everything alike: larger ones make answers depend on the input
        for parameter in model.parameters():
            parameter.mul_(8 if parameter.ndim > 1 else 1)
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids("<|im_end|>")
    model.save_pretrained(folder)
    side = patch * 2
    limits = {"size": {"shortest_edge": side * side, "longest_edge": 16 * side * side}, "patch_size": patch}
    images = transformers.Qwen2VLImageProcessor(**limits)
    videos = video_class(**{**limits, "size": {"shortest_edge": side * side, "longest_edge": 64 * side * side}})
    processor_class(images, tokenizer, videos, chat_template=CHAT_TEMPLATE).save_pretrained(folder)
    return folder


def _tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = ["yes", "no", "Yes", "No", "YES", "NO", " yes", " no", " Yes", " No"]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=290, special_tokens=list(SPECIAL), initial_alphabet=alphabet)
    bpe.train_from_iterator(words * 50, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens={
            "image_token": "<|image_pad|>",
            "video_token": "<|video_pad|>",
            "vision_start_token": "<|vision_start|>",
            "vision_end_token": "<|vision_end|>",
        },
    )
    for word in words:
        assert len(tokenizer.encode(word, add_special_tokens=False)) == 1, word
    return tokenizer
