"""What people say when they tell something of themselves, language by language: the tables of gleaning.py.

One table per idea, one row per language; a language that is missing loses only what its row would
have caught. Written down from how people speak, not fitted to a data set.
"""

import re
from collections.abc import Mapping

from .tokens import stem

# The tables, whose words are known to typos.py.
__all__ = [
    "BIDDING",
    "CUES",
    "IDENTITY",
    "IS",
    "OWN",
    "REMEMBER",
    "SAID_IN_MANY_WAYS",
    "STATE",
    "THING",
    "THOUGHT",
]

# Scripts that do not part words by blanks: their rows are searched for anywhere.
_SPACELESS = ("zh", "ja", "ko")


def stem_words(text: str) -> frozenset[str]:
    """The stems of words that are parted by blanks."""
    return frozenset(fold_stem(stem(word)) for word in text.split())


def fold_stem(word: str) -> str:
    """Write a stem so that swapped letters, the commonest slip of the fingers, make no difference."""
    return "".join(sorted(word)) if len(word) >= 5 else word


# Asking to remember something; "remember to be kind" and "I remember that day" are no such thing.
REMEMBER: Mapping[str, str] = {
    "en": r"(?:(?<!i )(?<!we )(?<!they )(?:remember(?! (?:when|how|why|to|the time|me\b)))|(?:don't|do not|never) forget(?! to)|don't let me forget"
    r"|(?:keep|bear) (?:it |this |that )?in mind|take note|make a note|note (?:that|to self|this)|(?:write|save|jot) (?:this|that|it|down)|for (?:the record|your information|(?:future|later) reference)|fyi)",
    "de": r"(?:merk(?:e)? dir|vergiss nicht|denk(?:e)? daran|notier\w*)",
    "fr": r"(?:souviens-toi|rappelle-toi|n'oublie pas|retiens)",
    "es": r"(?:recuerda|no olvides|ten en cuenta|anota|apunta)",
    "it": r"(?:ricordat?i|ricorda|non dimenticare|tieni presente)",
    "pt": r"(?:lembr[ae](?:-te|-se)?|não (?:te )?esqueç\w*)",
    "nl": r"(?:onthoud|vergeet niet)",
    "pl": r"(?:zapamiętaj|pamiętaj|nie zapomnij)",
    "tr": r"(?:unutma|hatırla)",
    "ru": r"(?:запомни|не забудь|помни)",
    "zh": r"记住|記住|别忘|別忘|请记|請記",
    "ja": r"覚えて|忘れないで",
    "ko": r"기억해|잊지",
}
# Asking for something in the form of a question.
BIDDING: Mapping[str, str] = {
    "en": r"(?:please|(?:can|could|will|would) you)",
    "de": r"kannst du",
    "fr": r"peux-tu",
    "es": r"puedes",
    "it": r"puoi",
    "pt": r"pode",
    "nl": r"kun je",
}
# Who somebody is, how to call them, and what they must not eat: what nobody wants to say twice.
IDENTITY: Mapping[str, str] = {
    "en": r"(?:my (?:full |first |last |middle |nick|pen |user)?name(?:'s| is)|(?:call|address) me(?! (?:back|when|if|later|tomorrow|at|on|crazy))|calls? me|i(?:'m| am) (?:called|known as|named)"
    r"|my pronouns|i go by|i(?:'m| am) (?:\w+ )?(?:allergic|intolerant|diabetic|vegetarian|vegan|celiac|coeliac|asthmatic|epileptic|pregnant|deaf|blind|colou?r-?blind|left-handed|dyslexic)"
    r"|allerg(?:y|ies|ic)|intoleran(?:t|ce)|my blood type|(?:can't|cannot|can not|must not|mustn't|not allowed to) (?:eat|drink|have|tolerate))",
    "de": r"(?:ich heiße|mein name|nennt? mich|allergisch|ich bin (?:\w+ )?(?:vegetarier|veganer|diabetiker)\w*)",
    "fr": r"(?:je m'appelle|appelle(?:z)?-moi|allergique|je suis (?:végétari\w+|végane?|diabétique))",
    "es": r"(?:me llamo|mi nombre|llámame|alérgic[oa]|soy (?:vegetarian|vegan|diabétic)\w*)",
    "it": r"(?:mi chiamo|chiamami|allergic[oa]|sono (?:vegetarian|vegan|diabetic)\w*)",
    "pt": r"(?:meu nome|me chamo|chama-me|me chame|alérgic[oa]|sou (?:vegetarian|vegan|diabétic)\w*)",
    "nl": r"(?:ik heet|noem me|allergisch|ik ben (?:vegetari\w+|vegan\w*))",
    "pl": r"(?:mam na imię|nazywam się)",
    "tr": r"(?:benim adım|adım)",
    "ru": r"(?:меня зовут|зови(?:те)? меня|аллергия)",
    "zh": r"我叫|我的名字|叫我|过敏|過敏",
    "ja": r"私の名前|と申します|と呼んで|アレルギー",
    "ko": r"제 이름|알레르기",
}
_KIN = (
    r"(?:wife|husband|partner|son|daughter|kids?|child|children|sister|brother|mother|father|mom|mum|dad|parents|cat|dog|boss|doctor|dentist|teacher|manager|landlord|neighbou?r|cousin"
    r"|uncle|aunt|grand\w+|girlfriend|boyfriend|colleague|friend|team|company|car|house|flat|apartment)"
)
# How things are with them: where they live, what they have, do and prefer.
STATE: Mapping[str, str] = {
    "en": r"(?:(?:i|we)(?:'m|'re| am| are) (?:a|an|from|based|living|working|married|engaged|single|divorced|retired|studying|training|learning|\d+|the|on|off|turning|responsible|afraid|meeting)"
    r"|(?:i|we) (?:just |now |still |also |currently |usually |always |never |only |really )?(?:live|work|study|own|drive|speak|prefer|dislike|hate|can't stand|avoid|weigh|earn|make|teach|run|manage"
    r"|owe|come from|grew up|was born|were born|moved|turned|got married|don't (?:eat|drink|like|smoke|drive|want|use)|do not (?:eat|drink|like|smoke|drive|want|use)|take (?:my|the|\d)|use (?:a|the|my)"
    r"|collect|breed|grow|wear|need|have (?:a|an|no|my|one|two|three|four|five|six|seven|eight|nine|ten|\d+|another|several)|have got)"
    r"|(?:i|we)'ve (?:got|moved|saved)|favou?rite|my (?:go-to|preferred|usual)|i'?d (?:rather|prefer)|my (?:\w+ ){0,2}" + _KIN + r"\b.{0,30}\b(?:is|are|was|has|have|lives?|works?|called|named|likes?|loves?|hates?|turned)"
    r"|my (?:\w+ ){0,2}" + _KIN + r"'s|please (?:always|never|use|answer|reply|write|speak|keep)|always (?:answer|reply|write|use)|answer me|won't (?:eat|touch|drink))",
    "de": r"ich (?:wohne|lebe|arbeite|studiere|habe|bin|mag|hasse|bevorzuge|spreche|fahre|esse|trinke)",
    "fr": r"(?:j'(?:habite|ai|aime|adore)|je (?:vis|travaille|préfère|déteste|parle|suis|mange|bois))",
    "es": r"(?:vivo|trabajo|tengo|prefiero|odio|hablo|soy)",
    "it": r"(?:abito|lavoro|preferisco|sono)",
    "pt": r"(?:moro|trabalho|tenho|prefiro|sou)",
    "nl": r"ik (?:woon|werk|heb|ben|eet|drink|spreek)",
    "ru": r"(?:я (?:живу|работаю|люблю|ненавижу|предпочитаю|говорю|не ем|не пью)|у меня (?:есть|два|две|три))",
    "zh": r"我(?:住|有|喜欢|喜歡|讨厌|討厭|不吃|不喝|是)",
    "ja": r"私は|僕は",
    "ko": r"저는|나는",
}  # fmt: skip
# Whose it is: "my room is ...", what follows is the value.
OWN: Mapping[str, str] = {
    "en": r"(?:my|our)",
    "de": r"(?:mein\w*|unser\w*)",
    "fr": r"(?:mon|ma|mes|notre|nos)",
    "es": r"(?:mi|mis|nuestr\w+)",
    "it": r"(?:mio|mia|miei)",
    "pt": r"(?:meu|minha|meus|minhas)",
    "nl": r"mijn",
    "ru": r"(?:мой|моя|моё|мои|наш\w*)",
    "zh": r"我的",
    "ja": r"私の",
    "ko": r"제 ",
}
# What gives something its value, in a sentence whose subject stands before it.
IS: Mapping[str, str] = {
    "en": r"(?:is|are|was|were|will be|has|have|had|runs out|ends?|arrives?|lands?|closes?|expires?|starts?|begins?|leaves?|departs?|costs?|opens?|runs?|takes?(?: place)?|weighs?|measures?|turns?|turned|comes?|gets|needs|lives?|works?"
    r"|got|just|isn't|aren't|won't|changed|moved|switched|transferred|shifted)",
    "de": r"(?:ist|sind|beginnt|kostet|heißt|lautet|hat|geht|wurde|läuft)",
    "fr": r"(?:est|sont|coûte|s'appelle|commence)",
    "es": r"(?:es|son|cuesta|empieza|se llama|está)",
    "it": r"(?:è|costa|si chiama|inizia)",
    "pt": r"(?:é|são|custa|começa)",
    "nl": r"(?:zijn|kost|begint)",
    "zh": r"是",
    "ja": r"は",
}
# "'s" for "is", and not for whose it is: "rent's 900", "the wedding's on Friday".
CONTRACTED_IS = r"[’']s(?= (?:at|on|in|now|called|named|the|a|an|set|every|due|studying|living|working|coming|for|not)\b| ?[$€£+]?\d)"
# Things that have values: numbers, places in time, amounts of money.
THING: Mapping[str, str] = {
    "en": r"(?:address|phone|number|password|passcode|pin|code|combination|account|iban|e-?mail|id|birthday|anniversary|appointment|meeting|interview|wedding|party|exam|surgery|flight|train|bus|shift|deadline"
    r"|budget|rent|salary|bill|price|licen[cs]e|passport|lease|room|desk|locker|seat|gate|order|reservation|booking|invoice|dose|recipe|guests)",
    "de": r"(?:adresse|telefon\w*|nummer|passwort|konto|geburtstag|termin|treffen|flug|zug|frist|miete|zimmer)",
    "fr": r"(?:adresse|téléphone|numéro|mot de passe|anniversaire|rendez-vous|réunion|vol|loyer|chambre)",
    "es": r"(?:dirección|teléfono|número|contraseña|cumpleaños|cita|reunión|vuelo|alquiler)",
    "it": r"(?:indirizzo|telefono|compleanno|appuntamento|riunione|volo|affitto)",
    "pt": r"(?:endereço|telefone|senha|aniversário|reunião|voo|aluguel)",
    "ru": r"(?:адрес|телефон|номер|пароль|код|встреча|рейс|поезд)",
    "zh": r"密码|密碼|号码|號碼|地址|电话|電話|生日|航班|会议|會議",
    "ja": r"パスワード|番号|住所|誕生日|会議",
    "ko": r"비밀번호|주소|생일|회의",
}
# A thought, and no statement.
THOUGHT: Mapping[str, str] = {
    "en": r"(?:if|maybe|perhaps|imagine|suppose|wonder|guess|might|would be|could be|what if|for example|e\.g|let's say|hypothetically)",
    "de": r"(?:wenn|falls|vielleicht|angenommen)",
    "fr": r"(?:si|peut-être|imaginons)",
    "es": r"(?:si|quizás?|tal vez)",
}

# Verbs of change, in their forms: "moved", "moving".
CHANGE_VERBS = (
    "chang", "mov", "push", "shift", "schedul", "reschedul", "postpon", "extend", "delay", "rais", "lower", "increas",
    "bump", "switch", "swapp", "replac", "updat", "upgrad", "transferr", "book", "rebook", "locat", "relocat", "recount",
    "quitt", "retir", "assign", "reassign", "cancel", "cancell",
)  # fmt: skip
_CHANGING = f"(?:{'|'.join(CHANGE_VERBS)})(?:ed|ing)"
# A word of correction or change, language by language.
CUES: Mapping[str, str] = {
    "en": r"(?:actually|now(?:adays)?|instead|from now on|no longer|any ?more|these days|correction|sorry|i mean|i meant|scratch that|update(?=[:,])|i said|i told you|wrong|mistyped|typo|turns out|after all|by now|this time"
    r"|oh wait|no(?:,|(?= (?:no|it|its|that|my|the|\d)))|nope|make (?:that|it)|used to be|as it is|rather|(?:can|could) only|only works|change of plans?|starting|as of|new|another|different"
    rf"|{_CHANGING}"
    r"|got a raise|reset|put off|brought forward|upped|went (?:up|down)|quit|stretch|yet again|(?<!always )(?<!never )(?<!ever )(?<!keep )(?<!i )(?<!not )(?<!don.t )(?<!dont )forget(?! to))",
    "de": r"(?:doch|jetzt|nun|statt(?:dessen)?|nicht mehr|ab sofort|eigentlich|korrektur|geändert|verschoben|umgezogen|neue[rsnm]?|quatsch)",
    "fr": r"(?:en fait|maintenant|plutôt|désormais|finalement|déménagé|changé|déplacé|reporté|nouve(?:au|lle))",
    "es": r"(?:en realidad|ahora|en vez de|ya no|cambi\w+|mudé|mejor|nuev[oa])",
    "it": r"(?:in realtà|adesso|ora|invece|non più|cambiat\w+|spostat\w+|trasferit\w+|nuov[oa])",
    "pt": r"(?:na verdade|agora|em vez de|já não|mud\w+|nov[oa])",
    "nl": r"(?:eigenlijk|nu|in plaats van|niet meer|verzet|verhuisd|veranderd|nieuwe?)",
    "ru": r"(?:теперь|на самом деле|вместо|переехал\w*|перенес\w+|изменил\w*|нов\w+)",
    "zh": r"现在|現在|其实|其實|改成|改到|改为|搬到|不是",
    "ja": r"今は|実は|変更|ではなく|引っ越し",
    "ko": r"지금은|사실|변경|대신|이사",
}
# What is said in many ways: what follows is its value.
SAID_IN_MANY_WAYS: Mapping[str, str] = {
    "call": r"(?:call|address) me(?! (?:on|at|back|when|if|later|tomorrow|under)\b)|calls me|i go by|nennt? mich|appelle(?:z)?-moi|llámame|chiamami|chama-me|noem me|зови(?:те)? меня",
    "name": r"my (?:full |first )?name(?:'s| is)|i(?:'m| am) called|ich heiße|mein name ist|je m'appelle|me llamo|mi chiamo|me chamo|ik heet|меня зовут",
    "home": r"(?:i|we)(?:'m|'re|'ve| am| are| have)?(?: \w+){0,2}? (?:live|living|moved|move|relocated|based)(?: \w+)? (?:to|in|near)|^relocated to|ich (?:wohne|lebe) (?:\w+ )?in|wir wohnen in"
    r"|ich bin nach|j'habite|je vis|j'ai déménagé|vivo en|me mudé a|abito a|mi sono trasferit\w a|moro em|ik woon in|я живу в|я переехал\w* в",
    "job": r"(?:i(?:'m| am)?(?: \w+)? work(?:ing)?|\w+ works?) as(?: an?)?|ich arbeite als|je travaille comme|trabajo (?:de|como)|lavoro come",
    "employer": r"i(?:'m| am)?(?: \w+)? work(?:ing)? (?:for|at)|ich arbeite bei|je travaille chez|trabajo (?:en|para)",
    "age": r"i(?:'m| am| just turned| turned|'ve turned)(?= \d{1,3}\b(?! ?(?:km|kg|cm|min|m\b|%|[:.]\d)))|ich bin(?= \d{1,3} jahre)|j'ai(?= \d{1,3} ans)|tengo(?= \d{1,3} años)",
}  # fmt: skip

# Things whose value is a plain word.
WORDED_THINGS = stem_words(
    "favourite favorite goto preferred usual colour color size breed job language diet brand type major hobby"
)
# Somebody may have several of these: another name is another one.
SEVERAL = stem_words(
    """friend colleague coworker sister brother son daughter kid child cat dog cousin uncle aunt neighbor
    neighbour teacher niece nephew student classmate"""
)
# Words that many statements share, whatever they speak of.
VAGUE = stem_words("number code name date time thing day people person year week month one new place word")
# Words beside which a name is part of what is told.
NEAR_NAME = frozenset(
    part
    for row in (
        "with to from in at called named by near of met visited is are and for",
        "bei mit in nach aus von heißt und",
        "avec à chez de en",
        "con a da di em",
        "для в из с",
    )
    for part in row.split()
)


def compile_rows(table: Mapping[str, str]) -> re.Pattern[str]:
    """Make one pattern of a table: whole words, but anywhere in scripts without blanks; people forget apostrophes."""
    rows = [row if language in _SPACELESS else rf"(?<![\w’-]){row}(?!\w)" for language, row in table.items()]
    return re.compile("|".join(rows).replace("'", "['’]?"), re.IGNORECASE)
