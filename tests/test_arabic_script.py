"""Darija in two scripts: what is heard the same, and Latin letters written in Arabic ones."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.language import analyse
from streams.language.arabic_script import in_arabic_script
from streams.language.catalogue import default_catalogue
from streams.language.embedding import read_as
from streams.language.parts import word_parts
from streams.language.reading import WordReader
from streams.language.semantic import Semantics, fitted
from streams.language.spelling import sound
from streams.language.text import LANGUAGES, words_of


@pytest.mark.parametrize(
    "spellings",
    [
        ("بزاف", "bzaf", "bezzaf"),
        ("المشكل", "lmochkil", "lmouchkil"),
        ("وقت", "wa9t", "waqt"),
        ("عيطت", "3ayet", "3iyett"),
        ("خدمة", "khidma", "5edma"),
        ("ساعة", "sa3a"),
        ("مرة", "merra", "mra"),
        ("سنة", "sana"),
        ("مدة", "modda"),
        ("المدة", "lmodda"),
        ("سيرفيس", "service"),
        ("قلت", "gelt", "9elt", "گلت"),
    ],
)
def test_a_word_sounds_the_same_in_both_scripts_and_shares_parts_in_them(spellings: tuple[str, ...]) -> None:
    read = [words_of(word, "ar")[0].word for word in spellings]  # with other letters than were written
    assert len({sound(word) for word in read}) == 1
    shared = set.intersection(*(set(word_parts(word, "ar")) for word in read))
    assert f"~{sound(read[0])}" in shared


def test_words_with_other_consonants_sound_different() -> None:
    assert len({sound(word) for word in ("شكرا", "بزاف", "المشكل", "خدمة", "وقت", "صافي")}) == 6


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "ar"])
def test_other_languages_have_no_such_parts(language: str) -> None:
    assert not [part for part in word_parts("service", language) if part.startswith("~")]


@pytest.mark.parametrize(
    ("latin", "arabic"),
    [
        ("chokran bzaf", "شكرا بزاف"),
        ("3ayett likom 3la lmochkil", "عيطت ليكم على المشكل"),
        ("fin lwra9 dyali", "فين الوراق ديالي"),
        ("m39oul l'mochkil ga3", "معقول المشكل كاع"),
        ("ma bghitch la facture", "ما بغيتش la facture"),
        ("lcontrat walo", "الكونترات والو"),
        ("sa3a dyal lkhidma", "ساعة ديال الخدمة"),
        ("chhal taman", "شحال ثمن"),
        ("golt likom lbareh", "قلت ليكم البارح"),
        ("smah liya hit ma sme3tch", "سمح ليا حيت ما سمعتش"),
        ("makayn mouchkil", "ماكاين مشكل"),
        ("lmouhami dyali", "المحامي ديالي"),
        ("m3ak salma", "معاك سلمى"),
        ("ana m3ah", "انا معاه"),
        ("3ndi ga3 lwra9 wallah", "عندي كاع الوراق والله"),
        ("tlata dyal lmerrat mn dak nhar", "ثلاثة ديال المرات من داك نهار"),
        ("merra wehda f sana", "مرة وحدة ف سنة"),
        ("bghit nhder m3a lmas2oul", "بغيت نهضر معا المسوول"),
    ],
)
def test_darija_in_latin_letters_is_written_in_arabic_ones(latin: str, arabic: str) -> None:
    assert in_arabic_script(latin) == arabic
    assert in_arabic_script(latin.replace("'", "’")) == arabic


@pytest.mark.parametrize(
    "text",
    [
        "les chèques",
        "le contrat l'agence",
        "j'ai déjà payé s'il vous plaît",
        "il y a un problème sur ma facture",
        "4g 100 mp3 7h",
        "شكرا بزاف",
        "email",
        "lapp lsms",
        "aujourd'hui quelqu'un jusqu'au mois d'août",
        "j ai appelé il m a dit",
        "ça va on y va vas y",
        "y'a pas de réseau on est la",
        "",
        "b12 0612",
    ],
)
def test_french_figures_and_arabic_stay_as_they_are(text: str) -> None:
    assert in_arabic_script(text) == text


def test_only_arabic_calls_are_read_in_arabic_letters() -> None:
    assert read_as("Chokran, bzaf!", "ar") == "شكرا بزاف"
    assert read_as("Chokran, bzaf!", "fr") == "chokran bzaf"


LATIN = st.text("abcdeghijklmnorstuwyz2379'", min_size=1, max_size=12)


@given(st.lists(st.one_of(st.text(max_size=30), LATIN, LATIN.map(lambda word: f"l{word}")), max_size=12))
def test_any_text_keeps_its_number_of_words_and_comes_out_whole(words: list[str]) -> None:
    text = " ".join(" ".join(words).lower().split())
    written = in_arabic_script(text)
    assert len(written.split()) == len(text.split())
    assert in_arabic_script(written) == written


@given(st.lists(LATIN, min_size=1, max_size=12))
def test_no_word_of_latin_letters_comes_out_in_two_scripts(words: list[str]) -> None:
    for word in re.findall(r"[^\W_]+", in_arabic_script(" ".join(words))):
        assert not (re.search("[a-z]", word) and re.search("[\u0600-\u06ff]", word)), word


@pytest.mark.parametrize("text", ["l" * 900, "k" * 1000, "lm" * 500, "3" * 1000])
def test_what_is_no_word_stays_as_it_is(text: str) -> None:
    assert in_arabic_script(text) == text


class Asked:
    """An embedder that keeps what it was asked about."""

    name, size = fitted().model, 384

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        return np.ones((len(texts), self.size), np.float32)

    def forget(self) -> None:
        self.texts.clear()


def test_the_sentence_model_reads_arabic_letters_in_arabic_calls_and_french_as_it_is() -> None:
    asked = Asked()
    reader = WordReader(refiner=Semantics(asked, default_catalogue()))
    analyse("chokran bzaf a lalla", "ar", "customer", reader=reader)
    assert asked.texts == [in_arabic_script("chokran bzaf a lalla")]
    asked.forget()
    analyse("je vous remercie pour votre aide madame", "ar", "customer", reader=reader)
    assert asked.texts == ["je vous remercie pour votre aide madame"], "French in an Arabic call is French"
