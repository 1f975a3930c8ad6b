"""The Silero network, worked out in numpy for both parties at once.

The network is small: a 256-point spectrum, four convolutions that leave one vector a frame, an LSTM of 128, one output.
onnxruntime spends most of its time on convolutions of three points and on an LSTM of one row, frame after frame. Here
the spectra are FFTs, a convolution is one matrix product over the frames of both parties, and the LSTM steps through
both parties as two rows: about 0.4 of onnxruntime's time, with the same answers to 1e-6.

The weights are those of the ONNX file, read by its wire format (protobuf), since the `onnx` package is not needed for
anything else. Whether the file holds the network that is written down here is not assumed but tried: `probe_frames`.
BLAS must run on one thread: two cost five times the CPU, and their sums may differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.fft

from audio.chunk import BoolArray, Float32Array

HIDDEN = 128
_GATES = 4 * HIDDEN
_WINDOW, _HOP, _BINS = 256, 128, 129
_SPECTRA = 4
"""Spectra a frame: 576 samples and 64 mirrored ones, 256 wide, every 128."""
_FRAME, _MIRRORED = 576, 64
_SHAPES: tuple[tuple[int, ...], ...] = (
    (2 * _BINS, 1, _WINDOW),
    (128, _BINS, 3), (128,), (64, 128, 3), (64,), (64, 64, 3), (64,), (128, 64, 3), (128,),
    (1, _GATES, HIDDEN), (1, _GATES, HIDDEN), (1, 2 * _GATES),
    (1, HIDDEN, 1), (1,),
)  # fmt: skip
PROBE_FRAMES = 8
_FLOAT32 = 1
"""TensorProto.DataType"""


class SileroNetwork:
    """The weights, laid out for matrix products. Keeps no state.

    Args:
        path: the ONNX file.

    Raises:
        ValueError: the file does not hold this network's tensors.
    """

    def __init__(self, path: Path) -> None:
        basis, w0, b0, w1, b1, w2, b2, w3, b3, w_in, w_back, bias, w_out, b_out = _tensors(path.read_bytes())
        self._window = basis[0, 0].copy()  # the basis' row of 0 Hz is the window itself
        # Rows (place, channel), as a stretch of a (places, channels) array lies in memory.
        self._k0, self._b0 = _rows(w0), b0
        self._k1, self._b1 = _rows(w1), b1
        self._k2, self._b2 = _rows(w2[:, :, 1:]), b2  # its first place lies in the padding
        self._k3, self._b3 = _rows(w3[:, :, 1:2]), b3  # as do the first and the last here
        # sigmoid(x) = (1 + tanh(x / 2)) / 2: the gates input, output and forget are stored halved; the cell's is not.
        half = np.repeat(np.array([0.5, 0.5, 0.5, 1.0], dtype=np.float32), HIDDEN)[:, None]
        self._w_in = np.ascontiguousarray((w_in[0] * half).T)
        self._w_back = np.ascontiguousarray((w_back[0] * half).T)
        self._bias = (bias[0, :_GATES] + bias[0, _GATES:]) * half[:, 0]
        self._w_out, self._b_out = w_out[0, :, 0].copy(), np.float32(b_out[0])

    def run(
        self, frames: Float32Array, asked: BoolArray, h: Float32Array, c: Float32Array
    ) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Speech probabilities; see `audio.vad.SileroModel.run`."""
        h, c = h.copy(), c.copy()
        if len(frames) == 0:
            return np.zeros(0, dtype=np.float32), h, c
        gates = self._encode(frames)
        heard = np.empty((len(frames), HIDDEN), dtype=np.float32)
        legs, at = len(asked), 0
        for mine in asked.T.tolist():
            count = sum(mine)
            if count:
                first = 0 if count == legs else mine.index(True)  # of two legs, one or both
                rows = slice(first, first + count)
                self._step(gates[at : at + count], h[rows], c[rows], heard[at : at + count])
                at += count
        np.maximum(heard, 0.0, out=heard)
        probabilities: Float32Array = 1.0 / (1.0 + np.exp(-(heard @ self._w_out + self._b_out)))
        return probabilities, h, c

    def _encode(self, frames: Float32Array) -> Float32Array:
        """float32 `(n, 512)`: what each frame adds to the LSTM's gates."""
        count = len(frames)
        mirrored = np.empty((count, _FRAME + _MIRRORED), dtype=np.float32)
        mirrored[:, :_FRAME] = frames
        mirrored[:, _FRAME:] = frames[:, _FRAME - 2 : _FRAME - 2 - _MIRRORED : -1]
        windows = _windows(mirrored, _SPECTRA, _WINDOW, _HOP) * self._window
        padded = np.zeros((count, _SPECTRA + 2, _BINS), dtype=np.float32)
        spectrum = scipy.fft.rfft(windows, axis=2)
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        np.sqrt(power, out=padded[:, 1:-1])
        first = _product(_windows(padded.reshape(count, -1), 4, 3 * _BINS, _BINS), self._k0, self._b0)
        padded = np.zeros((count, 6, 128), dtype=np.float32)
        padded[:, 1:-1] = first.reshape(count, 4, 128)
        second = _product(_windows(padded.reshape(count, -1), 2, 3 * 128, 2 * 128), self._k1, self._b1)
        third = _product(second.reshape(count, 2 * 64), self._k2, self._b2)
        fourth = _product(third, self._k3, self._b3)
        gates: Float32Array = fourth @ self._w_in
        gates += self._bias
        return gates

    def _step(self, gates: Float32Array, h: Float32Array, c: Float32Array, heard: Float32Array) -> None:
        """One frame: takes `(rows, 128)` states on, in place, and leaves the new `h` in `heard` too."""
        both: Float32Array = np.dot(h, self._w_back)
        both += gates
        np.tanh(both, out=both)
        soft = both[:, : 3 * HIDDEN]
        soft += 1.0
        soft *= 0.5
        let_in = both[:, :HIDDEN]
        let_in *= both[:, 3 * HIDDEN :]
        c *= both[:, 2 * HIDDEN : 3 * HIDDEN]
        c += let_in
        np.tanh(c, out=h)
        h *= both[:, HIDDEN : 2 * HIDDEN]
        heard[:] = h


def probe_frames() -> Float32Array:
    """float32 `(PROBE_FRAMES, 576)`: noise, then a vowel: sound on which a network shows whether it is this one."""
    random = np.random.default_rng(8)
    time_s = np.arange(PROBE_FRAMES * _FRAME) / 16_000
    vowel = np.sum([np.sin(2 * np.pi * 140 * k * time_s) / k for k in range(1, 20)], axis=0)
    sound: npt.NDArray[np.float64] = 0.1 * vowel * (time_s > 0.1) + 0.01 * random.standard_normal(len(time_s))
    return sound.astype(np.float32).reshape(PROBE_FRAMES, _FRAME)


def _rows(weight: Float32Array) -> Float32Array:
    """Of a convolution `(out, in, places)` the matrix `(places * in, out)`."""
    rows: Float32Array = np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, weight.shape[0]))
    return rows


def _windows(rows: Float32Array, count: int, size: int, step: int) -> Float32Array:
    """View `(n, count, size)` of a contiguous `(n, m)`: stretches of `size`, every `step`."""
    return np.ndarray((len(rows), count, size), np.float32, rows, 0, (rows.strides[0], 4 * step, 4))


def _product(windows: Float32Array, kernel: Float32Array, bias: Float32Array) -> Float32Array:
    """ReLU of every window's product with the kernel, `(all windows, out)`."""
    out: Float32Array = windows.reshape(-1, len(kernel)) @ kernel
    out += bias
    np.maximum(out, 0.0, out=out)
    return out


def _tensors(model: bytes) -> list[Float32Array]:
    """The float32 tensors of an ONNX file's graph, by shape, in the order of `_SHAPES`."""
    found: dict[tuple[int, ...], list[Float32Array]] = {}
    for graph in _fields(memoryview(model), 7):
        for tensor in _fields(graph, 5):
            shape = tuple(dim for dims in _fields(tensor, 1) for dim in _varints(dims))
            kind = [value for values in _fields(tensor, 2) for value in _varints(values)]
            raw = list(_fields(tensor, 9))
            if kind == [_FLOAT32] and raw and shape in _SHAPES:
                found.setdefault(shape, []).append(np.frombuffer(raw[0], dtype="<f4").reshape(shape).astype(np.float32))
    try:
        return [found[shape].pop(0) for shape in _SHAPES]
    except (KeyError, IndexError):
        raise ValueError("not the Silero network") from None


def _fields(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The values of one field of a protobuf message; numbers as the bytes that they are written in."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        start = at
        if kind == 0:
            at = _varint(message, at)[1]
        elif kind == 1:
            at += 8
        elif kind == 2:
            size, start = _varint(message, at)
            at = start + size
        elif kind == 5:
            at += 4
        else:
            raise ValueError(f"wire type {kind}")
        if tag >> 3 == wanted:
            yield message[start:at]


def _varints(message: memoryview) -> Iterator[int]:
    at = 0
    while at < len(message):
        value, at = _varint(message, at)
        yield value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message):
            raise ValueError("cut short")
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
