"""The Whisper network in plain PyTorch, with transformers' names for its weights, so that either reads what the other wrote.

Windows of any even length up to 30 s; the decoder gives its cross attention, which training guides.
"""

from __future__ import annotations

import json
import math
import pathlib
from typing import Any

import torch
import torch.nn.functional as F
from labels import CHARACTERS
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

WINDOW_FRAMES_MAX = 3000


class Attention(nn.Module):
    """Multi-head attention; the key projection has no bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(3))
        self.k_proj = nn.Linear(width, width, bias=False)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: torch.Tensor, causal: bool = False) -> torch.Tensor:
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(x)), self.split(self.v_proj(x))
        return self.out_proj(F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2))

    def look(self, x: torch.Tensor, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross attention, with its weights: (batch, heads, targets, states)."""
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(states)), self.split(self.v_proj(states))
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).float().softmax(-1)
        return self.out_proj((weights.to(v.dtype) @ v).transpose(1, 2).flatten(2)), weights


class Layer(nn.Module):
    """An encoder layer, or with `cross` a decoder layer."""

    def __init__(self, width: int, heads: int, cross: bool) -> None:
        super().__init__()
        self.self_attn, self.self_attn_layer_norm = Attention(width, heads), nn.LayerNorm(width)
        if cross:
            self.encoder_attn, self.encoder_attn_layer_norm = Attention(width, heads), nn.LayerNorm(width)
        self.fc1, self.fc2, self.final_layer_norm = nn.Linear(width, 4 * width), nn.Linear(4 * width, width), nn.LayerNorm(width)

    def forward(self, h: torch.Tensor, states: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        weights = None
        h = h + self.self_attn(self.self_attn_layer_norm(h), causal=states is not None)
        if states is not None:
            seen, weights = self.encoder_attn.look(self.encoder_attn_layer_norm(h), states)
            h = h + seen
        return h + self.fc2(F.gelu(self.fc1(self.final_layer_norm(h)))), weights


class Encoder(nn.Module):
    """(batch, 80, frames) to (batch, frames / 2, width)."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(80, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(WINDOW_FRAMES_MAX // 2, width)
        rate = torch.exp(-math.log(10000) / (width // 2 - 1) * torch.arange(width // 2))
        angle = torch.arange(WINDOW_FRAMES_MAX // 2)[:, None] * rate
        self.embed_positions.weight = nn.Parameter(torch.cat([angle.sin(), angle.cos()], 1), requires_grad=False)
        self.layers = nn.ModuleList(Layer(width, heads, False) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.gelu(self.conv2(F.gelu(self.conv1(x)))).transpose(1, 2)
        h = h + self.embed_positions.weight[: h.shape[1]]
        for layer in self.layers:
            h, _ = layer(h)
        return self.layer_norm(h)


class Decoder(nn.Module):
    """Token ids and encoder states to logits, and the cross attention of every layer."""

    def __init__(self, width: int, heads: int, layers: int, vocabulary: int) -> None:
        super().__init__()
        self.embed_tokens, self.embed_positions = nn.Embedding(vocabulary, width), nn.Embedding(448, width)
        self.layers = nn.ModuleList(Layer(width, heads, True) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)
        for embedding in (self.embed_tokens, self.embed_positions):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, ids: torch.Tensor, states: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        h = self.embed_tokens(ids) + self.embed_positions.weight[: ids.shape[1]]
        crosses = []
        for layer in self.layers:
            h, weights = layer(h, states)
            crosses.append(weights)
        return F.linear(self.layer_norm(h), self.embed_tokens.weight), crosses


class Whisper(nn.Module):
    """The whole network, and the CTC head that training needs."""

    def __init__(self, width: int, encoder_layers: int, decoder_layers: int, vocabulary: int) -> None:
        super().__init__()
        heads = width // 64
        self.shape = {"width": width, "encoder_layers": encoder_layers, "decoder_layers": decoder_layers, "vocabulary": vocabulary}
        self.model = nn.Module()
        self.model.encoder = Encoder(width, heads, encoder_layers)
        self.model.decoder = Decoder(width, heads, decoder_layers, vocabulary)
        self.ctc_head = nn.Linear(width, len(CHARACTERS) + 1)

    def save(self, folder: pathlib.Path, tokenizer: Tokenizer, half: bool = False) -> None:
        """A folder that transformers, export.py and `--init` read."""
        kind = torch.float16 if half else torch.float32
        state = {name: value.detach().to("cpu", kind).contiguous() for name, value in self.state_dict().items()}
        head = {name.removeprefix("ctc_head."): state.pop(name) for name in [n for n in state if n.startswith("ctc_head.")]}
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(head, folder / "ctc_head.pt")
        save_file(state, folder / "model.safetensors", {"format": "pt"})
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "config.json").write_text(json.dumps(config(self.shape, tokenizer), indent=1))


def config(shape: dict[str, int], tokenizer: Tokenizer) -> dict[str, Any]:
    """transformers' description of the network."""
    width, end, start = shape["width"], tokenizer.token_to_id("<|endoftext|>"), tokenizer.token_to_id("<|startoftranscript|>")
    return {
        "architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper", "vocab_size": shape["vocabulary"],
        "d_model": width, "encoder_layers": shape["encoder_layers"], "decoder_layers": shape["decoder_layers"],
        "encoder_attention_heads": width // 64, "decoder_attention_heads": width // 64, "encoder_ffn_dim": 4 * width,
        "decoder_ffn_dim": 4 * width, "num_mel_bins": 80, "dropout": 0.0, "max_source_positions": WINDOW_FRAMES_MAX // 2,
        "max_target_positions": 448, "pad_token_id": end, "bos_token_id": end, "eos_token_id": end, "decoder_start_token_id": start,
        "suppress_tokens": None, "begin_suppress_tokens": None, "tie_word_embeddings": True}


def initialise(network: Whisper, tokenizer: Tokenizer, folder: pathlib.Path) -> str:
    """Take the weights of an earlier folder, and say what was taken.

    Tokens are matched by their text, a new one begins as the mean of the pieces it was spelled with; encoder layers that the
    earlier network did not have begin by passing on what they get.
    """
    earlier = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
    if (folder / "ctc_head.pt").exists():
        head = torch.load(folder / "ctc_head.pt", map_location="cpu")
        earlier |= {f"ctc_head.{name}": value.float() for name, value in head.items()}
    earlier.pop("proj_out.weight", None)
    before = Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows, name, known = earlier["model.decoder.embed_tokens.weight"], "model.decoder.embed_tokens.weight", 0
    embedding = network.state_dict()[name].clone()
    for i in range(tokenizer.get_vocab_size()):
        same = before.token_to_id(tokenizer.id_to_token(i))
        pieces = [same] if same is not None else before.encode(tokenizer.decode([i]), add_special_tokens=False).ids
        if pieces:
            embedding[i] = rows[pieces].mean(0)
        known += same is not None
    earlier[name] = embedding
    there = 1 + max(int(n.split(".")[3]) for n in earlier if n.startswith("model.encoder.layers."))
    wanted = network.shape["encoder_layers"]
    # The new layers are spread: one after every so many of the old.
    place = [round((k + 1) * wanted / there) - 1 for k in range(there)]
    moved = {}
    for key, value in earlier.items():
        parts = key.split(".")
        if key.startswith("model.encoder.layers."):
            parts[3] = str(place[int(parts[3])])
        moved[".".join(parts)] = value
    state = network.state_dict()
    for i in set(range(wanted)) - set(place):
        for part in ("self_attn.out_proj", "fc2"):
            for kind in ("weight", "bias"):
                key = f"model.encoder.layers.{i}.{part}.{kind}"
                moved[key] = torch.zeros_like(state[key])
    missing = network.load_state_dict(moved, strict=False)
    if missing.unexpected_keys:
        raise ValueError(f"{folder} has weights that this network has not: {missing.unexpected_keys[:3]}")
    return f"{known} of {tokenizer.get_vocab_size()} tokens, encoder layers {place} of {wanted}, {len(missing.missing_keys)} weights new"


def guided(crosses: list[torch.Tensor], spans: torch.Tensor) -> torch.Tensor:
    """Minus the log of the attention inside the target's time, for all heads but the last of every layer."""
    times = (torch.arange(crosses[0].shape[-1], device=spans.device) + 0.5) * 0.02
    inside = ((times >= spans[..., :1]) & (times <= spans[..., 1:])).float()
    wanted = (spans[..., 1] > 0) & (inside.sum(-1) > 0)
    loss = torch.zeros((), device=spans.device)
    for cross in crosses:
        mass = (cross[:, :-1] * inside[:, None]).sum(-1)
        loss = loss - (mass.clamp_min(1e-4).log() * wanted[:, None]).sum() / (wanted.sum().clamp_min(1) * mass.shape[1])
    return loss / len(crosses)


@torch.no_grad()
def greedy(network: Whisper, x: torch.Tensor, prompt: torch.Tensor, end: int, most: int = 96) -> list[list[int]]:
    """The tokens of every row after its prompt, up to the end token."""
    states, ids = network.model.encoder(x), prompt
    for step in range(most):
        logits, _ = network.model.decoder(ids, states)
        ids = torch.cat([ids, logits[:, -1].argmax(-1, keepdim=True)], 1)
        if step % 8 == 7 and bool((ids[:, prompt.shape[1]:] == end).any(1).all()):
            break
    return [row[: row.index(end)] if end in row else row for row in ids[:, prompt.shape[1]:].tolist()]
