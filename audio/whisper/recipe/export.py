"""Turn what train.py wrote into the CTranslate2 int8 folder that faster-whisper loads, and measure such a folder.

    python export.py TRAINED_DIR OUT_DIR                                 # write the folder
    python export.py --measure-only OUT_DIR --world world.yaml --count 700 --seed 2   # speak the held-out corpus and measure

Word error rates are for utterances in held-out voices (see speak.py), clean and through telephone.py's channel, with
faster-whisper as it stands (30 s window, without and with time stamps) at beams 1 and 5, and for short windows through
CTranslate2. Detection of the language, the answers to non-speech and the word time stamps are measured too.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
from typing import Any

import numpy as np
import soxr

HERE = pathlib.Path(__file__).parent


def export(trained: pathlib.Path, out: pathlib.Path) -> None:
    """Write the CTranslate2 folder."""
    from ctranslate2.converters.transformers import WhisperLoader
    from tokenizers import Tokenizer
    from transformers import WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(trained).eval()
    tokenizer = Tokenizer.from_file(str(trained / "tokenizer.json"))
    spec = WhisperLoader().get_model_spec(model)
    vocabulary = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    vocabulary[tokenizer.token_to_id("\u0100")] = ""  # byte 0, never used: CTranslate2 takes an empty token for "multilingual"
    spec.register_vocabulary(vocabulary)
    last, heads = model.config.decoder_layers - 1, model.config.decoder_attention_heads
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    # The heads that were guided: all but the last of each layer.
    spec.config.alignment_heads = [(layer, h) for layer in range(1, last + 1) for h in range(heads - 1)]
    spec.config.lang_ids = [tokenizer.token_to_id("<|en|>"), tokenizer.token_to_id("<|fr|>")]
    spec.validate()
    spec.optimize(quantization="int8")
    out.mkdir(parents=True, exist_ok=True)
    spec.save(str(out))
    shutil.copyfile(trained / "tokenizer.json", out / "tokenizer.json")
    (out / "preprocessor_config.json").write_text(json.dumps(
        {"feature_size": 80, "sampling_rate": 16000, "hop_length": 160, "chunk_length": 30, "n_fft": 400}))


def word_errors(reference: list[str], hypothesis: list[str]) -> int:
    """Edit distance in words."""
    row = np.arange(len(hypothesis) + 1)
    for i, word in enumerate(reference, 1):
        previous, row = row, np.empty_like(row)
        row[0] = i
        for j, other in enumerate(hypothesis, 1):
            row[j] = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (word != other))
    return int(row[-1])


def short_window(model: Any, x: np.ndarray, language: str, beam: int) -> str:
    """Text of 16 kHz samples in a window of their own length and half a second more, at least 3 s."""
    import ctranslate2

    token = model.hf_tokenizer.token_to_id
    mel = model.feature_extractor(x, padding=0)
    frames = max(300, mel.shape[1] + 50)
    frames += frames % 2
    window = np.zeros((1, 80, frames), np.float32)
    window[0, :, : mel.shape[1]] = mel
    states = model.model.encode(ctranslate2.StorageView.from_array(window))
    prompt = [token("<|startoftranscript|>"), token(f"<|{language}|>"), token("<|transcribe|>"), token("<|notimestamps|>")]
    ids = model.model.generate(states, [prompt], beam_size=beam, max_length=128)[0].sequences_ids[0]
    return str(model.hf_tokenizer.decode([i for i in ids if i < token("<|endoftext|>")]))


def measure(folder: pathlib.Path, heldout: str | None, world: str, count: int, seed: int, split: str, quick: bool) -> None:
    """Print the table."""
    from faster_whisper import WhisperModel

    from speak import Mix, corpus
    from telephone import Telephone, not_speech

    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=2)
    print("multilingual:", model.model.is_multilingual, flush=True)
    raw: Any = np.load(heldout) if heldout else corpus(world, count, seed, split, Mix(jumble=0.0, splice=0.0))
    audio, ends = raw["audio"], raw["ends"]
    texts, languages, counts = raw["texts"], raw["languages"], raw["counts"]
    channel = Telephone(np.random.default_rng(0))
    totals: dict[str, list[int]] = {}  # wrong words, words, utterances
    settings: dict[str, dict[str, Any]] = {"30 s beam 1": {"beam_size": 1, "without_timestamps": True}}
    if not quick:
        settings |= {"30 s beam 5": {"beam_size": 5, "without_timestamps": True}, "30 s beam 1 stamps": {"beam_size": 1}}
    detected = [0, 0]
    words_out, ordered, offsets = 0, 0, []
    for i in range(min(count, len(texts))):
        clean = audio[(ends[i - 1] if i else 0): ends[i]].astype(np.float32) / 32768
        clean = np.concatenate([np.zeros(1600, np.float32), clean, np.zeros(2400, np.float32)])
        language, reference = str(languages[i]), str(texts[i]).split()
        for name, x8 in (("clean", clean), ("telephone", channel(clean))):
            if quick and name == "clean":
                continue
            x = soxr.resample(x8.astype(np.float32), 8000, 16000).astype(np.float32)
            heard = {}
            for window, options in settings.items():
                segments, _ = model.transcribe(x, language=language, temperature=0.0, condition_on_previous_text=False, **options)
                heard[window] = " ".join(s.text for s in segments).split()
            for beam in (1,) if quick else (1, 5):
                heard[f"short beam {beam}"] = short_window(model, x, language, beam).split()
            for window, hypothesis in heard.items():
                wrong = word_errors(reference, hypothesis)
                spoken_by = f"voice {str(raw['voices'][i]).partition('+')[0]}"
                for group in ("all", "one sentence" if counts[i] == 1 else "several in one breath", spoken_by):
                    tally = totals.setdefault(f"{language} {name} {window}, {group}", [0, 0, 0])
                    tally[0] += wrong
                    tally[1] += len(reference)
                    tally[2] += 1
            if i < 8 and name == "telephone":
                print("  said :", " ".join(reference), *(f"\n  {k}: {' '.join(v)}" for k, v in heard.items()), flush=True)
            if name == "telephone" and i % 3 == 0:
                segments, info = model.transcribe(x, beam_size=1, temperature=0.0, word_timestamps=True)
                words = [w for s in segments for w in s.words or []]
                detected[0] += info.language == language
                detected[1] += 1
                words_out += len(words)
                ordered += sum(a.end <= b.start + 0.02 for a, b in zip(words, words[1:], strict=False))
                if words:
                    offsets.append(words[0].start)
    print(f"\nlanguage detected: {detected[0]} of {detected[1]}")
    print(f"word time stamps: {words_out} words, {ordered} followed in order, first word starts at {np.median(offsets or [0]):.2f} s "
          "(median; said at 0.20)")
    rng, silent, likely = np.random.default_rng(1), 0, []
    for _ in range(60):
        x = soxr.resample(not_speech(rng, 16000), 8000, 16000).astype(np.float32)
        segments, _ = model.transcribe(x, language="en", beam_size=1, temperature=0.0)
        silent += not "".join(s.text for s in segments).strip()
        token = model.hf_tokenizer.token_to_id
        states = model.encode(np.pad(model.feature_extractor(x, padding=0), ((0, 0), (0, 100))))
        prompt = [token("<|startoftranscript|>"), token("<|en|>"), token("<|transcribe|>"), token("<|notimestamps|>")]
        likely.append(model.model.generate(states, [prompt], return_no_speech_prob=True)[0].no_speech_prob)
    print(f"non-speech: {silent} of 60 without text; no_speech_prob over 0.6 in {sum(p > 0.6 for p in likely)}")
    print("\n| held-out voices | utterances | words | WER |\n|---|---|---|---|")
    for key in sorted(totals):
        wrong, words, utterances = totals[key]
        print(f"| {key} | {utterances} | {words} | {100 * wrong / words:.1f} % |")


def main() -> None:
    """Export, measure, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=pathlib.Path, nargs="?")
    parser.add_argument("out", type=pathlib.Path, nargs="?")
    parser.add_argument("--measure-only", type=pathlib.Path, metavar="MODEL", help="measure this folder, export nothing")
    parser.add_argument("--measure", action="store_true", help="measure after exporting")
    parser.add_argument("--heldout", help="a held-out .npz by speak.py; without it one is spoken from --world and --seed")
    parser.add_argument("--world", default=str(HERE / "world.yaml"))
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--count", type=int, default=700)
    parser.add_argument("--seen-templates", action="store_true", help="speak held-out fills of the templates trained on instead")
    parser.add_argument("--quick", action="store_true", help="telephone and beam 1 only")
    args = parser.parse_args()
    if not args.measure_only:
        if not (args.trained and args.out):
            parser.error("TRAINED_DIR and OUT_DIR are needed to export")
        export(args.trained, args.out)
    if args.measure_only or args.measure:
        measure(args.measure_only or args.out, args.heldout, args.world, args.count, args.seed,
                "fills" if args.seen_templates else "templates", args.quick)


if __name__ == "__main__":
    main()
