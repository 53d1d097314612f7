"""Glean from what a user says the sentences that must survive word for word. No model is asked.

    5  "remember that ...", and who they are: name, allergies, how to call them
    4  what has a value: "my room is 214", codes, addresses, appointments
    3  how things are with them: where they live, what they have and prefer
    2  what happened to them, with a figure, date or name
    1  other figures, dates and codes

The rank says who stays when room is short (facts.py). Questions, code and quotations
are no facts. A sentence that cannot stand alone ("It's 4711.") takes along what it refers to.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from .lexicon import FIRST_PERSON, SPACELESS_FIRST
from .sentences import Sentence, read_sentence
from .tokens import bare_word, split_sentences

FACT_CHARACTERS = 280  # a longer sentence is no fact
MOST_A_MESSAGE = 8  # facts taken from one message, the best ones
PASTED_CHARACTERS = 1_500  # a longer message was not typed: only what it says of its sender counts
BARE_ANSWER_WORDS = 8  # a message this short may be the answer to what was asked

_CODE_BLOCK = re.compile(r"```.*?(?:```|\Z)|^\s*(?:>|[|{}<]).*$|^(?: {4}|\t).*$", re.DOTALL | re.MULTILINE)

# Asking to remember something of one's own; "remember to be kind" and "I remember that day" are no such thing.
_REMEMBER = re.compile(
    r"(?:^|[.,!;:–—-]\s*|\b(?:please|also|and|so|just|you|to|must|should)\s+)(?:(?:always )?remember(?! (?:when|how|why|to|the time|me\b))|don't forget(?! to)|do not forget(?! to)"
    r"|never forget|keep in mind|bear in mind|note|take note|make a note|write (?:this|that|it) down|save (?:this|that|it))\b|\b(?:for the record|fyi|for your information)\b"
    r"|\b(?:merk(?:e)? dir|vergiss nicht|denk(?:e)? daran|notier\w*|souviens-toi|rappelle-toi|n'oublie pas|retiens|recuerda|no olvides|ten en cuenta|anota|apunta|ricorda|ricordati"
    r"|non dimenticare|tieni presente|lembra(?:-te|-se)?|lembre(?:-se)?|não (?:te )?esqueç\w*|onthoud|vergeet niet|zapamiętaj|pamiętaj|nie zapomnij|unutma|hatırla)\b"
    r"|\bзапомни|не забудь|помни\b|记住|記住|别忘|別忘|请记|請記|覚えて|忘れないで|기억해|잊지",
    re.IGNORECASE,
)  # fmt: skip
_BIDDING = re.compile(r"(?:please\b|(?:can|could|will|would) you\b|kannst du|peux-tu|puedes|puoi|pode|kun je)", re.IGNORECASE)
_IDENTITY = re.compile(
    r"\b(?:my (?:full |first |last |middle |nick|pen |user)?name(?:'s| is)|(?:you can |please |just )?(?:call|address) me\b(?! (?:back|when|if|later|tomorrow|at|on|crazy))|(?:people|friends|everyone) calls? me"
    r"|i(?:'m| am) (?:called|known as|named)|my pronouns|i go by|i(?:'m| am) (?:\w+ )?(?:allergic|intolerant|diabetic|vegetarian|vegan|celiac|coeliac|asthmatic|epileptic|pregnant"
    r"|deaf|blind|colou?r-?blind|left-handed|dyslexic)|allerg(?:y|ies)\b|my blood type|i (?:can't|cannot|can not|must not|mustn't|am not allowed to) (?:eat|drink|have|take|tolerate)"
    r"|ich heiße|mein name|nenn(?:t)? mich|ich bin \w*\s?(?:allergisch|vegetarier\w*|veganer\w*|diabetiker\w*)|je m'appelle|appelle(?:z)?-moi|je suis (?:allergique|végétari\w+|végane?|diabétique)"
    r"|me llamo|mi nombre|llámame|soy (?:alérgic|vegetarian|vegan|diabétic)\w*|mi chiamo|chiamami|sono (?:allergic|vegetarian|vegan|diabetic)\w*|meu nome|me chamo|chama-me|me chame"
    r"|sou (?:alérgic|vegetarian|vegan|diabétic)\w*|ik heet|noem me|ik ben (?:allergisch|vegetari\w+|vegan\w*)|mam na imię|nazywam się|benim adım|adım)"
    r"|\b(?:меня зовут|зови(?:те)? меня)\b|у меня аллергия|我叫|我的名字|叫我|过敏|過敏|私の名前|と申します|と呼んで|アレルギー|제 이름|알레르기",
    re.IGNORECASE,
)  # fmt: skip
_STATE = re.compile(
    r"\b(?:i|we)(?:'m|'re| am| are) (?:a|an|from|based|living|working|married|engaged|single|divorced|retired|studying|training|learning|\d+|the|on|turning|responsible|afraid)\b"
    r"|\b(?:i|we) (?:now |still |also |currently |usually |always |never |only |really )?(?:live|work|study|own|drive|speak|prefer|dislike|hate|can't stand|avoid|weigh|earn|teach|run|manage"
    r"|come from|grew up|was born|were born|moved to|don't (?:eat|drink|like|smoke|drive|want|use)|do not (?:eat|drink|like|smoke|drive|want|use)|take (?:my |the |\d)|use (?:a|the|my)"
    r"|collect|breed|grow|wear|need (?:a|an|the|to take|my)|have (?:a|an|no|my|one|two|three|four|five|six|seven|eight|nine|ten|\d+|another|several)|have got|'ve got)\b"
    r"|\bi(?:'ve got| have got)\b|\bmy favou?rite\b|\bfavou?rite\b.{0,40}\bis\b|\bi'?d (?:rather|prefer)\b|\bmy (?:\w+ ){0,2}(?:wife|husband|partner|son|daughter|sister|brother|mother|father"
    r"|mom|mum|dad|cat|dog|boss|doctor|dentist|teacher|manager|landlord|neighbou?r|cousin|uncle|aunt|grand\w+|girlfriend|boyfriend|colleague|friend|team|company|car|house|flat|apartment)\b.{0,30}\b(?:is|are|was|has|have|lives?|works?|called|named|likes?|loves?|hates?)\b"
    r"|\bplease (?:always|never|use|answer|reply|write|speak|keep)\b|\balways (?:answer|reply|write|use) \b"
    r"|\bich (?:wohne|lebe|arbeite|studiere|habe|bin|mag|hasse|bevorzuge|spreche|fahre|esse|trinke)\b|\bj'(?:habite|ai|aime|adore)\b|\bje (?:vis|travaille|préfère|déteste|parle|suis|mange|bois)\b"
    r"|\b(?:vivo|trabajo|tengo|prefiero|odio|hablo|soy|abito|lavoro|preferisco|moro|trabalho|tenho|prefiro)\b|\bik (?:woon|werk|heb|ben|eet|drink|spreek)\b"
    r"|\bя (?:живу|работаю|люблю|ненавижу|предпочитаю|говорю|не ем|не пью)\b|\bу меня (?:есть|два|две|три)\b|我(?:住|有|喜欢|喜歡|讨厌|討厭|不吃|不喝|是)|私は|僕は|저는|나는",
    re.IGNORECASE,
)  # fmt: skip
# "My room is ...": what follows is the value.
_OWN_VALUE = re.compile(
    r"\b(?:my|our|mein\w*|unser\w*|mon|ma|mes|notre|nos|mi|mis|nuestr\w+|mio|mia|miei|meu|minha|meus|minhas|mijn|мой|моя|моё|мои|наш\w*)\b.{1,60}?"
    r"(?:'s|\b(?:is|are|was|will be|starts?|begins?|ends?|leaves?|arrives?|departs?|costs?|expires?|opens?|closes?|runs?|takes? place|has|have|weighs?|measures?|turns?"
    r"|ist|sind|beginnt|kostet|heißt|lautet|est|sont|coûte|s'appelle|es|son|cuesta|empieza|se llama|è|sono|costa|si chiama|é|são|zijn|kost|begint))\b|私の|我的|제\s",
    re.IGNORECASE,
)  # fmt: skip
_THING = re.compile(
    r"\b(?:address|phone|number|password|passcode|pin|code|account|iban|e-?mail|birthday|anniversary|appointment|meeting|flight|train|deadline|budget|rent|salary|licen[cs]e"
    r"|passport|room|seat|order|reservation|booking|invoice|adresse|telefon\w*|nummer|passwort|konto|geburtstag|termin|treffen|flug|zug|frist|miete|zimmer|téléphone|numéro|mot de passe"
    r"|anniversaire|rendez-vous|réunion|vol|loyer|chambre|dirección|teléfono|número|contraseña|cumpleaños|cita|reunión|vuelo|alquiler|indirizzo|telefono|compleanno|appuntamento"
    r"|riunione|volo|affitto|endereço|telefone|senha|aniversário|reunião|voo|aluguel|адрес|телефон|номер|пароль|код|встреча|рейс|поезд)\b"
    r"|密码|密碼|号码|號碼|地址|电话|電話|生日|航班|会议|パスワード|番号|住所|誕生日|会議|비밀번호|주소|생일|회의",
    re.IGNORECASE,
)  # fmt: skip
_NEAR_NAME = frozenset(
    "with to from in at called named by near of met visited called is are and for bei mit in nach aus von heißt avec à chez de en con a da di em для в из с".split()
)
_PAST = re.compile(r"\b(?:\w{2,}ed|went|had|was|were|did|saw|got|made|took|came|met|bought|ate|drank|said|told|ran|won|lost|found|felt|left|gave|spent|read|wrote|thought|heard|began)\b", re.IGNORECASE)
_PRESENT = re.compile(r"\b(?:is|are|am|has|have|'m|'s|'re|'ve|will|live|lives|work|works)\b", re.IGNORECASE)
_REFERRING = re.compile(r"^(?:it|it's|its|that|that's|this|he|she|they|he's|she's|they're|his|her|their|these|those|there|so|and|but|or|because|also|er|sie|es|il|elle|c'est|él|ella|ha|это|он|она)\b", re.IGNORECASE)
_THOUGHT = re.compile(r"\b(?:if|maybe|perhaps|imagine|suppose|wonder|guess|might|would be|could be|what if|for example|e\.g|let's say|hypothetically)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gleaned:
    """A sentence worth keeping, and how much: 5 is the most."""

    text: str
    rank: int


def glean(text: str, asked: str = "") -> list[Gleaned]:
    """Take from a user's message what must survive.

    Args:
        text: the message.
        asked: what the assistant had said before, since it may be an answer.

    Returns:
        Sentences as said, in their order; at most `MOST_A_MESSAGE`.
    """
    pasted = len(text) > PASTED_CHARACTERS
    sentences = split_sentences(_CODE_BLOCK.sub("\n", text))
    found: list[tuple[int, Gleaned]] = []
    for place, sentence in enumerate(sentences):
        read = read_sentence(sentence)
        rank = _rank(sentence, read)
        if len(sentence) > FACT_CHARACTERS or rank == 0 or (pasted and rank < 4):
            continue
        before = sentences[place - 1] if place else ""
        found.append((place, Gleaned(_with_context(sentence, read, before, asked, bare=_is_bare(sentences)), rank)))
    if not found and (answer := _bare_answer(sentences, asked)) is not None:
        return [answer]
    best = sorted(found, key=lambda each: (-each[1].rank, each[0]))[:MOST_A_MESSAGE]
    return [gleaned for _, gleaned in sorted(best, key=lambda each: each[0])]


def _rank(text: str, sentence: Sentence) -> int:
    """Say how much a sentence is worth keeping; 0 for not at all."""
    values = bool(sentence.figures or sentence.dates or sentence.codes)
    own = _speaks_of_self(text)
    asks = text.rstrip("\"'”’)").endswith(("?", "？", "؟"))
    if _REMEMBER.search(text) and (own or values or sentence.names) and (not asks or _BIDDING.match(text)):
        return 5
    if asks:
        return 0
    if _IDENTITY.search(text):
        return 5
    if _THOUGHT.search(text):
        return 1 if values and _is_written_out(sentence) else 0
    if _states_value(text, sentence, values=values):
        return 4
    if _STATE.search(text):
        return 3
    if own and (values or _tells_name(sentence)):
        return 2
    return 1 if values and _is_written_out(sentence) else 0


def _states_value(text: str, sentence: Sentence, *, values: bool) -> bool:
    """Tell whether a sentence gives something a value: "my room is 214", "the code: 4711-B"."""
    if _is_past(text):
        return False
    if (match := _OWN_VALUE.search(text)) is not None and any(_marks(read_sentence(f"it {text[match.end() :]}"))):
        return True
    return values and _THING.search(text) is not None and len(sentence.stems) > 1


def _is_written_out(sentence: Sentence) -> bool:
    """Tell whether there is more than a count: a code, a date, or a figure of two digits and more."""
    return bool(sentence.codes or sentence.dates or any(len(figure) > 1 for figure in sentence.figures)) and len(sentence.stems) > 1


def _tells_name(sentence: Sentence) -> bool:
    """Tell whether a name is part of what is told, and not only who is spoken to."""
    return any(
        bare_word(word.text) in sentence.names and before.text in _NEAR_NAME for before, word in pairwise(sentence.words)
    )


def _is_past(text: str) -> bool:
    return _PAST.search(text) is not None and _PRESENT.search(text) is None


def _speaks_of_self(text: str) -> bool:
    words = {word.strip("\"'“”,;:!?.()").lower().replace("’", "'") for word in text.split()}
    return not FIRST_PERSON.isdisjoint(words) or any(mark in text for mark in SPACELESS_FIRST)


def _with_context(text: str, sentence: Sentence, before: str, asked: str, *, bare: bool) -> str:
    """Put before a sentence what it refers to: the sentence before it, or the question it answers."""
    if not _REFERRING.match(text) and sentence.stems:
        return text
    if before and not before.endswith(("?", "？")):
        return f"{before} {text}"
    question = _last_question(asked)
    return f"{text} (asked: {question})" if question and bare else text


def _is_bare(sentences: list[str]) -> bool:
    return len(sentences) <= 2


def _bare_answer(sentences: list[str], asked: str) -> Gleaned | None:
    """Take "4711" or "On Tuesday at 3" where the assistant had asked for it."""
    question = _last_question(asked)
    if len(sentences) != 1 or not question or len(sentences[0].split()) > BARE_ANSWER_WORDS:
        return None
    sentence = read_sentence(sentences[0])
    if sentences[0].endswith(("?", "？")) or not any(_marks(sentence)):
        return None
    return Gleaned(f"{sentences[0]} (asked: {question})", 4)


def _marks(sentence: Sentence) -> Iterator[str]:
    yield from (*sentence.figures, *sentence.dates, *sentence.codes, *sentence.names)


def _last_question(text: str) -> str:
    questions = [sentence for sentence in split_sentences(text) if sentence.endswith(("?", "？", "؟"))]
    return questions[-1] if questions and len(questions[-1]) <= FACT_CHARACTERS // 2 else ""
