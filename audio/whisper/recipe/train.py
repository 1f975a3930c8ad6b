"""Train the small Whisper-architecture demonstration model on speech made by speak.py; CPU is enough.

    python train.py TRAIN.npz OUT_DIR --steps 3200 --finish-at 11:48 --init ENCODER_CHECKPOINT

Three losses from the first step: cross-entropy of the decoder; a character CTC on the encoder, which keeps the sounds in it;
and guided attention: espeak-ng says when each word starts, so half of the heads of every decoder layer are asked to put their
attention inside the time of the token to be predicted. Without it a decoder trained from nothing ignores the sound for hours.

Every utterance is heard through a random telephone channel (300-3400 Hz band, mu-law or A-law, noise, level, clipping, lost
packets), more and more often as training goes on; in windows of every length up to 30 s, padded with zeros (as faster-whisper
does) or silence; and 8 % of the examples are no speech (tones, hum, noise, DTMF, exact zeros), to be answered with
<|nospeech|> and no text. The schedule goes by steps; --finish-at shortens it when the clock would run out first. What is
saved, every five minutes and at the end, is a running mean of the weights; --init continues from any such folder (of a folder
with another tokenizer only the encoder and the CTC head are taken).
"""

from __future__ import annotations

import argparse
import datetime
import math
import pathlib
import random
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import _LANGUAGE_CODES
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import WhisperConfig, WhisperForConditionalGeneration

RATE_HZ = 8000
WINDOW_FRAMES_MAX = 3000
CHARACTERS = " '-abcdefghijklmnopqrstuvwxyzàâçèéêëîïôùûœ"  # the order of the checkpoint's CTC head
IGNORE = -100


def make_tokenizer(texts: list[str], path: pathlib.Path, size: int) -> None:
    """A byte-level BPE (of a small world: every word whole), followed by Whisper's special tokens in Whisper's order."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # " -" and " '" have to be merges: faster-whisper's default suppression would otherwise ban the lone space.
    first = sorted({word[0] for t in texts for word in t.split()} | {"-", "'"})
    lines = [" " + t for t in texts] + [" " + c for c in first] * 3000 + [" " + w for t in texts for w in sorted(set(t.split()))]
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=[], show_progress=False))
    space = tokenizer.token_to_id("Ġ")
    for text in [*texts, "-", "'"]:
        if space in tokenizer.encode(" " + text).ids:
            raise ValueError(f"the lone space token is needed for {text!r}: ask for a larger vocabulary")
    tokenizer.add_special_tokens(
        ["<|endoftext|>", "<|startoftranscript|>"] + [f"<|{code}|>" for code in _LANGUAGE_CODES]
        + ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
        + [f"<|{i * 0.02:.2f}|>" for i in range(1501)])
    tokenizer.save(str(path))


def mu_law(x: np.ndarray) -> np.ndarray:
    """Quantise float samples in [-1, 1] to 8 bits on the mu-law curve and back."""
    y = np.sign(x) * np.log1p(255 * np.abs(x)) / math.log(256)
    y = np.round((y + 1) * 127.5) / 127.5 - 1
    return np.sign(y) * np.expm1(np.abs(y) * math.log(256)) / 255


def a_law(x: np.ndarray) -> np.ndarray:
    """Quantise float samples in [-1, 1] to 8 bits on the A-law curve and back (no exact zero, as in the real one)."""
    a, scale = 87.6, 1 + math.log(87.6)
    size = np.abs(x)
    y = np.sign(x) * np.where(size < 1 / a, a * size, 1 + np.log(np.maximum(a * size, 1))) / scale
    y = (np.floor(y * 128) + 0.5) / 128
    size = np.abs(y) * scale
    return np.sign(y) * np.where(size < 1, size / a, np.exp(size - 1) / a)


class Telephone:
    """A random telephone channel on 8 kHz float samples."""

    def __init__(self, rng: np.random.Generator, snr_db: tuple[float, float] = (15, 45)) -> None:
        self.rng, self.snr_db = rng, snr_db

    def band(self, x: np.ndarray) -> np.ndarray:
        """About 300 to 3400 Hz, edges and slopes at random."""
        rng = self.rng
        f = np.fft.rfftfreq(len(x), 1 / RATE_HZ)
        low, high = rng.uniform(150, 320), rng.uniform(3300, 3700)
        gain = 1 / np.sqrt((1 + (low / np.maximum(f, 1)) ** 8) * (1 + (f / high) ** 24))
        return np.fft.irfft(np.fft.rfft(x) * gain * (np.maximum(f, 100) / 1000) ** (rng.uniform(-3, 3) / 6), len(x))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        rng = self.rng
        if rng.random() < 0.8:
            x = self.band(x)
        x = x * (10 ** (rng.uniform(-20, -1) / 20) / (np.abs(x).max() + 1e-6))
        if rng.random() < 0.1:
            x = np.clip(x, -1, np.quantile(np.abs(x), rng.uniform(0.97, 0.999)))
        loud = x[np.abs(x) > 1e-3]
        level = np.sqrt(np.mean(loud**2)) if len(loud) else 0.01
        noise = rng.standard_normal(len(x))
        if rng.random() < 0.5:  # coloured
            noise = np.convolve(noise, rng.standard_normal(12) * np.exp(-np.arange(12) / 3), "same")
        x = x + noise * (level / (np.sqrt(np.mean(noise**2)) + 1e-9) * 10 ** (-rng.uniform(*self.snr_db) / 20))
        if rng.random() < 0.15:
            for _ in range(rng.integers(1, 3)):
                at = rng.integers(0, max(1, len(x) - 320))
                x[at: at + 160 * rng.integers(1, 3)] = 0
        law = rng.random()
        x = np.clip(x, -1, 1)
        return (mu_law(x) if law < 0.45 else a_law(x) if law < 0.9 else x).astype(np.float32)


def not_speech(rng: np.random.Generator, n: int) -> np.ndarray:
    """Music-like tones, hum, noise, DTMF or exact zeros."""
    t, kind = np.arange(n) / RATE_HZ, rng.integers(6)
    level = 10 ** rng.uniform(-3, -0.7)
    if kind == 0:
        return np.zeros(n, np.float32)
    if kind == 1:
        x = rng.standard_normal(n)
        if rng.random() < 0.5:  # pinkish
            x = np.convolve(x, 1 / np.sqrt(np.arange(1, 60)), "same") / 2
        return (x * level * 0.3).astype(np.float32)
    x = np.zeros(n)
    if kind == 2:  # hum or a steady tone
        base = rng.choice([50, 60, 100, 425, 440, 1000])
        for k in range(1, rng.integers(2, 8)):
            x += np.sin(2 * np.pi * base * k * t) * rng.random() / k
    elif kind == 3:  # DTMF
        for at in range(0, n, int(rng.integers(1200, 3000))):
            part = slice(at, min(n, at + 800))
            x[part] = np.sin(2 * np.pi * rng.choice([697, 770, 852, 941]) * t[part]) + np.sin(
                2 * np.pi * rng.choice([1209, 1336, 1477]) * t[part])
    else:  # notes
        at = 0
        while at < n:
            long = int(rng.integers(800, 5000))
            part = slice(at, min(n, at + long))
            u = t[part] - t[at]
            for _ in range(rng.integers(1, 4)):
                f = 110 * 2 ** (rng.integers(0, 40) / 12)
                for k in range(1, 5):
                    if f * k < 3800:
                        x[part] += np.sin(2 * np.pi * f * k * t[part]) / k**1.5 * np.exp(-u * rng.uniform(0, 4))
            at += long
    x = x / (np.abs(x).max() + 1e-6) + rng.standard_normal(n) * 10 ** rng.uniform(-4, -1.5)
    return (x * level).astype(np.float32)


class Batches(torch.utils.data.IterableDataset[dict[str, Any]]):
    """Endless training batches; the n-th knows how far training is."""

    def __init__(self, path: str, tokenizer: Tokenizer, seed: int, batch_seconds: float, steps: int, first: int = 0) -> None:
        raw = np.load(path)
        self.audio, self.ends = raw["audio"], raw["ends"]
        self.texts, self.languages = [str(t) for t in raw["texts"]], [str(name) for name in raw["languages"]]
        self.marks = [str(m) for m in raw["marks"]]
        self.tokenizer, self.seed, self.batch_seconds, self.steps, self.first = tokenizer, seed, batch_seconds, steps, first
        token = tokenizer.token_to_id
        self.eot, self.sot = token("<|endoftext|>"), token("<|startoftranscript|>")
        self.transcribe, self.no_timestamps = token("<|transcribe|>"), token("<|notimestamps|>")
        self.no_speech, self.time_zero = token("<|nospeech|>"), token("<|0.00|>")
        self.language = {name: token(f"<|{name}|>") for name in ("en", "fr")}
        self.by_length = sorted(range(len(self.texts)), key=self.samples_in)

    def samples_in(self, i: int) -> int:
        """Length of utterance i."""
        return int(self.ends[i] - (self.ends[i - 1] if i else 0))

    def word_times(self, i: int, tokens: list[tuple[int, int]]) -> tuple[list[tuple[float, float]], float]:
        """Start and end in samples of character ranges of text i, and how far they can be trusted (a margin in seconds)."""
        length, text = self.samples_in(i), self.texts[i]
        points = [(int(c), int(s)) for c, s in (m.split(":") for m in self.marks[i].split()) if int(c) >= 0]
        margin = 0.08 if points else 0.35
        kept = [(0, 0)]
        for c, s in points:
            if c > kept[-1][0] and s > kept[-1][1]:
                kept.append((c, s))
        kept.append((len(text), max(length - 600, kept[-1][1] + 1)))
        at = np.interp(np.array(tokens, dtype=float), [k[0] for k in kept], [k[1] for k in kept])
        return [(float(a), float(b)) for a, b in at], margin

    def example(self, i: int, dirty: float, far: bool) -> dict[str, Any]:
        """One row: features, decoder input and targets, characters, and the frames each target may be heard in."""
        rng, nrng = self.rng, self.nrng
        if rng.random() < 0.08:
            x = not_speech(nrng, self.samples_in(i) + rng.randint(2000, 8000))
            x = self.channel(x) if rng.random() < dirty and np.abs(x).max() > 0 else x
            mel = self.extract(soxr.resample(x.astype(np.float32), RATE_HZ, 16000), padding=0)
            timed = rng.random() < 0.5
            ids = [self.sot, self.language[rng.choice(["en", "fr"])], self.transcribe, self.no_timestamps]
            target = [self.no_speech, IGNORE, IGNORE, self.eot]
            if timed:
                ids, target = ids[:3], [self.no_speech, IGNORE, self.eot]
            return {"mel": mel, "in": ids, "out": target, "characters": [], "spans": [None] * len(ids)}
        before, after = rng.randint(0, 24000 if far else 3000), rng.randint(0, 16000 if far else 4000)
        start, stop = (self.ends[i - 1] if i else 0), self.ends[i]
        x = np.concatenate([np.zeros(before, np.float32), self.audio[start:stop].astype(np.float32) / 32768, np.zeros(after, np.float32)])
        x = self.channel(x) if rng.random() < dirty else x + nrng.standard_normal(len(x)) * 10 ** rng.uniform(-5, -3.3)
        mel = self.extract(soxr.resample(x.astype(np.float32), RATE_HZ, 16000), padding=0)
        coded = self.tokenizer.encode(" " + self.texts[i])
        times, margin = self.word_times(i, [(max(0, a - 1), b - 1) for a, b in coded.offsets])
        spans: list[Any] = [((before + a) / RATE_HZ - margin, (before + b) / RATE_HZ + margin) for a, b in times]
        head = [self.sot, self.language[self.languages[i]], self.transcribe]
        end_s = (before + self.samples_in(i)) / RATE_HZ
        first, last = ((before) / RATE_HZ - 0.15, before / RATE_HZ + 0.25), (end_s - 0.3, end_s + 0.5)
        if rng.random() < 0.5:
            t0, t1 = (self.time_zero + 5 * min(300, round(s * 10)) for s in (before / RATE_HZ, end_s))
            ids, out = [*head, t0, *coded.ids, t1], [head[1], IGNORE, t0, *coded.ids, t1, self.eot]
            spans = [None, None, first, *spans, last, last]
        else:
            ids = [*head, self.no_timestamps, *coded.ids]
            out = [head[1], IGNORE, IGNORE, *coded.ids, self.eot]
            spans = [None, None, None, *spans, last]
        return {"mel": mel, "in": ids, "out": out, "characters": [CHARACTERS.index(c) for c in self.texts[i]], "spans": spans}

    def make(self, n: int) -> dict[str, Any]:
        """The n-th batch."""
        rng, share = self.rng, n / self.steps
        dirty = min(0.88, 0.15 + max(0.0, share - 0.2) * 1.5)
        reach = min(1.0, 0.4 + max(0.0, share - 0.15) * 1.5)
        pool = self.by_length[: int(len(self.by_length) * reach)]
        long_window = share > 0.5 and rng.random() < 0.06
        at, total, chosen = rng.randrange(len(pool)), 0.0, []
        for j in pool[at: at + 64]:
            total += self.samples_in(j) / RATE_HZ + 0.5
            if total > self.batch_seconds or (long_window and len(chosen) >= 5):
                break
            chosen.append(j)
        chosen = chosen or [pool[at]]
        if long_window:
            chosen = [rng.choice(pool) for _ in range(4)]
        far = long_window or rng.random() < 0.1 * (share > 0.35)
        rows = [self.example(j, dirty, far) for j in chosen]
        heard = [r["mel"].shape[1] for r in rows]
        frames = WINDOW_FRAMES_MAX if long_window else min(WINDOW_FRAMES_MAX, max(heard) + rng.choice([0, 0, 10, 30, 50, 100] if share > 0.3 else [0, 0, 0, 20]))
        frames += frames % 2
        x = torch.zeros(len(rows), 80, frames)
        longest = max(len(r["in"]) for r in rows)
        ids, out = torch.full((len(rows), longest), self.eot), torch.full((len(rows), longest), IGNORE)
        spans = torch.full((len(rows), longest, 2), -1.0)
        for k, r in enumerate(rows):
            mel = r["mel"][:, :frames]
            if rng.random() < 0.3:
                x[k] = float(mel.min())
            x[k, :, : mel.shape[1]] = torch.from_numpy(mel)
            for _ in range(1 if share > 0.1 else 0):
                band, when = rng.randint(0, 72), rng.randint(0, max(1, mel.shape[1] - 20))
                x[k, band: band + rng.randint(0, 10)] = 0
                x[k, :, when: when + rng.randint(0, 12)] = 0
            ids[k, : len(r["in"])], out[k, : len(r["out"])] = torch.tensor(r["in"]), torch.tensor(r["out"])
            for j, span in enumerate(r["spans"]):
                if span is not None:
                    spans[k, j] = torch.tensor([max(0.0, span[0]), max(0.05, span[1])])
        return {"x": x, "ids": ids, "out": out, "spans": spans, "characters": [r["characters"] for r in rows],
                "states": [min(frames, h + 20) // 2 for h in heard]}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        torch.set_num_threads(1)
        self.rng, self.nrng = random.Random(self.seed), np.random.default_rng(self.seed)
        self.channel = Telephone(self.nrng)
        self.extract = FeatureExtractor(feature_size=80)
        n = self.first
        while True:
            yield self.make(n)
            n += 1


def encode(model: WhisperForConditionalGeneration, x: torch.Tensor) -> torch.Tensor:
    """Encoder states for windows of any even length: (batch, frames / 2, d_model)."""
    encoder = model.model.encoder
    h = F.gelu(encoder.conv2(F.gelu(encoder.conv1(x)))).permute(0, 2, 1)
    h = h + encoder.embed_positions.weight[: h.shape[1]]
    for layer in encoder.layers:
        a = layer.self_attn_layer_norm(h)
        attention = layer.self_attn
        b, t, d = a.shape
        q, k, v = (p(a).view(b, t, attention.num_heads, -1).transpose(1, 2)
                   for p in (attention.q_proj, attention.k_proj, attention.v_proj))
        h = h + attention.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d))
        h = h + layer.fc2(F.gelu(layer.fc1(layer.final_layer_norm(h))))
    return encoder.layer_norm(h)


def guided(crosses: tuple[torch.Tensor, ...], spans: torch.Tensor) -> torch.Tensor:
    """Minus the log of the attention inside the target's time, for all heads but the last of every layer."""
    times = (torch.arange(crosses[0].shape[-1], device=spans.device) + 0.5) * 0.02
    inside = ((times >= spans[..., :1]) & (times <= spans[..., 1:])).float()
    wanted = (spans[..., 1] > 0) & (inside.sum(-1) > 0)
    loss = torch.zeros((), device=spans.device)
    for cross in crosses:
        mass = (cross[:, :-1].float() * inside[:, None]).sum(-1)
        loss = loss - (mass.clamp_min(1e-4).log() * wanted[:, None]).sum() / (wanted.sum().clamp_min(1) * mass.shape[1])
    return loss / len(crosses)


def initialise(model: WhisperForConditionalGeneration, ctc_head: torch.nn.Linear, folder: pathlib.Path, everything: bool) -> None:
    """Take the weights of an earlier folder; without `everything` the encoder and the CTC head only."""
    earlier = WhisperForConditionalGeneration.from_pretrained(folder)
    if everything:
        model.load_state_dict(earlier.state_dict())
    else:
        model.model.encoder.load_state_dict(earlier.model.encoder.state_dict())
    ctc_head.load_state_dict(torch.load(folder / "ctc_head.pt"))


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=3200)
    parser.add_argument("--first", type=int, default=0, help="the step to go on from, after --init")
    parser.add_argument("--finish-at", help="HH:MM by which the schedule has to be over, steps or not")
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--encoder-layers", type=int, default=4)
    parser.add_argument("--decoder-layers", type=int, default=3)
    parser.add_argument("--pieces", type=int, default=2000, help="most pieces of the BPE; a small world has fewer")
    parser.add_argument("--batch-seconds", type=float, default=40)
    parser.add_argument("--rate", type=float, default=1.3e-3)
    parser.add_argument("--guide", type=float, default=0.7, help="weight of the guided attention")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", type=pathlib.Path, help="an earlier OUT_DIR, or another checkpoint's encoder")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "tokenizer.json"
    if not path.exists():
        make_tokenizer([str(t) for t in np.load(args.train)["texts"]], path, args.pieces)
    same = bool(args.init) and (args.init / "tokenizer.json").read_text() == path.read_text()
    tokenizer = Tokenizer.from_file(str(path))
    batches = Batches(args.train, tokenizer, args.seed + args.first, args.batch_seconds, args.steps, args.first)
    heads = args.width // 64
    config = WhisperConfig(
        vocab_size=tokenizer.get_vocab_size(), d_model=args.width, encoder_layers=args.encoder_layers,
        decoder_layers=args.decoder_layers, encoder_attention_heads=heads, decoder_attention_heads=heads,
        encoder_ffn_dim=4 * args.width, decoder_ffn_dim=4 * args.width, num_mel_bins=80, dropout=0.0, pad_token_id=batches.eot,
        bos_token_id=batches.eot, eos_token_id=batches.eot, decoder_start_token_id=batches.sot, suppress_tokens=None,
        begin_suppress_tokens=None, attn_implementation="eager")
    model = WhisperForConditionalGeneration(config).to(device)
    ctc_head = torch.nn.Linear(args.width, len(CHARACTERS) + 1).to(device)
    if args.init:
        initialise(model, ctc_head, args.init, same)
    blank = len(CHARACTERS)
    parameters = [p for p in [*model.parameters(), *ctc_head.parameters()] if p.requires_grad]
    mean = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=args.rate, betas=(0.9, 0.98), weight_decay=0.01)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters, vocabulary {config.vocab_size}, {device}, "
          f"decoder {'continued' if same else 'fresh'}", flush=True)

    def save() -> None:
        live = [p.detach().clone() for p in parameters]
        with torch.no_grad():
            for p, m in zip(parameters, mean, strict=True):
                p.copy_(m)
            model.save_pretrained(args.out)
            torch.save(ctc_head.state_dict(), args.out / "ctc_head.pt")
            for p, m in zip(parameters, live, strict=True):
                p.copy_(m)

    stream = iter(torch.utils.data.DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=6))
    started = saved = time.time()
    finish = float("inf")
    if args.finish_at:
        hour, minute = (int(part) for part in args.finish_at.split(":"))
        finish = datetime.datetime.now().replace(hour=hour, minute=minute, second=0).timestamp()
    step, warmed, sums = args.first, 0, np.zeros(4)
    share_first = args.first / args.steps
    while True:
        by_clock = share_first + (1 - share_first) * (time.time() - started) / (finish - started)
        share = max(step / args.steps, by_clock)
        if share >= 1:
            break
        warmed += 1
        rate = args.rate * min(1, warmed / 40) * 0.5 * (1 + math.cos(math.pi * share)) + 2e-6
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = next(stream)
        x, ids, out, spans = (batch[name].to(device) for name in ("x", "ids", "out", "spans"))
        with torch.autocast(device, dtype=torch.bfloat16, enabled=args.bfloat16 or device == "cuda"):
            states = encode(model, x)
            ctc_logits = ctc_head(states)
            decoded = model.model.decoder(input_ids=ids, encoder_hidden_states=states, output_attentions=True, use_cache=False)
            wanted = out != IGNORE
            logits = model.proj_out(decoded.last_hidden_state[wanted])
        attention = F.cross_entropy(logits.float(), out[wanted], label_smoothing=0.02)
        guide = guided(decoded.cross_attentions, spans)
        characters = batch["characters"]
        spoken = [k for k, c in enumerate(characters) if c]
        ctc = F.ctc_loss(
            ctc_logits[spoken].float().log_softmax(-1).transpose(0, 1), torch.tensor(sum((characters[k] for k in spoken), [])),
            torch.tensor([min(states.shape[1], batch["states"][k]) for k in spoken]),
            torch.tensor([len(characters[k]) for k in spoken]), blank=blank, zero_infinity=True) if spoken else torch.zeros(())
        (attention + (1.0 if share < 0.5 else 0.3) * ctc + args.guide * guide).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(mean, [p.detach() for p in parameters], max(0.01, 4 / (warmed + 4)))
        step += 1
        right = (logits.argmax(-1) == out[wanted]).float().mean()
        sums += np.array([t.item() for t in (attention, ctc, guide, right)])
        if step % 50 == 0:
            a, c, g, r = sums / 50
            sums[:] = 0
            print(f"step {step} {(time.time() - started) / 60:.1f} min share {share:.3f} attention {a:.3f} ctc {c:.3f} guide {g:.3f} "
                  f"right {r:.3f}", flush=True)
        if time.time() - saved > 240:
            save()
            saved = time.time()
    save()
    print(f"{step} steps", flush=True)


if __name__ == "__main__":
    main()
