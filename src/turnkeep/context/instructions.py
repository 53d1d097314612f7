"""How a model is asked for a summary, and under which words it reads one: all of these texts.

The request is written in the language of the conversation, since small models answer in
the language that they were asked in. It stays under 150 tokens in each, so that it
fits behind a full prompt.
"""

import re
from collections.abc import Iterable

from .stopwords import STOP_WORDS
from .words import guess_language

SUMMARY_HEADER = "Summary of the conversation so far:"
LIMIT_WORDS = 8  # words of the first kept turn that the instruction quotes
LIMIT_CHARACTERS = 48  # of these words, where none are parted by blanks

# Language -> the request, and what names its limit. "{limit}" is empty when nothing stays.
_INSTRUCTIONS = {
    "english": (
        ('List what was said so far{limit} as short lines, each beginning with "- ": facts, names, numbers, dates, '
        'decisions, wishes, what is open, just as they were said. Write "the user" and "the assistant", never "you". '
        "Keep to the language of the conversation, leave out what the summary above has already, add nothing. "
        "Answer with the lines only."),
        ', up to but not including "{words}",',
    ),
    "german": (
        ('Liste in kurzen Zeilen auf, was bisher{limit} gesagt wurde; jede beginnt mit "- ": Fakten, Namen, Zahlen, '
        'Daten, Entscheidungen, Wünsche, Offenes, genau wie gesagt. Schreibe "der Nutzer" und "der Assistent", nie "du". '
        "Lass weg, was die Zusammenfassung oben schon hat, füge nichts hinzu. Antworte nur mit den Zeilen."),
        ' (bis vor "{words}")',
    ),
    "french": (
        ('Liste en lignes courtes ce qui a été dit jusqu\'ici{limit}, chacune commençant par "- " : faits, noms, nombres, '
        "dates, décisions, souhaits, points ouverts, tels quels. Écris \"l'utilisateur\" et \"l'assistant\", jamais "
        '"tu". Omets ce que le résumé ci-dessus contient déjà, n\'ajoute rien. Réponds seulement par les lignes.'),
        ' (jusqu\'avant "{words}")',
    ),
    "spanish": (
        ('Enumera lo que se ha dicho hasta ahora{limit} en líneas cortas, cada una con "- " al principio: hechos, nombres, '
        'números, fechas, decisiones, deseos, lo pendiente, tal como se dijo. Escribe "el usuario" y "el asistente", nunca '
        '"tú". Omite lo que el resumen de arriba ya tiene, no añadas nada. Responde solo con las líneas.'),
        ' (hasta antes de "{words}")',
    ),
    "italian": (
        ('Elenca ciò che è stato detto finora{limit} in righe brevi, ognuna con "- " all\'inizio: fatti, nomi, numeri, '
        'date, decisioni, desideri, cose aperte, così come dette. Scrivi "l\'utente" e "l\'assistente", mai "tu". '
        "Ometti ciò che il riassunto sopra ha già, non aggiungere nulla. Rispondi solo con le righe."),
        ' (fino a prima di "{words}")',
    ),
    "portuguese": (
        ('Liste o que foi dito até agora{limit} em linhas curtas, cada uma começando com "- ": factos, nomes, números, '
        'datas, decisões, desejos, o que está em aberto, tal como foi dito. Escreva "o usuário" e "o assistente", nunca '
        '"você". Omita o que o resumo acima já tem, não acrescente nada. Responda só com as linhas.'),
        ' (até antes de "{words}")',
    ),
    "dutch": (
        ('Noem in korte regels wat er tot nu toe{limit} gezegd is, elk beginnend met "- ": feiten, namen, getallen, '
        'datums, besluiten, wensen, wat open is, precies zoals gezegd. Schrijf "de gebruiker" en "de assistent", nooit '
        '"jij". Laat weg wat de samenvatting hierboven al heeft, voeg niets toe. Antwoord alleen met de regels.'),
        ' (tot vóór "{words}")',
    ),
    "russian": (
        ('Перечисли сказанное до сих пор{limit} короткими строками, каждая начинается с "- ": факты, имена, числа, даты, '
        'решения, желания, открытые вопросы, именно как было сказано. Пиши "пользователь" и "ассистент", не "ты". '
        "Пропусти то, что уже есть в сводке выше, ничего не добавляй. Ответь только строками."),
        ' (до слов "{words}", не включая их)',
    ),
    "chinese": (
        ("请用简短的行列出到目前为止{limit}说过的内容，每行以“- ”开头：事实、姓名、数字、日期、决定、愿望、未决事项，照原话写。"
        "写“用户”和“助手”，不要写“你”。上面的摘要已有的不再写，不要添加任何内容。只回答这些行。"),
        "（到“{words}”之前为止）",
    ),
    "japanese": (
        ("これまでに話された内容{limit}を、それぞれ「- 」で始まる短い行で列挙してください。事実、名前、数字、日付、決定、希望、"
        "未解決の点を言われたとおりに。「ユーザー」「アシスタント」と書き、「あなた」は使わない。"
        "上の要約にあることは省き、何も加えない。行だけで答えてください。"),
        "(「{words}」の前まで)",
    ),
    "korean": (
        ('지금까지{limit} 나온 내용을 "- "로 시작하는 짧은 줄로 나열하세요: 사실, 이름, 숫자, 날짜, 결정, 바람, 남은 문제를 '
        '말한 그대로. "사용자"와 "어시스턴트"라고 쓰고 "당신"은 쓰지 마세요. 위 요약에 이미 있는 것은 빼고, '
        "아무것도 덧붙이지 마세요. 줄만으로 답하세요."),
        '("{words}" 앞까지)',
    ),
    "arabic": (
        ('اذكر ما قيل حتى الآن{limit} في أسطر قصيرة يبدأ كل منها بـ "- ": الحقائق والأسماء والأرقام والتواريخ والقرارات '
        'والرغبات والأمور المعلقة. اكتب "المستخدم" و"المساعد" لا "أنت". اترك ما في الملخص أعلاه، '
        "ولا تضف شيئًا. أجب بالأسطر فقط."),
        ' (إلى ما قبل "{words}")',
    ),
}  # fmt: skip
LANGUAGES = tuple(_INSTRUCTIONS)

SAMPLE_CHARACTERS = 8_000  # of what the user said last, from which its language is guessed
LATIN_SHARE = 0.15  # of the words are function words in any language; fewer tell of another one

_SCRIPTS = {
    "chinese": re.compile("[\u4e00-\u9fff]"),
    "japanese": re.compile("[\u3041-\u30ff]"),
    "korean": re.compile("[\uac00-\ud7a3]"),
    "arabic": re.compile("[\u0621-\u064a]"),
    "russian": re.compile("[а-яё]", re.IGNORECASE),
    "": re.compile(
        "[^\\W\\d_\u0000-\u024f\u0400-\u052f\u0600-\u06ff\u3041-\u30ff\u4e00-\u9fff\uac00-\ud7a3]"
    ),
    "latin": re.compile("[a-z\u00c0-\u024f]", re.IGNORECASE),
}
_NOT_RUSSIAN = re.compile("[іїєґўјљњћђџ]", re.IGNORECASE)  # Ukrainian, Belarusian, Serbian
_NOT_ARABIC = re.compile("[\u067e\u0686\u0698\u06af\u0679\u0688\u06d2\u06cc]")  # Persian, Urdu
_LATIN_WORD = re.compile(r"[^\W\d_]+")
KANA_SHARE = 0.1  # of kana beside Chinese characters: Japanese


def render_instruction(limit: str = "", language: str = "english") -> str:
    """Write the request for a summary; `limit` quotes the words before which it ends."""
    instruction, before = _INSTRUCTIONS[language]
    return instruction.format(limit=before.format(words=limit.replace('"', "'")) if limit else "")


def quote_limit(text: str) -> str:
    """Take the first words of a text, as the instruction quotes them."""
    return " ".join(text.split()[:LIMIT_WORDS])[:LIMIT_CHARACTERS]


def find_language(texts: Iterable[str]) -> str:
    """Find the language to ask in, one of `LANGUAGES`; English where it is none of the others.

    Args:
        texts: what the user said, oldest first.
    """
    text = " ".join(texts)[-SAMPLE_CHARACTERS:]
    letters = {script: len(found.findall(text)) for script, found in _SCRIPTS.items()}
    if letters["japanese"] > KANA_SHARE * letters["chinese"]:
        letters["japanese"] += letters.pop("chinese")
    script = max(letters, key=lambda name: letters[name])
    if script == "latin" or not letters[script]:
        return _find_latin(text)
    foreign = {"russian": _NOT_RUSSIAN, "arabic": _NOT_ARABIC}.get(script)
    return "english" if not script or (foreign and foreign.search(text)) else script


def _find_latin(text: str) -> str:
    language = guess_language(text)
    words = _LATIN_WORD.findall(text.casefold())
    held = sum(word in STOP_WORDS[language] for word in words)
    return language if language in _INSTRUCTIONS and held >= LATIN_SHARE * len(words) else "english"
