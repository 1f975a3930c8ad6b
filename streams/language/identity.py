"""What a number is, by its own check digits: a card, a phone of some country, an account, an identity number.

Phone numbers are known by `phonenumbers`, the rest by `python-stdnum`. It knows French NIR, Portuguese NIF and cartão de
cidadão, Spanish DNI and NIE, Brazilian CPF, British NHS numbers and American SSN. For Morocco (CIN), Tunisia (CIN), Senegal,
Côte d'Ivoire and Cameroon there is no check to make, nor one for British national insurance numbers: those are found
when they are announced, or by their length.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import phonenumbers
from stdnum import iban, luhn
from stdnum.br import cpf
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.pt import cc, nif
from stdnum.us import ssn

CARD_LENGTHS = range(13, 20)
_MASTERCARD_TWOS = frozenset(map(str, range(2221, 2721)))
IBAN_LENGTHS = range(15, 35)
PHONE_LENGTHS = range(7, 16)
IBAN_COUNTRIES = frozenset(
    [
        "AD",
        "AE",
        "AT",
        "BE",
        "BG",
        "BR",
        "CH",
        "CI",
        "CM",
        "CY",
        "CZ",
        "DE",
        "DK",
        "DZ",
        "EE",
        "EG",
        "ES",
        "FI",
        "FR",
        "GB",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "JO",
        "KW",
        "LB",
        "LT",
        "LU",
        "LV",
        "MA",
        "MC",
        "ML",
        "MR",
        "MT",
        "NL",
        "NO",
        "PL",
        "PT",
        "QA",
        "RO",
        "SA",
        "SE",
        "SI",
        "SK",
        "SM",
        "SN",
        "TN",
        "TR",
    ]
)
"""Of the countries served (those of the CFA zone give their accounts in the same form) and their neighbours."""
_UNREGISTERED_LENGTHS = {"MA": 28, "SN": 28, "CI": 28, "CM": 27}
"""Countries served that use the form of an IBAN without being in the registry."""
_DIGIT_CHECKS: dict[int, tuple[tuple[str, Callable[[str], bool]], ...]] = {
    9: (("PT", nif.is_valid), ("US", ssn.is_valid)),
    10: (("GB", nhs.is_valid),),
    11: (("BR", cpf.is_valid),),
    15: (("FR", nir.is_valid),),
}
_WEAK_LENGTHS = (9, 10)
"""So short that many a phone number passes: the number must not be one."""
_LETTERED = re.compile(r"\d{8}[A-Z]|[XYZ]\d{7}[A-Z]|\d{9}[A-Z0-9]{2}\d")


def is_card(digits: str) -> bool:
    return len(digits) in CARD_LENGTHS and len(set(digits)) > 1 and bool(luhn.is_valid(digits))


def begins_card(digits: str) -> bool:
    """Whether a card of a network that is met everywhere may begin so: American Express, Visa, Mastercard (also 2221 to 2720), Discover."""
    return (
        digits[:1] in ("3", "4", "5", "6") or (len(digits) < 4 and digits[:1] == "2") or digits[:4] in _MASTERCARD_TWOS
    )


def is_iban(text: str) -> bool:
    if len(text) not in IBAN_LENGTHS or not text.isascii():
        return False
    return bool(iban.is_valid(text)) or (_UNREGISTERED_LENGTHS.get(text[:2]) == len(text) and _mod_97(text))


def _mod_97(text: str) -> bool:
    """ISO 13616: the check of every IBAN, also of countries `stdnum` has no entry for."""
    return text.isalnum() and int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


@lru_cache(maxsize=4_096)
def is_phone(digits: str, plus: bool, regions: tuple[str, ...]) -> bool:
    """Whether `digits` is a valid number of one of the regions, or of any country when written with its code."""
    if len(digits) not in PHONE_LENGTHS:
        return False
    international = plus or digits.startswith("00")
    number = "+" + digits.removeprefix("00") if international else digits
    return any(_valid(number, region) for region in ((None,) if international else regions))


def _valid(number: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def is_national_id(text: str, regions: tuple[str, ...], sure: bool = False) -> bool:
    """Whether digits (or digits with a check letter) are an identity number; `sure`: of a kind no phone looks like."""
    if text.isdecimal():
        if sure and len(text) in _WEAK_LENGTHS:
            return False
        return any(region in regions and check(text) for region, check in _DIGIT_CHECKS.get(len(text), ()))
    if not _LETTERED.fullmatch(text):
        return False
    return ("ES" in regions and (dni.is_valid(text) or nie.is_valid(text))) or ("PT" in regions and cc.is_valid(text))
