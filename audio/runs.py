"""Runs of equal samples and copies of packets: where they may be, found on a coarse grid before any sample is compared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audio.chunk import BoolArray, Int16Array

Runs = list[tuple[int, int]]


def true_runs(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Starts and ends (exclusive) of the runs of True in bool `(n,)`."""
    edges = np.flatnonzero(mask[1:] != mask[:-1]) + 1
    first = [0] if len(mask) and mask[0] else []
    last = [len(mask)] if len(mask) and mask[-1] else []
    edges = np.concatenate((np.asarray(first, np.intp), edges, np.asarray(last, np.intp)))
    return edges[::2], edges[1::2]


def constant_runs(audio: Int16Array, size_min: int, lsb_max: int, end_min: int) -> Runs:
    """Runs of one quiet value, whole.

    Args:
        audio: int16 `(n,)`.
        size_min: their least length in samples.
        lsb_max: the value's greatest magnitude.
        end_min: runs that end (exclusive) before it are of no interest.

    Returns:
        Their `(start, end)`, by time.
    """
    step = max(1, size_min // 4)
    grid = audio[::step]
    alike = grid[1:] == grid[:-1]
    alike &= np.abs(grid[1:]) <= lsb_max
    alike &= grid[1:] != np.iinfo(np.int16).min  # whose magnitude is no int16
    if np.count_nonzero(alike) < 3:
        return []
    # Of a run that is long enough, four points of the grid or more are alike.
    starts, ends = true_runs(alike)
    chosen = (ends - starts >= 3) & ((ends + 1) * step >= end_min)
    found: Runs = []
    for first, last in zip((starts[chosen] * step).tolist(), (ends[chosen] * step).tolist(), strict=True):
        if (audio[first : last + 1] == audio[first]).all():
            found.append(_widened(audio, first, last, step))
        else:
            found += _runs_in(audio, max(0, first - step), min(len(audio), last + step + 1))
    return [(a, b) for a, b in found if b - a >= size_min and b >= end_min]


def _widened(audio: Int16Array, first: int, last: int, step: int) -> tuple[int, int]:
    """The whole run of which the samples `first` to `last` are part; it goes on for less than `step` on either side."""
    before = np.flatnonzero(audio[max(0, first - step) : first] != audio[first])
    after = np.flatnonzero(audio[last + 1 : last + 1 + step] != audio[first])
    start = max(0, first - step) + int(before[-1]) + 1 if len(before) else max(0, first - step)
    end = last + 1 + int(after[0]) if len(after) else min(len(audio), last + 1 + step)
    return start, end


def _runs_in(audio: Int16Array, first: int, stop: int) -> Runs:
    """The runs of equal samples in a part of the audio whose ends lie outside of any that matters."""
    starts, ends = true_runs(audio[first + 1 : stop] == audio[first : stop - 1])
    return list(zip((first + starts).tolist(), (first + ends + 1).tolist(), strict=True))


def likely_copies(audio: Int16Array, lags: list[int], fresh: int) -> list[int]:
    """The lags at which a copy of at least so many samples may end among the newest `fresh`, late by one lag.

    Three of four points of a copy lie on a grid of a quarter of the shortest lag. Copies of one constant value are
    none.
    """
    step = max(1, min(lags) // 4)
    if any(lag % step for lag in lags):
        return lags
    # What ends among the newest samples has its last packet, and what that copies, among so many.
    points = np.ascontiguousarray(audio[: -(fresh + 3 * max(lags) + 1) : -step])
    back = [lag // step for lag in lags]
    size = len(points) - max(back)
    if size < 3:
        return lags
    same: BoolArray = points[np.asarray(back)[:, None] + np.arange(size)] == points[:size]
    on_end = same[:, :-2] & same[:, 1:-1] & same[:, 2:]
    likely = []
    some: list[bool] = np.logical_or.reduce(on_end, axis=1).tolist()
    for row, any_three in enumerate(some):
        if any_three:
            starts, ends = true_runs(same[row])
            for a, b in zip(starts.tolist(), ends.tolist(), strict=True):
                if b - a >= back[row] - 1 and (points[a:b] != points[a]).any():
                    likely.append(lags[row])
                    break
    return likely
