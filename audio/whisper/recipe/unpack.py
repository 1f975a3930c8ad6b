"""Turn the shipped CTranslate2 int8 folder back into a folder that `train.py --init` goes on from.

    python unpack.py ../demo_model OUT_DIR

Weights come back as int8 left them, which training mends within its first steps. CTranslate2 keeps no CTC head: `train.py`
begins with a fresh one, which the encoder soon fits.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import struct

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import WhisperConfig, WhisperForConditionalGeneration

TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


class Packed:
    """The variables of a CTranslate2 model.bin (format 6: name, shape, type, bytes, one after the other)."""

    def __init__(self, path: pathlib.Path) -> None:
        self._data, self._at = path.read_bytes(), 0
        self._number("I"), self._text(), self._number("I")
        self.arrays: dict[str, np.ndarray] = {}
        for _ in range(self._number("I")):
            name = self._text()
            shape = [self._number("I") for _ in range(self._number("B"))]
            kind, size = np.dtype(TYPES[self._number("B")]), self._number("I")
            self.arrays[name] = np.frombuffer(self._data, kind, size // kind.itemsize, self._at).reshape(shape)
            self._at += size

    def _number(self, form: str) -> int:
        value = struct.unpack_from("<" + form, self._data, self._at)[0]
        self._at += struct.calcsize("<" + form)
        return int(value)

    def _text(self) -> str:
        size = self._number("H")
        value = self._data[self._at: self._at + size]
        self._at += size
        return value.rstrip(b"\0").decode()

    def __getitem__(self, name: str) -> torch.Tensor:
        """A weight as float32, int8 rows divided by their scales."""
        array = self.arrays[name]
        if array.dtype == np.int8:
            array = array.astype(np.float32) / self.arrays[f"{name}_scale"].reshape([-1] + [1] * (array.ndim - 1))
        return torch.from_numpy(np.array(array, dtype=np.float32))

    def layers(self, side: str) -> int:
        return len({name.split("/")[1] for name in self.arrays if name.startswith(f"{side}/layer_") and name.count("/") > 2})


class Unpacker:
    """Collects the state of the transformers model, piece by piece."""

    def __init__(self, packed: Packed) -> None:
        self.packed, self.state = packed, dict[str, torch.Tensor]()

    def linear(self, to: str, name: str) -> None:
        self.state[f"{to}.weight"], self.state[f"{to}.bias"] = self.packed[f"{name}/weight"], self.packed[f"{name}/bias"]

    def norm(self, to: str, name: str) -> None:
        self.state[f"{to}.weight"], self.state[f"{to}.bias"] = self.packed[f"{name}/gamma"], self.packed[f"{name}/beta"]

    def split(self, to: str, name: str, parts: tuple[str, ...]) -> None:
        """CTranslate2 joins projections of the same input; Whisper's key projection has no bias."""
        weights = self.packed[f"{name}/weight"].chunk(len(parts))
        biases = self.packed[f"{name}/bias"].chunk(len(parts))
        for part, weight, bias in zip(parts, weights, biases, strict=True):
            self.state[f"{to}.{part}.weight"] = weight.clone()
            if part != "k_proj":
                self.state[f"{to}.{part}.bias"] = bias.clone()

    def layer(self, side: str, i: int) -> None:
        to, name = f"model.{side}.layers.{i}", f"{side}/layer_{i}"
        self.norm(f"{to}.self_attn_layer_norm", f"{name}/self_attention/layer_norm")
        self.split(f"{to}.self_attn", f"{name}/self_attention/linear_0", ("q_proj", "k_proj", "v_proj"))
        self.linear(f"{to}.self_attn.out_proj", f"{name}/self_attention/linear_1")
        self.norm(f"{to}.final_layer_norm", f"{name}/ffn/layer_norm")
        self.linear(f"{to}.fc1", f"{name}/ffn/linear_0")
        self.linear(f"{to}.fc2", f"{name}/ffn/linear_1")
        if side == "decoder":
            self.norm(f"{to}.encoder_attn_layer_norm", f"{name}/attention/layer_norm")
            self.split(f"{to}.encoder_attn", f"{name}/attention/linear_0", ("q_proj",))
            self.split(f"{to}.encoder_attn", f"{name}/attention/linear_1", ("k_proj", "v_proj"))
            self.linear(f"{to}.encoder_attn.out_proj", f"{name}/attention/linear_2")

    def everything(self) -> dict[str, torch.Tensor]:
        for conv in ("conv1", "conv2"):
            self.linear(f"model.encoder.{conv}", f"encoder/{conv}")
        for side in ("encoder", "decoder"):
            self.state[f"model.{side}.embed_positions.weight"] = self.packed[f"{side}/position_encodings/encodings"]
            self.norm(f"model.{side}.layer_norm", f"{side}/layer_norm")
            for i in range(self.packed.layers(side)):
                self.layer(side, i)
        self.state["model.decoder.embed_tokens.weight"] = self.state["proj_out.weight"] = self.packed["decoder/embeddings/weight"]
        return self.state


def main() -> None:
    """Unpack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    args = parser.parse_args()
    packed = Packed(args.model / "model.bin")
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    width, end = packed.arrays["decoder/embeddings/weight"].shape[1], tokenizer.token_to_id("<|endoftext|>")
    model = WhisperForConditionalGeneration(WhisperConfig(
        vocab_size=tokenizer.get_vocab_size(), d_model=width, encoder_layers=packed.layers("encoder"),
        decoder_layers=packed.layers("decoder"), encoder_attention_heads=width // 64, decoder_attention_heads=width // 64,
        encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width, num_mel_bins=80, dropout=0.0, pad_token_id=end, bos_token_id=end,
        eos_token_id=end, decoder_start_token_id=tokenizer.token_to_id("<|startoftranscript|>"), suppress_tokens=None,
        begin_suppress_tokens=None))
    model.load_state_dict(Unpacker(packed).everything(), strict=True)
    args.out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(args.out)
    shutil.copyfile(args.model / "tokenizer.json", args.out / "tokenizer.json")


if __name__ == "__main__":
    main()
