from __future__ import annotations

import numpy as np
import pytest

from audio.chunk import NATIVE_RATES_HZ
from audio.errors import VigieError
from audio.resample import FirResampler
from audio.state import pack, unpack

PAIRS = [(rate, out) for rate in NATIVE_RATES_HZ for out in (8_000, 16_000)]


def noise(samples: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(-20_000, 20_000, samples).astype(np.int16)


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_cutting_the_input_anywhere_changes_no_bit(rate_in: int, rate_out: int) -> None:
    samples = noise(rate_in // 2)
    whole = FirResampler(rate_in, rate_out).push(samples)
    rng = np.random.default_rng(2)
    for _ in range(4):
        cuts = np.sort(rng.integers(0, len(samples), 60))
        cut = FirResampler(rate_in, rate_out)
        pieces = [cut.push(piece) for piece in np.split(samples, cuts)]
        assert np.concatenate(pieces).tobytes() == whole.tobytes()


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_a_restored_resampler_goes_on_bit_for_bit(rate_in: int, rate_out: int) -> None:
    samples = noise(rate_in // 4)
    one = FirResampler(rate_in, rate_out)
    one.push(samples[:1001])
    other = FirResampler(rate_in, rate_out)
    other.load_state(unpack(pack(one.state())))
    assert one.push(samples[1001:]).tobytes() == other.push(samples[1001:]).tobytes()


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_a_block_of_256_ms_gives_256_ms(rate_in: int, rate_out: int) -> None:
    converter = FirResampler(rate_in, rate_out)
    for _ in range(3):
        assert len(converter.push(np.zeros(rate_in * 256 // 1000, dtype=np.int16))) == rate_out * 256 // 1000


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_a_tone_in_the_telephone_band_keeps_its_level_and_is_late_by_under_2_ms(rate_in: int, rate_out: int) -> None:
    time_in, time_out = np.arange(rate_in) / rate_in, np.arange(rate_out) / rate_out
    for frequency in (300.0, 1_000.0, 3_200.0):
        tone = (8_000 * np.sin(2 * np.pi * frequency * time_in)).astype(np.int16)
        heard = FirResampler(rate_in, rate_out).push(tone)[rate_out // 10 :]
        reference = np.exp(2j * np.pi * frequency * time_out[rate_out // 10 :])
        level = 2 * np.abs(np.vdot(reference, heard)) / len(heard) * 32768 / 8_000
        assert abs(20 * np.log10(level)) < 0.25, frequency
    impulse = np.zeros(rate_in // 10, dtype=np.int16)
    impulse[rate_in // 100] = 20_000
    delay_ms = np.argmax(np.abs(FirResampler(rate_in, rate_out).push(impulse))) / rate_out * 1000 - 10
    assert 0 <= delay_ms < 2.0


@pytest.mark.parametrize(("rate_in", "rate_out", "frequency"), [(48_000, 16_000, 9_500), (16_000, 8_000, 5_000)])
def test_what_the_lower_rate_cannot_hold_is_taken_away(rate_in: int, rate_out: int, frequency: int) -> None:
    tone = (8_000 * np.sin(2 * np.pi * frequency * np.arange(rate_in) / rate_in)).astype(np.int16)
    heard = FirResampler(rate_in, rate_out).push(tone)[rate_out // 10 :]
    assert 20 * np.log10(np.sqrt(np.mean(heard**2)) * 32768 / 8_000 * np.sqrt(2)) < -40


def test_an_image_of_8_khz_speech_is_40_db_down() -> None:
    tone = (8_000 * np.sin(2 * np.pi * 3_000 * np.arange(8_000) / 8_000)).astype(np.int16)
    heard = FirResampler(8_000, 16_000).push(tone)[1_600:]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    image = spectrum[int(5_000 * len(heard) / 16_000)]
    assert 20 * np.log10(image / spectrum.max()) < -40


def test_silence_stays_exactly_zero() -> None:
    heard = FirResampler(8_000, 16_000).push(np.zeros(2_048, dtype=np.int16))
    assert not heard.any()


def test_a_senseless_rate_is_refused() -> None:
    with pytest.raises(VigieError):
        FirResampler(0, 16_000)
