"""Find national ids and dates of birth. Patterns find candidates, python-stdnum's checksums judge."""

import re
from collections.abc import Iterator

from .cues import ID_CUE, nearest_cue
from .judges import Judges
from .kinds import BIRTH_DATE, NATIONAL_ID, Found

# Forms that say by themselves what they are, and the ids that look so. An empty list: the form is all there is.
_FORMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "us": (r"\d{3}-\d{2}-\d{4}", ("us.ssn", "us.itin")),
    "dni": (r"(?:\d{8}|[XYZ]-?\d{7})-?[A-Z]", ("es.dni", "es.nie")),
    "fiscale": (
        r"[A-Z]{6}[\dLMNPQRSTUV]{2}[A-Z][\dLMNPQRSTUV]{2}[A-Z][\dLMNPQRSTUV]{3}[A-Z]",
        ("it.codicefiscale",),
    ),
    "nir": (r"[12] ?\d\d ?(?:0[1-9]|[1-9]\d) ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d", ("fr.nir",)),
    "nino": (r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]", ()),
    "north": (
        r"(?:\d\d)?\d{6}[-+A-FU-Y]\d{3}[\dA-Z]",
        ("fi.hetu", "se.personnummer", "dk.cpr", "is_.kennitala"),
    ),
    "be": (r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d", ("be.nn",)),
    "cpf": (r"\d{3}\.\d{3}\.\d{3}-\d\d", ("br.cpf",)),
    "aadhaar": (r"\d{4}[ -]\d{4}[ -]\d{4}", ("in_.aadhaar",)),
    "pan": (r"[A-Z]{5}\d{4}[A-Z]", ("in_.pan",)),
    "ric": (r"\d{17}[\dX]", ("cn.ric",)),
    "curp": (r"[A-Z]{4}\d{6}[A-Z]{6}[A-Z\d]\d", ("mx.curp",)),
    "rrn": (r"\d{6}-\d{7}", ("kr.rrn",)),
    "ahv": (r"756\.?\d{4}\.?\d{4}\.?\d\d", ("ch.ssn",)),
    "pps": (r"\d{7}[A-W][A-IW]?", ("ie.pps",)),
    "rc": (r"\d{6}/\d{3,4}", ("cz.rc",)),
    "rut": (r"\d{1,2}\.\d{3}\.\d{3}-[\dK]", ("cl.rut",)),
    "th": (r"\d-\d{4}-\d{5}-\d\d-\d", ("th.pin",)),
    "cnic": (r"\d{5}-\d{7}-\d", ("pk.cnic",)),
    "eleven": (r"\d{11}", ("pl.pesel", "no.fodselsnummer", "ee.ik", "lt.asmens", "tr.tckimlik")),
    "thirteen": (r"\d{13}", ("za.idnr", "ro.cnp", "si.emso")),
}
# Nine to eleven digits pass one check or another by chance: only behind a word that says what they are.
_CALLED = (
    "us.ssn", "us.itin", "ca.sin", "gb.nhs", "gb.utr", "nl.bsn", "pt.nif", "au.tfn", "il.idnr", "bg.egn", "de.idnr",
    "br.cpf", "hr.oib", "gr.amka", "be.nn", "se.personnummer", "dk.cpr", "at.vnr", "nz.ird", "in_.aadhaar",
)  # fmt: skip
_CALLED_DIGITS = re.compile(r"(?<![\w.+-])\d(?:[ ./-]?\d){7,12}(?!\w|[-.]\d)")
_PASSPORT = re.compile(
    r"(?<=passport)(?: (?:number|no\.?|is))*[ :#]{1,3}((?=(?:[a-z]*\d){5})[a-z0-9]{6,9})(?!\w)", re.IGNORECASE
)
_ID = re.compile(
    r"(?<![\w.+/-])(?:"
    + "|".join(f"(?P<{name}>{form})" for name, (form, _) in _FORMS.items())
    + r")(?![\w/+]|[-.]\w)",
    re.IGNORECASE,
)

_MONTHS = (
    r"(?:jan|feb|mar|m[äa]r|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez|ene|abr|ago|dic|fév|fev|avr|mai|juin|juil|ao[uû]|déc"
    r"|gen|mag|giu|lug|set|ott|mei|maa|mrt)[^\W\d_]{0,9}\.?"
)
_DATE = re.compile(
    rf"(?<![\w.])(?:\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}([-/.]) ?\d{{1,2}}\1 ?(?:\d{{4}}|\d\d)"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.|er)? (?:of |de )?{_MONTHS},? (?:de |del )?\d{{4}}|{_MONTHS} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}})(?!\w)",
    re.IGNORECASE,
)
_BORN = re.compile(
    r"(?<!\w)(?:born|births?|birth\s?da(?:y|te)|d\.?\s?o\.?\s?b|b-?day|geboren|geb|geburts(?:tag|datum)|née?|naissance|naci(?:do|da|miento|ó|mos)?"
    r"|nat[oa]|nascita|nascid[oa]|nascimento|geboorte(?:datum)?|född|født|syntynyt|urodzon[ya]|narozen[aá]?)(?!\w)",
    re.IGNORECASE,
)
_REACH = 40  # characters between the word and the date: "your date of birth. It's 6/24/1991"


def find_ids(text: str, judges: Judges) -> Iterator[Found]:
    """Yield national ids: a form and a checksum, or a word that says so and a checksum."""
    for match in _ID.finditer(text):
        names = _FORMS[match.lastgroup or ""][1]
        cue = nearest_cue(text, match.start()) if match[0].isdigit() else None
        if cue not in (None, ID_CUE):
            continue  # bare digits behind "call me at"
        if not names or any(judges.national_id(name, match[0].upper()) for name in names):
            yield Found(match.start(), match.end(), NATIONAL_ID)
    for match in _CALLED_DIGITS.finditer(text):
        if nearest_cue(text, match.start()) == ID_CUE:
            digits = re.sub(r"\D", "", match[0])
            if any(judges.national_id(name, digits) for name in _CALLED):
                yield Found(match.start(), match.end(), NATIONAL_ID)
    for match in _PASSPORT.finditer(text):
        yield Found(match.start(1), match.end(1), NATIONAL_ID)


def find_birth_dates(text: str) -> Iterator[Found]:
    """Yield dates behind a word for being born."""
    if not _BORN.search(text):
        return
    for match in _DATE.finditer(text):
        if _BORN.search(text, max(0, match.start() - _REACH), match.start()):
            yield Found(match.start(), match.end(), BIRTH_DATE)
