"""Find keys, tokens and passwords: forms that well-known services give theirs."""

import re
from collections.abc import Iterator

from .kinds import SECRET, URL_CREDENTIALS, Found

_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}://([^\s/@:\"'<>]{0,256}:[^\s/@\"'<>]{1,256})@", re.IGNORECASE)

# Prefixes as the services document them, and as GitHub's secret scanning lists them:
# https://docs.github.com/en/code-security/secret-scanning/introduction/supported-secret-scanning-patterns
_FORMS = (
    r"gh[pousr]_[A-Za-z0-9]{30,255}", r"github_pat_[A-Za-z0-9_]{30,255}", r"gl(?:pat|dt|ptt|rt|agent|oas|cbt|soat|ft)-[\w-]{20,255}",
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}", r"xox[abceprs]-[A-Za-z0-9-]{10,250}", r"xapp-\d-[A-Za-z0-9-]{10,250}",
    r"sk-[A-Za-z0-9_-]{20,250}", r"[srp]k_(?:live|test)_[A-Za-z0-9]{16,250}", r"whsec_[A-Za-z0-9+/=]{24,100}",
    r"AIza[\w-]{35}", r"ya29\.[\w-]{20,400}", r"GOCSPX-[\w-]{20,60}", r"SG\.[\w-]{16,64}\.[\w-]{16,64}", r"(?:SK|AC)[0-9a-f]{32}",
    r"key-[0-9a-f]{32}", r"npm_[A-Za-z0-9]{36}", r"pypi-AgE[\w-]{50,1000}", r"hf_[A-Za-z0-9]{30,60}", r"gsk_[A-Za-z0-9]{40,80}",
    r"r8_[A-Za-z0-9]{30,60}", r"xai-[A-Za-z0-9]{60,120}", r"pplx-[A-Za-z0-9]{40,80}", r"do[opr]_v1_[0-9a-f]{64}",
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}", r"sq0[a-z]{3}-[\w-]{22,60}", r"EAAA[\w-]{56,80}", r"dapi[0-9a-f]{32}(?:-\d)?",
    r"lin_api_[A-Za-z0-9]{32,60}", r"(?:secret|ntn)_[A-Za-z0-9]{40,60}", r"PMAK-[0-9a-f-]{50,70}", r"sbp_[0-9a-f]{40}",
    r"hv[sbr]\.[\w-]{24,300}", r"AGE-SECRET-KEY-1[A-Z0-9]{58}", r"ATATT3[\w=-]{50,300}", r"figd_[\w-]{30,60}", r"dckr_(?:pat|oat)_[\w-]{20,60}",
    r"rubygems_[0-9a-f]{48}", r"oy2[a-z0-9]{43}", r"dp\.(?:pt|st)\.[A-Za-z0-9.]{40,80}", r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}",
    r"\d{8,10}:AA[\w-]{33}", r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,40}", r"eyJ[\w-]{8,4000}\.eyJ[\w-]{8,8000}\.[\w-]{8,2000}",
    r"sk-ant-[\w-]{20,250}", r"v2\.local\.[\w-]{40,400}", r"tk-[\w-]{43}",
)  # fmt: skip
_TOKEN = re.compile(r"(?<![A-Za-z0-9_])(?:" + "|".join(_FORMS) + r")(?![A-Za-z0-9_])")
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^-]{1,20000}(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)
_HOOK = re.compile(
    r"(?<=hooks\.slack\.com/services/)T\w{6,14}/B\w{6,14}/\w{16,40}|(?<=discord\.com/api/webhooks/)\d{15,22}/[\w-]{50,90}"
)
# "password: hunter2..." is one only where the value holds letters and digits: "password: required" is prose.
_GIVEN = re.compile(
    r"(?:api[ _-]?key|secret(?:[ _-]?(?:access[ _-]?)?key)?|access[ _-]?token|auth[ _-]?token|client[ _-]?secret|account[ _-]?key|passw(?:or)?d|pwd"
    r"|bearer|sig|signature)\W{1,4}(?=[^\s\"'<>&,;]*\d)(?=[^\s\"'<>&,;]*[A-Za-z])([^\s\"'<>&,;]{8,512})",
    re.IGNORECASE,
)
_LONG = 16  # characters without a space that every form has
_WORDS = ("key", "secret", "token", "passw", "pwd", "bearer", "sig")


def find_credentials(text: str) -> Iterator[Found]:
    """Yield user and password inside addresses."""
    for match in _URL.finditer(text):
        yield Found(match.start(1), match.end(1), URL_CREDENTIALS)


def find_secrets(text: str) -> Iterator[Found]:
    """Yield keys and tokens of well-known services, private keys, and what a line gives as a key or password."""
    if "-----BEGIN" in text:
        for match in _KEY_BLOCK.finditer(text):
            yield Found(match.start(), match.end(), SECRET)
    if max(map(len, text.split()), default=0) >= _LONG:
        for match in (*_TOKEN.finditer(text), *_HOOK.finditer(text)):
            yield Found(match.start(), match.end(), SECRET)
    folded = text.casefold()
    if any(word in folded for word in _WORDS):
        for match in _GIVEN.finditer(text):
            value = match[1].rstrip(".!?)]}")
            if len(value) >= 8:
                yield Found(match.start(1), match.start(1) + len(value), SECRET)
