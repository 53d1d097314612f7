"""Words that say what the number beside them is.

Most phone numbers that people write, and many national ids, have no form of their own: seven
digits are a phone number behind "call me at" and an order behind "order". So the nearest
such word decides. In English and the larger languages of Europe, and in Chinese, Japanese and Korean for phones.
"""

import re

PHONE_CUE, CARD_CUE, ID_CUE, OTHER_CUE = "phone", "card", "id", "other"

REACH = 48  # characters before a number in which its word stands
REACH_AFTER = 12  # and behind it: "416 60 039 (office)"

_WORDS = {
    PHONE_CUE: r"""
        (?:tele|mobile|cell|home|work)?phone(?:s|d|\ ?n(?:umber|o\.?))? | tel(?:ephone|\.|:|efono|éfono|efon|efoon|éfon)?
        | mobile | mobil | cell(?:ular)? | handy(?:nummer)? | festnetz | fax | landline | hotline | desk | pager
        | call(?:s|ed|ing|back)?(?:\ me|\ us|\ him|\ her|\ them)? | ring(?:ing)?\ (?:me|us|him|her) | dial | reach(?:ed)? | contact
        | text(?:ed|ing|s)?(?:\ me|\ us)? | sms | whats\ ?app | signal | viber | messages?\ (?:to|at|on|me|us) | answer(?:s|ed|ing)?
        | rufnummer | anrufen | ruf | rückruf | nummer | numéro | numero | número | portable | appel(?:er|ez|le)?
        | llam(?:a|ar|e|ame) | móvil | celular | cellulare | chiam(?:a|ami|are) | bel(?:len)? | mobiel | ring | telefonnummer
        | puhelin | (?:my|your|his|her|their|our)\ (?:new\ )?number | телефон | тел | звони
        """,
    CARD_CUE: r"""
        (?:credit|debit|bank|charge)?\ ?cards? | visa | master\ ?card | maestro | amex | american\ express | discover | cc
        | kreditkarte | karte(?:nnummer)? | carte(?:\ (?:bancaire|bleue))? | tarjeta | carta | kaart | kort | kartu
        """,
    ID_CUE: r"""
        ssn | social\ security | s\.s\.n\. | (?:national|personal|identity|citizen|social|tax)(?:\ (?:id|identity|identification|insurance|insured|file|payer))?
        (?:\ (?:number|no\.?|card|code))? | id\ (?:number|card|no\.?) | nino? | nhs(?:\ number)? | passport | itin
        | sin | tfn | bsn | burgerservicenummer | steuer-?(?:id(?:entifikationsnummer)?|nummer) | personalausweis(?:nummer)?
        | sozialversicherungsnummer | ausweis | reisepass | personnummer | cpr | hetu | henkilötunnus | fødselsnummer | nif | nie | dni
        | codice\ fiscale | pesel | cpf | rut | curp | aadhaar | pan\ (?:card|number) | sécurité\ sociale | nir | oib | egn | ahv | avs
        | kennitala | rodné\ číslo
        """,
    OTHER_CUE: r"""
        order | invoice | ticket | tracking | reference | ref | account | konto(?:nummer)? | serial | model | part | version | build
        | licen[cs]e | policy | case | item | sku | isbn | issn | doi | zip | postal | population | price | cost | total | amount | sum
        | bestell(?:ung|nummer) | rechnung(?:snummer)? | commande | facture | pedido | factura | ordine | fattura | flight | room | apt | apartment
        | page | pages | line | lines | port | pid | commit | hash | timestamp | epoch | date | year | years | score
        """,
}
_CUES = re.compile(
    r"(?<!\w)(?:"
    + "|".join(f"(?P<{kind}>{words})" for kind, words in _WORDS.items())
    + r")(?!\w)|(?P<han>电话|電話|手机|手機|携帯|전화)",
    re.IGNORECASE | re.VERBOSE,
)
_BEHIND = re.compile(
    r"[\s\-–(,\[]{1,3}(?:office|work|home|mobile|cell|fax|phone|tel|desk|landline|direct|handy|mobil|büro|privat|bureau|oficina|ufficio)(?!\w)",
    re.IGNORECASE,
)


def nearest_cue(text: str, start: int) -> str | None:
    """Which word stands nearest before a number.

    Args:
        text: all of it.
        start: where the number begins.

    Returns:
        PHONE_CUE, CARD_CUE, ID_CUE or OTHER_CUE; None when no such word is near.
    """
    cues = list(_CUES.finditer(text, max(0, start - REACH), start))
    if not cues:
        return None
    last = cues[-1]
    return PHONE_CUE if last.lastgroup == "han" else last.lastgroup


def is_called_phone(text: str, start: int, end: int) -> bool:
    """Tell whether the words around a number say that it is a phone's."""
    return bool(_BEHIND.match(text, end, end + REACH_AFTER)) or nearest_cue(text, start) == PHONE_CUE
