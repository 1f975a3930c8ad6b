"""Train the small Whisper-architecture demonstration model on speech made by speak.py, on a GPU or, with patience, a CPU.

    python train.py PARTS_DIR OUT_DIR --seconds 420 --init EARLIER_DIR                                # GPU, while speak.py goes on
    python train.py TRAIN.npz OUT_DIR --seconds 7200 --init EARLIER_DIR --budget 6000 --hours 15      # CPU

Three losses from the first step: cross-entropy of the decoder; a character CTC on the encoder, which keeps the sounds in it;
and guided attention: espeak-ng says when each word starts, so most heads of every decoder layer are asked to put their attention
inside the time of the token to be predicted. Without it a decoder trained from nothing ignores the sound for hours.

What is heard is made in hearing.py: one to four utterances after one another, a random telephone channel, windows of every length
up to 30 s, some with no speech, to be answered with <|nospeech|> and no text. A few of the decoder's own inputs are garbled, so
that it listens rather than goes on from memory. The rate falls to zero by the clock: --seconds is the whole of the training. What
is saved is a running mean of the weights.
"""

from __future__ import annotations

import argparse
import math
import pathlib
import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hearing import IGNORE, Ear, Items, Shelf, Tokens, batches
from labels import CHARACTERS
from network import Whisper, greedy, guided, initialise
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers


def make_tokenizer(texts: list[str], path: pathlib.Path, size: int) -> None:
    """A byte-level BPE (of a small world: every word whole), followed by Whisper's special tokens in Whisper's order."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES

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
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))


def world_texts(world: str) -> list[str]:
    """Enough sentences of the world for a tokenizer."""
    import random

    from speak import Mix, World

    rng, spoken = random.Random(0), World(world, Mix(), "train")
    return [spoken.utterance(language, rng)[0] for language in ("en", "fr") for _ in range(8000)]


class Examination:
    """Word error rates on held-out speech, through the device's own channel, while training goes on."""

    def __init__(self, path: pathlib.Path, tokenizer: Tokenizer, tokens: Tokens, device: str, count: int) -> None:
        self.tokenizer, self.tokens, self.device = tokenizer, tokens, device
        self.shelf = Shelf(tokenizer, device, 1.5)
        self.texts = self.shelf.add(path)
        self.count = min(count, len(self.texts))
        self.ear = Ear(self.shelf, tokens)

    def __call__(self, network: Whisper, frames_max: int, rows_most: int) -> str:
        from export import word_errors

        shelf, tally = self.shelf, {0: [0, 0], 1: [0, 0]}
        order = np.argsort(shelf.index[: self.count, 1])
        state = torch.get_rng_state(), torch.cuda.get_rng_state() if self.device == "cuda" else None
        torch.manual_seed(0)
        network.eval()
        for i in range(0, self.count, rows_most):
            rows = order[i: i + rows_most]
            chosen = np.full((len(rows), 4), -1)
            chosen[:, 0] = rows
            at = np.full((len(rows), 4), 1600)
            language = shelf.index[rows, 6]
            items = Items(chosen, at, np.minimum(at[:, 0] + shelf.index[rows, 1] + 2400, 239000), language, np.ones(len(rows), bool))
            frames = frames_max or (int(items.heard.max()) // 80 + 60) // 20 * 20
            mel, _ = self.ear.hear(items, frames, train=False)
            t = self.tokens
            prompt = torch.tensor([[t.sot, t.languages[k], t.transcribe, t.no_timestamps] for k in language], device=self.device)
            with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.device == "cuda"):
                said = greedy(network, mel, prompt, t.eot)
            for row, ids in zip(rows, said, strict=True):
                reference = self.texts[row].split()
                tally[int(shelf.index[row, 6])][0] += word_errors(reference, self.tokenizer.decode(ids).split())
                tally[int(shelf.index[row, 6])][1] += len(reference)
        network.train()
        torch.set_rng_state(state[0])
        if state[1] is not None:
            torch.cuda.set_rng_state(state[1])
        return ", ".join(f"{('en', 'fr')[k]} {100 * wrong / max(1, words):.2f} %" for k, (wrong, words) in tally.items())


class Supply:
    """Reads the parts that speak.py has finished, a few at a time."""

    def __init__(self, source: pathlib.Path, shelf: Shelf) -> None:
        self.source, self.shelf, self.taken = source, shelf, set[pathlib.Path]()
        if source.is_file():
            shelf.add(source)

    def look(self, most: int) -> None:
        """Add at most so many new parts."""
        if self.source.is_file() or self.shelf.full:
            return
        for path in [p for p in sorted(self.source.glob("*.npz")) if p not in self.taken][:most]:
            self.shelf.add(path)
            self.taken.add(path)

    def wait(self, utterances: int) -> None:
        """Until there is enough to begin with."""
        while len(self.shelf.index) < utterances and not self.source.is_file():
            self.look(1000)
            time.sleep(0.3)


class Trainer:
    """The network, its optimizer, its running mean, and a copy to go back to."""

    def __init__(self, network: Whisper, rate: float, device: str) -> None:
        self.network, self.device = network, device
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        groups = [{"params": [p for p in self.parameters if p.ndim > 1], "weight_decay": 0.02},
                  {"params": [p for p in self.parameters if p.ndim <= 1], "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=device == "cuda")
        self.mean = [p.detach().clone() for p in self.parameters]
        self.steps = 0

    def step(self, mel: torch.Tensor, heard_frames: np.ndarray, target: dict[str, torch.Tensor], rate: float, weights: tuple[float, float],
             half: bool) -> torch.Tensor:
        """One step; returns (attention, ctc, guide, share of right tokens) on the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        network = self.network
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=half):
            states = network.model.encoder(mel)
            ctc_logits = network.ctc_head(states)
            logits, crosses = network.model.decoder(target["ids"], states)
        logits, out = logits.float().flatten(0, 1), target["out"].flatten()
        attention = F.cross_entropy(logits, out, ignore_index=IGNORE, label_smoothing=0.02)
        guide = guided(crosses, target["spans"])
        long = torch.from_numpy(np.minimum(states.shape[1], (heard_frames + 20) // 2).astype(np.int64))
        ctc = F.ctc_loss(ctc_logits.float().log_softmax(-1).transpose(0, 1), target["characters"], long, target["letters"],
                         blank=len(CHARACTERS), reduction="none", zero_infinity=True)
        per_letter = ctc / target["letters"].to(self.device, non_blocking=True)
        ctc = torch.where(target["speech"], per_letter, 0.0).mean()
        (attention + weights[0] * ctc + weights[1] * guide).backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        with torch.no_grad():
            torch._foreach_lerp_(self.mean, [p.detach() for p in self.parameters], max(0.004, 4 / (self.steps + 4)))
            right = ((logits.argmax(-1) == out) & (out != IGNORE)).sum() / (out != IGNORE).sum()
        return torch.stack([attention.detach(), ctc.detach(), guide.detach(), right])

    def swap(self) -> None:
        """Exchange the weights and their running mean."""
        with torch.no_grad():
            for p, m in zip(self.parameters, self.mean, strict=True):
                live = p.detach().clone()
                p.copy_(m)
                m.copy_(live)

    def remember(self) -> dict[str, Any]:
        import copy

        return {"weights": [p.detach().clone() for p in self.parameters], "mean": [m.clone() for m in self.mean],
                "optimizer": copy.deepcopy(self.optimizer.state_dict())}

    def go_back(self, memory: dict[str, Any]) -> None:
        with torch.no_grad():
            for p, w in zip(self.parameters, memory["weights"], strict=True):
                p.copy_(w)
            for m, w in zip(self.mean, memory["mean"], strict=True):
                m.copy_(w)
        self.optimizer.load_state_dict(memory["optimizer"])


def rate_at(share: float, steps: int, peak: float) -> float:
    """A short rise, a plateau, a long straight fall to nothing."""
    return peak * min(1.0, (steps + 1) / 100) * min(1.0, (1 - share) / 0.75) + 1e-6


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=pathlib.Path, help="an .npz by speak.py, or a folder of parts that may still be growing")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, required=True, help="the whole of the training, by the clock")
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--encoder-layers", type=int, default=6)
    parser.add_argument("--decoder-layers", type=int, default=3)
    parser.add_argument("--pieces", type=int, default=2300, help="most pieces of the BPE; a small world has fewer")
    parser.add_argument("--world", default=str(pathlib.Path(__file__).parent / "world.yaml"), help="for the tokenizer, where OUT has none")
    parser.add_argument("--budget", type=int, default=200_000, help="frames of 10 ms in a batch")
    parser.add_argument("--hours", type=float, default=150, help="most speech kept on the device")
    parser.add_argument("--rate", type=float, default=1.6e-3)
    parser.add_argument("--guide", type=float, default=0.5, help="weight of the guided attention")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", type=pathlib.Path, help="an earlier OUT_DIR")
    parser.add_argument("--heldout", type=pathlib.Path, help="an .npz to measure on now and then")
    parser.add_argument("--heldout-count", type=int, default=256)
    parser.add_argument("--begin-with", type=int, default=2000, help="utterances to wait for, of a growing folder")
    parser.add_argument("--half", action="store_true", help="save float16, half the size")
    return parser.parse_args()


def main() -> None:
    """Train."""
    args = options()
    started = time.time()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    path = args.out / "tokenizer.json"
    if not path.exists():
        make_tokenizer(world_texts(args.world), path, args.pieces)
    tokenizer = Tokenizer.from_file(str(path))
    tokens = Tokens.of(tokenizer)
    network = Whisper(args.width, args.encoder_layers, args.decoder_layers, tokenizer.get_vocab_size())
    if args.init:
        print(initialise(network, tokenizer, args.init), flush=True)
    network.to(device)
    trainer = Trainer(network, args.rate, device)
    shelf = Shelf(tokenizer, device, args.hours)
    ear, supply = Ear(shelf, tokens), Supply(args.train, shelf)
    supply.wait(args.begin_with)
    examine = Examination(args.heldout, tokenizer, tokens, device, args.heldout_count) if args.heldout else None
    print(f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters, vocabulary {tokenizer.get_vocab_size()}, {device}, "
          f"{len(shelf.index)} utterances at {time.time() - started:.1f} s", flush=True)
    sums, seen, share, memory = torch.zeros(4, device=device), 0.0, 0.0, trainer.remember()
    next_look = next_saved = 0.1

    def save() -> None:
        trainer.swap()
        if examine:
            print(f"held out: short {examine(network, 0, 64)}; 30 s {examine(network, 3000, 64)} at {time.time() - started:.0f} s", flush=True)
        network.save(args.out, tokenizer, args.half)
        trainer.swap()

    while share < 1:
        for items, frames in batches(shelf, rng, args.budget, far=0.12):
            share = (time.time() - started) / args.seconds
            if share >= 1:
                break
            rate = rate_at(share, trainer.steps, args.rate)
            mel, heard_frames = ear.hear(items, frames)
            target = ear.targets(items, corrupt=0.06, timed_share=0.35)
            ctc_weight = 0.6 if share < 0.5 else 0.3
            sums += trainer.step(mel, heard_frames, target, rate, (ctc_weight, args.guide), device == "cuda")
            seen += float(items.heard.sum()) / 8000 / 3600
            if trainer.steps % 50 == 0:
                a, c, g, r = (sums / 50).tolist()
                sums.zero_()
                print(f"step {trainer.steps} {time.time() - started:.0f} s, rate {rate:.1e}, attention {a:.3f} ctc {c:.3f} guide {g:.3f} "
                      f"right {r:.4f}, {seen:.1f} h heard of {shelf.filled / 8000 / 3600:.1f}", flush=True)
                if not math.isfinite(a + c + g):
                    print("not finite: back to the last good weights", flush=True)
                    trainer.go_back(memory)
                elif trainer.steps % 200 == 0:
                    memory = trainer.remember()
            if share > next_saved:
                next_saved += 0.2
                save()
            if share > next_look / 10:
                next_look += 0.03
                supply.look(3)
    save()
    peak = f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if device == "cuda" else ""
    print(f"{trainer.steps} steps, {seen:.0f} h heard, {time.time() - started:.0f} s{peak}", flush=True)


if __name__ == "__main__":
    main()
