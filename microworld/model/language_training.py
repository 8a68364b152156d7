"""Training of the microworld's text encoder: what captions and tasks say, as a language model comes ready."""

import numpy as np
import torch
from torch import Tensor, nn

from microworld.model.captions import FACTS, UNKNOWN, facts
from microworld.model.options import PretrainOptions
from microworld.model.parts import tokenise
from microworld.model.pretrain_clips import Clips
from microworld.model.rates import falling, rate, say


class Reader(nn.Module):
    """Reads FACTS off a text encoder's output: a query each, one attention, one linear layer. Not kept."""

    def __init__(self, width: int):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(len(FACTS), width) * 0.1)
        self.keys_values = nn.Linear(width, 2 * width)
        self.answers = nn.ModuleList([nn.Linear(width, count) for count in FACTS.values()])

    def forward(self, hidden: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy of the facts that texts tell. hidden [B, L, W], mask [B, L], labels int64 [B, facts]."""
        keys, values = self.keys_values(hidden).chunk(2, -1)
        weights = torch.einsum("qd,btd->bqt", self.queries, keys) * 4 / hidden.shape[-1] ** 0.5
        read = weights.masked_fill(mask[:, None] == 0, -1e9).softmax(-1) @ values
        losses = [
            nn.functional.cross_entropy(answer(read[:, i]), labels[:, i], ignore_index=UNKNOWN)
            for i, answer in enumerate(self.answers)
            if (labels[:, i] != UNKNOWN).any()
        ]
        return torch.stack(losses).mean()


def fit_language(parts: dict, clips: Clips, options: PretrainOptions, rng: np.random.Generator) -> None:
    """The text encoder learns what captions and tasks say; it is frozen afterwards."""
    encoder, tokenizer = parts["text_encoder"].train(), parts["tokenizer"]
    reader = Reader(encoder.config.d_model)
    trained = [*encoder.parameters(), *reader.parameters()]
    optimizer = torch.optim.AdamW(trained, 3e-3, betas=(0.9, 0.98), weight_decay=0.01)
    for step in range(options.language_steps):
        rate(optimizer, 3e-3 * min(1, (step + 1) / 50) * falling(step, options.language_steps, 0.4))
        chosen = rng.integers(0, len(clips), 48)
        texts = [
            clips.tasks[i] if rng.random() < 0.2 else clips.caption(i, rng, options.language_loose_share)
            for i in chosen
        ]
        ids, mask = tokenise(tokenizer, texts)
        loss = reader(encoder(ids, mask).last_hidden_state, mask, torch.tensor([facts(text) for text in texts]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        say("language", step, options.language_steps, loss)
    encoder.requires_grad_(False)
