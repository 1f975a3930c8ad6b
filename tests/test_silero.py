"""The network in numpy against onnxruntime's, on the same frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio import vad
from audio.chunk import BoolArray, Float32Array
from audio.recordings import open_recording
from audio.silero import SileroNetwork
from audio.vad import SileroModel
from tests.conftest import blocks_of

CALLS = Path(__file__).resolve().parent.parent / "audio" / "synth" / "calls"


def model_files() -> list[Path]:
    inside = [
        ("silero_vad", ("data", "silero_vad_16k_sequence.onnx")),
        ("faster_whisper", ("assets", "silero_vad_v6.onnx")),
    ]
    return [path for package, parts in inside if (path := vad._package_file(package, *parts)) is not None]


@pytest.fixture(scope="module")
def speech() -> Float32Array:
    """float32 `(blocks, 2, 8, 576)`: a bundled call, as the model is asked."""
    recording = open_recording(CALLS / "fr-talk-over.flac")
    agent, customer = np.concatenate(list(recording.blocks()), axis=1)[:, : 30 * 8_000]
    frames = np.stack([block.wide.reshape(2, 8, 512) for block in blocks_of(agent, customer) if block.frames == 8])
    before = np.concatenate((np.zeros((1, 2, 1, 64)), frames[:-1, :, -1:, -64:]))
    context = np.concatenate((before, frames[:, :, :-1, -64:]), axis=2)
    return np.concatenate((context, frames), axis=3, dtype=np.float32)


def asked_at_random(rng: np.random.Generator, share: float) -> BoolArray:
    asked: BoolArray = rng.random((2, 8)) < share
    return asked


@pytest.mark.parametrize("path", model_files(), ids=lambda path: path.name)
@pytest.mark.parametrize("share", [1.0, 0.7, 0.3])
def test_it_answers_as_onnxruntime_does_whichever_frames_are_asked(
    path: Path, share: float, speech: Float32Array
) -> None:
    rng = np.random.default_rng(3)
    network, session = SileroNetwork(path), vad.open_session(path)
    mine = theirs = (np.zeros((2, 128), dtype=np.float32), np.zeros((2, 128), dtype=np.float32))
    heard = []
    for block in speech:
        asked = asked_at_random(rng, share)
        frames = block.swapaxes(0, 1)[asked.T]
        one, *mine_now = network.run(frames, asked, *mine)
        other, *theirs_now = vad.run_on_session(session, frames, asked, *theirs)
        mine, theirs = (mine_now[0], mine_now[1]), (theirs_now[0], theirs_now[1])
        assert np.abs(one - other).max(initial=0.0) < 1e-4
        heard.append(one)
    assert np.ptp(np.concatenate(heard)) > 0.9, "a network that always says the same would prove nothing"


def test_the_installed_model_runs_without_onnxruntime(silero: SileroModel) -> None:
    assert silero._network is not None


def test_another_network_runs_on_onnxruntime(
    tmp_path: Path, speech: Float32Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in (b"", b"\x08", b"RIFF" * 40, bytes(range(256))):
        other = tmp_path / "other.onnx"
        other.write_bytes(content)
        with pytest.raises(ValueError, match=r"network|cut short|wire type"):
            SileroNetwork(other)
    path = model_files()[0]

    def silent(*given: Any) -> tuple[Float32Array, Float32Array, Float32Array]:
        return np.zeros(len(given[1]), dtype=np.float32), given[3], given[4]

    monkeypatch.setattr(SileroNetwork, "run", silent)
    model = SileroModel(path, "silero-other")
    assert model._network is None
    state = np.zeros((2, 128), dtype=np.float32)
    answer, _, _ = model.run(speech[5].reshape(16, 576), np.ones((2, 8), dtype=np.bool_), state, state)
    assert (answer > 0).all()
