"""Fits `network.npz`: a small network that reads the words of an utterance in their order, all languages together.

    python -m streams.language.recipe.fit_network --vectors FILE.npz     # the file
    python -m streams.language.recipe.fit_network --only-check           # cross-validation alone

On the utterances of `labelled.py`. A word is the sum of what its parts are; five neighbouring words together make each feature, and
the most and the mean of a feature over the utterance speak for the categories and the sentiment. In training some words and some
parts of words are left out, some words are misheard (`words_corrupt.py`), and some utterances are followed by another of the same
speaker, whose categories then are said as well, and whose feeling counts unless one praises and the other complains. With the vectors that
`fit_semantic.py --vectors` keeps, it learns to tell the utterance's vector as well, by weights that are then thrown away: what is
near in meaning gets like features, also where few utterances say so. Needs PyTorch (`pip install torch`), which running Vigie does
not. On one core an hour and a half, a fold nearly as much.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from streams.evaluation.words_corrupt import Corruptor
from streams.language.catalogue import CATEGORIES
from streams.language.embedding import read_as
from streams.language.fitted import NEUTRAL
from streams.language.network import REACH, SIDES, SLOTS, part_slots, side_of
from streams.language.recipe.labelled import (
    FOLDS,
    Labelled,
    corpus_mark,
    folds_of,
    macro_f1,
    precision_recall,
    read_all,
    recipe_parser,
    said_in,
    weights_of,
)
from streams.language.text import LANGUAGES, tidy, words_of
from streams.language.weights import NETWORK_FILE, Floats

WIDTH, FEATURES = 32, 256
NETWORKS = 2
"""Fitted apart from each other, and stored as one: where one is wrong, the other often is not. That brings more than a wider network,
or one of more features."""
EPOCHS, BATCH, RATE, DECAY = 32, 128, 5e-3, 0.02
JOINED, MISHEARD, LEFT_OUT, PARTS_LEFT_OUT = 0.4, 0.3, 0.15, 0.3
"""Shares of utterances that another follows, of those heard with recognition errors, of words left out, and of the parts of the
others: a word must not be known by one of its parts alone, or the next inflection of it is not known."""
ERRORS = 0.12
"""Word errors where there are some."""
WORDS_MAX = 48
JOIN_WORDS_MAX = 20
STEPS = 12
"""Either way, in which what a part is is kept: finer ones make the file larger than it may be. The file in force was fitted with 21
and rounded to these."""
FEELING = 1.0
"""What the sentiment's loss counts beside the categories'."""
MEANING, MEANING_SIZE = 1.0, 384
"""What the loss of the vector counts, where there is one, and how many values it has."""
SEED = 5
Told = tuple[Floats, Floats, NDArray[np.bool_]]
"""What is said by utterance and category, what is felt by utterance and label, and whose labels count."""
Judge = Callable[[NDArray[np.int64], NDArray[np.int64]], Floats]
"""Of a fit on the first rows: log-odds of the categories and labels of the second."""


class Network(nn.Module):  # type: ignore[misc, unused-ignore]  # untyped where PyTorch is not installed
    """As `streams.language.network`, with what training needs."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.EmbeddingBag(SLOTS, WIDTH, mode="sum")
        nn.init.normal_(self.parts.weight, std=0.05)
        self.side = nn.Embedding(SIDES, WIDTH)
        self.near = nn.Conv1d(WIDTH, FEATURES, REACH, padding=REACH // 2)
        self.out = nn.Linear(2 * FEATURES + WIDTH, len(CATEGORIES) + 3)
        self.meant = nn.Linear(2 * FEATURES, MEANING_SIZE)

    def forward(
        self, slots: torch.Tensor, starts: torch.Tensor, there: torch.Tensor, side: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-odds of the categories, then of the three labels: (batch, categories + 3); and the most and the mean of each feature.

        Args:
            slots: of all words, one after another; `starts`, where each word's begin.
            there: (batch, words) 1 where there is a word.
        """
        if self.training:
            kept = torch.rand(len(slots)) > PARTS_LEFT_OUT
            kept[-1] = True  # a bag may begin there
            slots, starts = slots[kept], functional.pad(kept.cumsum(0), (1, 0))[starts]
        words = self.parts(slots, starts).view(*there.shape, WIDTH)
        if self.training:
            words = words * (torch.rand(*there.shape, 1) > LEFT_OUT) / (1 - PARTS_LEFT_OUT)
        who = self.side(side)
        words = (functional.dropout(words, 0.2, self.training) + who[:, None]) * there[..., None]
        found = functional.relu(self.near(words.transpose(1, 2))) * there[:, None]
        both = torch.cat([found.max(2).values, found.sum(2) / there.sum(1)[:, None] ** 0.5], 1)
        return self.out(functional.dropout(torch.cat([both, who], 1), 0.3, self.training)), both


class Examples:
    """Utterances as slots, and batches of them; `said` (utterance, category) and `felt` (utterance, label) are 0 or 1."""

    def __init__(self, items: Sequence[Labelled], vectors: Floats | None = None) -> None:
        self.rng = np.random.default_rng(SEED)
        self.vectors = None if vectors is None else torch.from_numpy(vectors)
        self.slots: dict[tuple[str, str], list[int]] = {}
        self.plain = [self._read(item, item.text) for item in items]
        self.misheard = [self._read(item, text) for item, text in zip(items, misheard(items), strict=True)]
        self.length = np.array([len(words) for words in self.plain])
        self.side = np.array([side_of(item.language, item.party) for item in items])
        label = np.array([item.label for item in items])
        self.said, self.felt = said_in(items).astype(np.float32), np.eye(3, dtype=np.float32)[label]
        self.is_felt, self.counts = label >= 0, weights_of(items)

    def _read(self, item: Labelled, text: str) -> list[list[int]]:
        words = [token.word for token in words_of(tidy(text), item.language)][:WORDS_MAX]
        for word in words:
            if (item.language, word) not in self.slots:
                self.slots[item.language, word] = part_slots(item.language, word)
        return [self.slots[item.language, word] for word in words] or [[0]]

    def epoch(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Batches of utterances of like length, in random order."""
        shuffled = self.rng.permutation(rows)
        found = []
        for chunk in np.array_split(shuffled, len(shuffled) // (32 * BATCH) + 1):
            chunk = chunk[np.argsort(self.length[chunk], kind="stable")]
            found += [chunk[at : at + BATCH] for at in range(0, len(chunk), BATCH)]
        for at in self.rng.permutation(len(found)):
            yield found[at]

    def followers(self, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        short = rows[self.length[rows] < JOIN_WORDS_MAX]
        return [short[self.side[short] == side] for side in range(SIDES)]

    def training_batch(
        self, rows: NDArray[np.int64], followers: list[NDArray[np.int64]]
    ) -> tuple[tuple[torch.Tensor, ...], Told, NDArray[np.bool_]]:
        """The network's input, what is to be learnt of it, and what is alone, with no other after it."""
        texts, alone = [], np.ones(len(rows), bool)
        said, felt, is_felt = self.said[rows], self.felt[rows], self.is_felt[rows]  # copies
        for at, row in enumerate(rows):
            words = (self.misheard if self.rng.random() < MISHEARD else self.plain)[row]
            if self.rng.random() < JOINED and self.length[row] < JOIN_WORDS_MAX:
                other = int(self.rng.choice(followers[self.side[row]]))
                words = words + self.plain[other] if self.rng.random() < 0.5 else self.plain[other] + words
                said[at] = np.maximum(said[at], self.said[other])
                felt[at], one_feeling = _felt_together(felt[at], self.felt[other])
                is_felt[at] &= self.is_felt[other] and one_feeling
                alone[at] = False
            texts.append(words)
        return self._tensors(texts, rows), (said, felt, is_felt), alone

    def batch(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, ...]:
        return self._tensors([self.plain[row] for row in rows], rows)

    def _tensors(self, texts: list[list[list[int]]], rows: NDArray[np.int64]) -> tuple[torch.Tensor, ...]:
        longest = max(len(words) for words in texts)
        there = np.zeros((len(texts), longest), np.float32)
        slots: list[int] = []
        starts: list[int] = []
        for at, words in enumerate(texts):
            there[at, : len(words)] = 1
            for word in words:
                starts.append(len(slots))
                slots += word
            starts += [len(slots)] * (longest - len(words))
        slots.append(0)  # a bag may begin at the end of the list, not behind it
        return torch.tensor(slots), torch.tensor(starts), torch.from_numpy(there), torch.from_numpy(self.side[rows])


def _felt_together(one: Floats, other: Floats) -> tuple[Floats, bool]:
    """The label of two utterances in one breath, and whether there is one: not of praise and complaint together."""
    if one[NEUTRAL]:
        return other, True
    return one, bool(other[NEUTRAL] or (one == other).all())


def misheard(items: Sequence[Labelled]) -> list[str]:
    """The texts with recognition errors, the same ones in every run."""
    rng = random.Random(SEED)
    by_language = {code: Corruptor(code, [item.text for item in items if item.language == code]) for code in LANGUAGES}
    return [" ".join(by_language[item.language].words(item.text.split(), ERRORS, rng)[0]) for item in items]


def slow_down(optimizer: torch.optim.Optimizer, rate: float, step: int, steps: int) -> None:
    """Set the rate of a step: it rises over the first two hundred and falls over all."""
    for group in optimizer.param_groups:
        group["lr"] = rate * min(1.0, step / 200) * max(0.02, 1 - step / steps)


def loss_of(odds: torch.Tensor, said: torch.Tensor, felt: torch.Tensor, is_felt: torch.Tensor) -> torch.Tensor:
    """Of each utterance, by its categories (`said`, 0 or 1) and, where the sentiment counts, its labels (`felt`, one of them 1)."""
    loss = functional.binary_cross_entropy_with_logits(odds[:, :-3], said, reduction="none").sum(1)
    judged = functional.cross_entropy(odds[:, -3:], felt, reduction="none")
    return loss + FEELING * judged * is_felt


def fit(examples: Examples, rows: NDArray[np.int64], epochs: int, seed: int) -> Network:
    """A network fitted on those utterances."""
    torch.manual_seed(seed)
    examples.rng = np.random.default_rng(seed)  # the same network whatever was fitted before
    network, followers = Network(), examples.followers(rows)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    steps, step = epochs * len(rows) // BATCH, 0
    for epoch in range(epochs):
        total = 0.0
        for batch in examples.epoch(rows):
            step += 1
            slow_down(optimizer, RATE, step, steps)
            given, told, alone = examples.training_batch(batch, followers)
            odds, features = network(*given)
            counts = torch.from_numpy(examples.counts[batch]).float()
            mean = (loss_of(odds, *map(torch.from_numpy, told)) * counts).mean()
            if examples.vectors is not None:
                wanted = examples.vectors[torch.from_numpy(batch)]
                known = torch.from_numpy(alone) & wanted.any(1)  # of two utterances together there is no vector
                alike = functional.cosine_similarity(network.meant(features[known]), wanted[known])
                mean = mean + MEANING * (1 - alike).sum() / max(1, len(alike))
            optimizer.zero_grad()
            mean.backward()
            optimizer.step()
            total += float(mean.detach())
        if epoch % 8 == 7:
            print(f"  round {epoch + 1} of {epochs}: loss {total / (len(rows) / BATCH):.3f}", flush=True)
    network.eval()
    return network


def fit_all(examples: Examples, rows: NDArray[np.int64], epochs: int) -> list[Network]:
    return [fit(examples, rows, epochs, SEED + number) for number in range(NETWORKS)]


def odds_of(networks: Sequence[Network], examples: Examples, rows: NDArray[np.int64]) -> Floats:
    found = np.zeros((len(rows), len(CATEGORIES) + 3), np.float32)
    order = np.argsort(examples.length[rows], kind="stable")
    for at in range(0, len(order), 256):
        some = order[at : at + 256]
        with torch.no_grad():
            given = examples.batch(rows[some])
            found[some] = sum(network(*given)[0].numpy() for network in networks) / len(networks)
    return found


def stored(networks: Sequence[Network]) -> dict[str, NDArray[Any]]:
    """What goes into the file: the parts as bytes, a scale a column; the rest as half floats. Several networks are one in which
    the features of each see its own part of a word alone."""
    parts = _side_by_side([network.parts.weight for network in networks])
    scale = np.abs(parts).max(axis=0) / STEPS
    near = np.zeros((parts.shape[1], REACH, len(networks), FEATURES), np.float32)
    for number, network in enumerate(networks):
        own = network.near.weight.detach().numpy()  # (features, width, reach)
        near[number * WIDTH : (number + 1) * WIDTH, :, number] = own.transpose(1, 2, 0)
    out = [network.out.weight.detach().split([FEATURES, FEATURES, WIDTH], dim=1) for network in networks]
    half = {
        "near": near.reshape(parts.shape[1], -1),
        "near_bias": _side_by_side([network.near.bias for network in networks]),
        "side": _side_by_side([network.side.weight for network in networks]),
        "out": np.hstack([_side_by_side(kind) for kind in zip(*out, strict=True)]) / len(networks),
        "out_bias": np.mean([network.out.bias.detach().numpy() for network in networks], axis=0),
    }
    return {
        "categories": np.array(CATEGORIES),
        "parts": np.rint(parts / scale).astype(np.int8),
        "scale": scale.astype(np.float32),
        **{name: value.astype(np.float16) for name, value in half.items()},
    }


def _side_by_side(weights: Sequence[torch.Tensor]) -> NDArray[np.float32]:
    return np.concatenate([one.detach().numpy() for one in weights], axis=-1)


def read_vectors(items: Sequence[Labelled], file: Path) -> Floats:
    """One an utterance, less what those of its language have in common; zeros where the file has none."""
    with np.load(file, allow_pickle=False) as kept:
        at, vectors = {text: number for number, text in enumerate(kept["texts"].tolist())}, kept["vectors"]
    found = np.zeros((len(items), MEANING_SIZE), np.float32)
    texts = [read_as(item.text, item.language) for item in items]
    for language in LANGUAGES:
        rows = [row for row, item in enumerate(items) if item.language == language and texts[row] in at]
        if rows:
            own = vectors[[at[texts[row]] for row in rows]]
            found[rows] = own - own.mean(axis=0)
    print(f"{found.any(axis=1).mean():.0%} of the utterances have a vector", flush=True)
    return found


def check(items: Sequence[Labelled], judge: Judge, folds: Sequence[int], out: Path | None) -> None:
    """Print precision and recall of what is taken to be said, each utterance judged by what was fitted on the other folds."""
    fold = np.zeros(len(items), dtype=np.int64)
    for language in LANGUAGES:
        own = [at for at, item in enumerate(items) if item.language == language]
        fold[own] = folds_of([items[at] for at in own])
    odds = np.zeros((len(items), len(CATEGORIES) + 3), np.float32)
    for number in folds:
        odds[fold == number] = judge(np.flatnonzero(fold != number), np.flatnonzero(fold == number))
    judged, sources = np.isin(fold, folds), np.array([item.source for item in items])
    languages, said = np.array([item.language for item in items]), said_in(items)
    labels = np.array([item.label for item in items])
    for code in LANGUAGES:
        for kind in ("suite", "corpus"):
            rows = judged & (languages == code) & (sources == kind)
            felt = rows & (labels >= 0)
            print(
                f"{code} {kind} ({int(rows.sum())}): phrases {precision_recall(odds[rows, :-3] >= 0, said[rows])}, "
                f"sentiment macro-F1 {macro_f1(labels[felt], odds[felt, -3:].argmax(axis=1)):.3f}",
                flush=True,
            )
    if out:
        np.savez_compressed(out, allow_pickle=False, odds=odds, fold=fold)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = recipe_parser(__doc__, NETWORK_FILE)
    parser.add_argument(
        "--folds", type=int, nargs="*", default=list(range(FOLDS)), help="only with --only-check: these alone"
    )
    parser.add_argument("--odds", type=Path, help="only with --only-check: keep what was judged, for study")
    parser.add_argument("--vectors", type=Path, help="what `fit_semantic --vectors` kept: learn them as well")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--threads", type=int, default=1, help="the weights differ a little with it")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    items = read_all(args.suite, args.corpus, judged=False)
    vectors = read_vectors(items, args.vectors) if args.vectors else None
    examples = Examples(items, vectors)
    print(f"{len(examples.plain)} utterances, {len(examples.slots)} words", flush=True)
    if args.only_check:
        check(
            items,
            lambda fitted, judged: odds_of(fit_all(examples, fitted, args.epochs), examples, judged),
            args.folds,
            args.odds,
        )
        return
    networks = fit_all(examples, np.arange(len(examples.plain)), args.epochs)
    np.savez_compressed(args.out, allow_pickle=False, corpus=np.array(corpus_mark(items)), **stored(networks))
    print(f"{args.out}: {args.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
