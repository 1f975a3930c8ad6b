"""Training batches made on the device: spoken utterances are kept there, and chained, sent through a random telephone channel and
turned into log-mel windows of every length, thousands a second on a GPU.

Nothing here waits for the device: lengths are kept in numpy too, so that the next batch is queued while one is computed.
"""

from __future__ import annotations

import math
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from labels import NO_SPEECH, RATE_HZ, label
from network import WINDOW_FRAMES_MAX
from tokenizers import Tokenizer

HOP = 80  # 8 kHz samples in a mel frame of 10 ms
IGNORE = -100
CHAIN = 4  # most utterances in one window
WARPS = torch.linspace(0.88, 1.14, 27)  # of the frequency axis, for the formants of voices that no synthesizer has


def mel_filters(warp: float = 1.0) -> torch.Tensor:
    """Slaney's 80 mel bands over the 201 bins of a 400-sample window at 16 kHz, as Whisper uses them: (80, 201).

    Args:
        warp: the frequency axis is stretched by it.
    """
    def hz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * math.log(6.4) / 27))

    edges = hz(np.linspace(0, 15 + math.log(8) * 27 / math.log(6.4), 82))
    bins = np.linspace(0, 8000, 201) * warp
    up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bands = np.maximum(0, np.minimum(up, down)) * (2 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(bands.astype(np.float32))


class Tokens(NamedTuple):
    """The ids that training writes itself."""

    eot: int
    sot: int
    transcribe: int
    no_timestamps: int
    no_speech: int
    time_zero: int
    languages: tuple[int, int]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Tokens:
        names = ("endoftext", "startoftranscript", "transcribe", "notimestamps", "nospeech", "0.00")
        ids = [tokenizer.token_to_id(f"<|{name}|>") for name in names]
        return cls(*ids, (tokenizer.token_to_id("<|en|>"), tokenizer.token_to_id("<|fr|>")))


class Shelf:
    """All utterances, on the device; it may be filled while training goes on.

    Args:
        hours: the most speech it holds; what comes later is left.
    """

    def __init__(self, tokenizer: Tokenizer, device: str, hours: float) -> None:
        self.tokenizer, self.device = tokenizer, device
        self.audio = torch.empty(int(hours * 3600 * RATE_HZ), dtype=torch.int16, device=device)
        self.filled = 0
        self.index = np.zeros((0, 7), np.int64)  # labels.label's rows
        self.tokens = torch.zeros(0, dtype=torch.int64, device=device)
        self.spans = torch.zeros(0, 2, device=device)
        self.characters = torch.zeros(0, dtype=torch.int64, device=device)

    @property
    def full(self) -> bool:
        return self.filled > len(self.audio) - 3600 * RATE_HZ // 4

    def add(self, path: pathlib.Path) -> list[str]:
        """One .npz by speak.py, as much of it as there is room for. Returns the texts."""
        raw: Any = np.load(path)
        made = raw if "rows" in raw else label(raw, self.tokenizer)
        rows = made["rows"].copy()
        rows = rows[rows[:, 0] + rows[:, 1] + self.filled <= len(self.audio)]
        if not len(rows):
            return []
        size = int(rows[-1, 0] + rows[-1, 1])
        self.audio[self.filled: self.filled + size] = torch.from_numpy(raw["audio"][:size]).to(self.device)
        rows[:, [0, 2, 4]] += [self.filled, len(self.tokens), len(self.characters)]
        self.filled += size
        self.index = np.concatenate([self.index, rows])
        self.tokens = torch.cat([self.tokens, torch.from_numpy(made["tokens"]).to(self.device)])
        self.spans = torch.cat([self.spans, torch.from_numpy(made["spans"]).to(self.device)])
        self.characters = torch.cat([self.characters, torch.from_numpy(made["characters"]).to(self.device)])
        return [str(t) for t in raw["texts"][: len(rows)]]


class Items(NamedTuple):
    """What a batch holds, in numpy; times in samples."""

    chosen: np.ndarray  # (batch, CHAIN) rows of the shelf's index, -1 for none
    at: np.ndarray  # (batch, CHAIN) where each begins
    heard: np.ndarray  # (batch,) where the audio ends
    language: np.ndarray  # (batch,) 0 or 1
    speech: np.ndarray  # (batch,) bool

    def some(self, rows: np.ndarray) -> Items:
        return Items(*(field[rows] for field in self))


def draw(shelf: Shelf, rng: np.random.Generator, count: int, far: float, no_speech: float = 0.06) -> Items:
    """Random windows of one to four utterances of one language."""
    kinds = [np.flatnonzero(shelf.index[:, 6] == kind) for kind in (0, 1, NO_SPEECH)]
    language = rng.choice(2, count, p=[0.62, 0.38])
    speech = (rng.random(count) >= no_speech) | (len(kinds[2]) == 0)
    chosen = np.where((language == 0)[:, None], rng.choice(kinds[0], (count, CHAIN)), rng.choice(kinds[1], (count, CHAIN)))
    chosen[~speech, 0] = rng.choice(kinds[2], int((~speech).sum())) if len(kinds[2]) else 0
    links = np.where(speech, rng.choice(CHAIN, count, p=[0.5, 0.25, 0.15, 0.1]) + 1, 1)
    chosen[np.arange(CHAIN)[None] >= links[:, None]] = -1
    lengths = np.where(chosen >= 0, shelf.index[chosen, 1], 0)
    gap = np.where(rng.random((count, CHAIN)) < 0.6, rng.integers(0, 1200, (count, CHAIN)), rng.integers(0, 6000, (count, CHAIN)))
    gap[:, 0] = np.where(rng.random(count) < far, rng.integers(0, 24000, count), rng.integers(0, 4000, count))
    after = np.where(rng.random(count) < far, rng.integers(0, 16000, count), rng.integers(0, 5000, count))
    at = np.cumsum(gap, 1) + np.cumsum(lengths, 1) - lengths
    room = WINDOW_FRAMES_MAX * HOP - 800
    fits = at + lengths + after[:, None] < room
    chosen[:, 1:][~fits[:, 1:]] = -1
    lengths = np.where(chosen >= 0, shelf.index[chosen, 1], 0)
    ends = np.where(chosen >= 0, at + lengths, 0).max(1)
    items = Items(chosen, at, np.minimum(ends + after, room), language, speech)
    return items.some(np.flatnonzero(fits[:, 0]))


def batches(shelf: Shelf, rng: np.random.Generator, budget: int, far: float) -> Iterator[tuple[Items, int]]:
    """A round of batches of windows of like length: (items, frames), frames times items at most `budget`.

    A third has hardly more window than sound, a third any length up to 30 s, a third 30 s, as faster-whisper gives it.
    """
    items = draw(shelf, rng, max(64, 24 * budget // 800), far)
    items = items.some(np.argsort(items.heard))
    need = -(-items.heard // HOP) + 2
    made, i = [], 0
    while i < len(need):
        kind, share, more = rng.random(), rng.random(), rng.integers(0, 60)
        longest = need[i: i + budget // max(1, need[i]) + 1]
        frames = longest + more if kind < 0.4 else (
            longest + share * (WINDOW_FRAMES_MAX - longest) if kind < 0.7 else np.full(len(longest), WINDOW_FRAMES_MAX))
        frames = np.minimum(WINDOW_FRAMES_MAX, np.ceil(frames / 20).astype(int) * 20)
        rows = max(1, int((np.arange(1, len(frames) + 1) * frames <= budget).sum()))
        rows = rows // 8 * 8 if rows > 16 else rows  # fewer shapes, fewer plans of the Fourier transforms
        made.append((items.some(np.arange(i, i + rows)), int(frames[rows - 1])))
        i += rows
    for k in rng.permutation(len(made)):
        yield made[k]


class Ear:
    """From items to features and targets, on the device. All randomness of the channel is torch's."""

    def __init__(self, shelf: Shelf, tokens: Tokens) -> None:
        self.shelf, self.tokens, self.device = shelf, tokens, shelf.device
        self.filters = torch.stack([mel_filters(float(w)) for w in WARPS]).to(self.device)
        self.plain = mel_filters().to(self.device)
        self.hann = torch.hann_window(400, device=self.device)

    def put(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device == "cuda" else tensor

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, device=self.device) * (high - low) + low

    def gather(self, items: Items, samples: int) -> torch.Tensor:
        """The audio of the items: (batch, samples) float in [-1, 1]."""
        index = self.shelf.index[np.maximum(items.chosen, 0)]
        start, at = self.put(index[..., 0]), self.put(items.at)
        length = self.put(np.where(items.chosen >= 0, index[..., 1], 0))
        x = torch.zeros(len(items.heard), samples, device=self.device)
        time = torch.arange(samples, device=self.device)[None]
        gain = 10 ** self.uniform(-0.15, 0.15, len(items.heard), CHAIN)
        for k in range(int((items.chosen >= 0).any(0).sum())):
            into = time - at[:, k, None]
            inside = (into >= 0) & (into < length[:, k, None])
            where = (start[:, k, None] + into).clamp_(0, len(self.shelf.audio) - 1)
            x += torch.where(inside, self.shelf.audio[where].float() * (gain[:, k, None] / 40000), 0.0)
        return x

    def curve(self, octaves: torch.Tensor, rows: int, db: float) -> torch.Tensor:
        """A smooth random response over frequency: (rows, bins) gain."""
        total = torch.zeros(rows, len(octaves), device=self.device)
        for _ in range(3):
            middle, width = self.uniform(-2, 2, rows, 1), self.uniform(0.3, 1.5, rows, 1)
            total += self.uniform(-db, db, rows, 1) * torch.exp(-0.5 * ((octaves - middle) / width) ** 2)
        return 10 ** (total / 20)

    def telephone(self, x: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Band, level, clipping, noise, lost packets, mu-law or A-law, each at random; the result holds up to 4 kHz."""
        rows, samples = x.shape
        hz = torch.linspace(1, RATE_HZ / 2, samples // 2 + 1, device=self.device)
        octaves = (hz.clamp_min(100) / 1000).log2()
        low, high, tilt = self.uniform(120, 330, rows, 1), self.uniform(3200, 3750, rows, 1), self.uniform(-3.5, 3.5, rows, 1)
        band = torch.rsqrt((1 + (low / hz) ** 8) * (1 + (hz / high) ** 24)) * 10 ** (tilt * octaves / 20)
        gain = torch.where(self.uniform(0, 1, rows, 1) < 0.8, band, 1.0)
        gain = gain * torch.where(self.uniform(0, 1, rows, 1) < 0.4, self.curve(octaves, rows, 5), 1.0)
        x = torch.fft.irfft(torch.fft.rfft(x) * gain, samples) * valid
        x = x * (10 ** (self.uniform(-20, -1, rows, 1) / 20) / (x.abs().amax(1, keepdim=True) + 1e-6))
        limit = torch.where(self.uniform(0, 1, rows, 1) < 0.08, self.uniform(0.3, 0.8, rows, 1), 1.0) * x.abs().amax(1, keepdim=True)
        x = torch.minimum(torch.maximum(x, -limit), limit)
        loud = (x.abs() > 1e-3).sum(1, keepdim=True)
        level = torch.where(loud > 0, (x.square().sum(1, keepdim=True) / loud.clamp_min(1)).sqrt(), 0.01)
        noise = torch.randn(rows, samples, device=self.device)
        colour = 10 ** (self.uniform(-6, 1, rows, 1) * octaves / 20) * self.curve(octaves, rows, 6)
        colour = torch.where(self.uniform(0, 1, rows, 1) < 0.5, colour, 1.0)
        noise = torch.fft.irfft(torch.fft.rfft(noise) * colour, samples)
        noise = noise / noise.square().mean(1, keepdim=True).sqrt()
        snr_db = torch.where(self.uniform(0, 1, rows, 1) < 0.15, self.uniform(6, 15, rows, 1), self.uniform(15, 45, rows, 1))
        x = x + noise * level * 10 ** (-snr_db / 20)
        time = torch.arange(samples, device=self.device)[None]
        for _ in range(2):
            at, long = self.uniform(0, samples, rows, 1), torch.where(self.uniform(0, 1, rows, 1) < 0.5, 160, 320)
            x = torch.where((self.uniform(0, 1, rows, 1) < 0.1) & (time >= at) & (time < at + long), 0.0, x)
        x = x.clamp(-1, 1)
        law = self.uniform(0, 1, rows, 1)
        size = x.abs()
        mu = torch.round((x.sign() * torch.log1p(255 * size) / math.log(256) + 1) * 127.5) / 127.5 - 1
        mu = mu.sign() * torch.expm1(mu.abs() * math.log(256)) / 255
        a = 87.6
        scale = 1 + math.log(a)
        curve = x.sign() * torch.where(size < 1 / a, a * size, 1 + torch.log((a * size).clamp_min(1))) / scale
        curve = (torch.floor(curve * 128) + 0.5) / 128
        bent = curve.abs() * scale
        law_a = curve.sign() * torch.where(bent < 1, bent / a, torch.exp(bent - 1) / a)
        return torch.where(law < 0.45, mu, torch.where(law < 0.9, law_a, x))

    def features(self, x: torch.Tensor, heard_frames: torch.Tensor, warped: bool) -> torch.Tensor:
        """Whisper's log-mel of 8 kHz samples brought to 16 kHz: (batch, 80, samples / 80), zeros after what is heard."""
        rows, samples = x.shape
        spectrum = torch.fft.rfft(x)
        hz = torch.linspace(0, RATE_HZ / 2, samples // 2 + 1, device=self.device)
        edge = 0.5 * (1 + torch.cos(math.pi * ((hz - 3650) / 350).clamp(0, 1)))  # where a resampler's filter falls
        x = torch.fft.irfft(torch.nn.functional.pad(spectrum * edge, (0, samples - samples // 2)), 2 * samples) * 2
        power = torch.stft(x, 400, 2 * HOP, window=self.hann, return_complex=True)[..., :-1].abs().square()
        if warped:
            which = torch.randint(0, len(WARPS), (rows,), device=self.device)
            which = torch.where(torch.rand(rows, device=self.device) < 0.35, (WARPS - 1).abs().argmin().item(), which)
            mel = self.filters[which] @ power
        else:
            mel = self.plain @ power
        log = mel.clamp_min(1e-10).log10()
        inside = (torch.arange(log.shape[-1], device=self.device)[None] < heard_frames[:, None])[:, None]
        top = torch.where(inside, log, -10.0).amax((1, 2), keepdim=True)
        return torch.where(inside, (torch.maximum(log, top - 8) + 4) / 4, 0.0)

    @torch.no_grad()
    def hear(self, items: Items, frames: int, train: bool = True) -> tuple[torch.Tensor, np.ndarray]:
        """Windows (batch, 80, frames), and the frames of each that sound."""
        samples, rows = frames * HOP, len(items.heard)
        x = self.gather(items, samples)
        heard_frames = np.minimum(frames, -(-items.heard // HOP))
        heard, sounding = self.put(items.heard)[:, None], self.put(heard_frames)
        if train:  # some windows go on as silence on the line, instead of features that are zero
            on = torch.rand(rows, 1, device=self.device) < 0.2
            heard = torch.where(on, samples, heard)
            sounding = torch.where(on[:, 0], frames, sounding)
        valid = torch.arange(samples, device=self.device)[None] < heard
        spoken = x.abs().amax(1, keepdim=True) > 0
        bare = x + torch.randn_like(x) * 10 ** self.uniform(-5, -3.3, rows, 1)
        clean = (self.uniform(0, 1, rows, 1) < 0.12) if train else torch.zeros(rows, 1, dtype=torch.bool, device=self.device)
        x = torch.where(clean, bare, self.telephone(x, valid))
        x = torch.where(spoken, x, 0.0) * valid
        mel = self.features(x, sounding, train)
        if train:
            band, when = torch.arange(80, device=self.device)[None, :, None], torch.arange(frames, device=self.device)[None, None]
            for _ in range(2):
                from_band, bands = self.uniform(0, 78, rows, 1, 1), self.uniform(-6, 9, rows, 1, 1)
                from_frame, long = self.uniform(0, 1, rows, 1, 1) * self.put(heard_frames)[:, None, None], self.uniform(-8, 8, rows, 1, 1)
                hidden = ((band >= from_band) & (band < from_band + bands)) | ((when >= from_frame) & (when < from_frame + long))
                mel = torch.where(hidden, 0.0, mel)
        return mel, heard_frames

    @torch.no_grad()
    def targets(self, items: Items, corrupt: float, timed_share: float) -> dict[str, torch.Tensor]:
        """Decoder input and targets, the spans in which each target is heard, the characters and their number."""
        shelf, t = self.shelf, self.tokens
        rows = len(items.heard)
        there = (items.chosen >= 0) & items.speech[:, None]
        index = np.where(there[..., None], shelf.index[np.maximum(items.chosen, 0)], 0)
        size, letters = index[..., 3], index[..., 5]
        total, offset = size.sum(1), np.cumsum(size, 1) - size
        longest = int(total.max()) + 6
        spaced = np.where(there, letters + 1, 0)
        letter_offset, letter_total = np.cumsum(spaced, 1) - spaced, np.maximum(1, spaced.sum(1) - 1)
        text = torch.full((rows, longest + 1), t.eot, device=self.device)
        spans = torch.full((rows, longest + 1, 2), -1.0, device=self.device)
        characters = torch.zeros(rows, int(letter_total.max()) + 2, dtype=torch.int64, device=self.device)
        for k in range(CHAIN):
            if not there[:, k].any():
                continue
            j = torch.arange(int(size[:, k].max()), device=self.device)[None]
            inside = j < self.put(size[:, k])[:, None]
            source = torch.where(inside, self.put(index[:, k, 2])[:, None] + j, 0)
            place = torch.where(inside, self.put(offset[:, k])[:, None] + j, longest)
            text.scatter_(1, place, shelf.tokens[source])
            seconds = shelf.spans[source] + self.put((items.at[:, k] / RATE_HZ).astype(np.float32))[:, None, None]
            spans.scatter_(1, place[..., None].expand(-1, -1, 2), seconds)
            j = torch.arange(int(letters[:, k].max()), device=self.device)[None]
            inside = j < self.put(letters[:, k])[:, None]
            source = torch.where(inside, self.put(index[:, k, 4])[:, None] + j, 0)
            place = torch.where(inside, self.put(letter_offset[:, k])[:, None] + j, characters.shape[1] - 1)
            characters.scatter_(1, place, shelf.characters[source])
        count, speech = self.put(total)[:, None], self.put(items.speech)[:, None]
        timed = torch.rand(rows, 1, device=self.device) < timed_share
        column = torch.arange(longest, device=self.device)[None]
        # Times in steps of 0.1 s, as the token for it: from the first utterance's start to the last one's end.
        lengths = np.where(there, shelf.index[np.maximum(items.chosen, 0), 1], 0)
        ends = np.where(there, items.at + lengths, 0).max(1) / RATE_HZ
        starts = items.at[:, 0] / RATE_HZ
        first, last = (self.put(t.time_zero + 5 * np.minimum(300, np.round(s * 10)).astype(np.int64))[:, None] for s in (starts, ends))
        body = torch.where(column < count, text[:, :longest], t.eot)
        closing = torch.where(timed & speech, last, t.eot)
        said = torch.where(column == count, closing, body)  # the text, then the closing time or the end
        language = self.put(np.array(t.languages)[items.language])[:, None]
        out = torch.full((rows, longest + 3), IGNORE, device=self.device)
        out[:, :1] = torch.where(speech, language, t.no_speech)
        out[:, 2:3] = torch.where(timed, torch.where(speech, first, t.eot), IGNORE)
        length = count + torch.where(speech, 1 + timed.long(), (~timed).long())
        out[:, 3:] = torch.where(column < length, said, IGNORE)
        piece = torch.randint(0, t.eot, body.shape, device=self.device)
        ids = torch.full((rows, longest + 3), t.eot, device=self.device)
        ids[:, 0], ids[:, 1:2], ids[:, 2] = t.sot, language, t.transcribe
        ids[:, 3:4] = torch.where(timed, first, t.no_timestamps)
        garbled = (torch.rand(body.shape, device=self.device) < corrupt) & (column < count)
        ids[:, 4:] = torch.where(garbled, piece, said)[:, :-1]
        around = torch.full((rows, longest + 3, 2), -1.0, device=self.device)
        around[:, 3:] = torch.where((column < count)[..., None], spans[:, :longest], -1.0)
        end_s = self.put(ends.astype(np.float32))[:, None, None]
        closed = torch.cat([end_s - 0.3, end_s + 0.5], -1)
        around[:, 3:] = torch.where(((column >= count) & (column < length) & speech)[..., None], closed, around[:, 3:])
        start_s = self.put(starts.astype(np.float32))[:, None, None]
        opened = torch.cat([start_s - 0.15, start_s + 0.25], -1)
        around[:, 2:3] = torch.where((timed & speech)[..., None], opened, around[:, 2:3])
        around = torch.where(around[..., 1:] > 0, torch.stack([around[..., 0].clamp_min(0), around[..., 1].clamp_min(0.05)], -1), -1.0)
        return {"ids": ids, "out": out, "spans": around, "characters": characters[:, :-1],
                "letters": torch.from_numpy(letter_total), "speech": speech[:, 0]}
