"""Words that checking and fact keeping know: small words, negations, opposites, months, numbers.

Lists, so that no model and no download is needed. They are general to a language
and were written down from its grammar, not fitted to a data set. A language that
is missing here loses only what its list would have caught: figures, names and
codes are found in any script.
"""

from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that say nothing about what a sentence is about.
STOP_WORDS = _words(
    """a about above after again all almost already also although always am among an and another any anyone anything
    are around as at away back be became because become been before being below both but by came can come could did
    do does doing done down during each either else enough etc even ever every everyone everything few for from
    further get gets getting give given go goes going gone got had has have having he her here hers herself him
    himself his how however i if in instead into is it its itself just keep kind let lot made make makes making many
    may maybe me might mine more most much must my myself near need next nor now of off often ok okay on once one ones
    only onto or other others our ours ourselves out over own perhaps please put quite rather re really s said same say
    says see seem shall she should since so some someone something sometimes soon still such t than thank thanks that
    the their theirs them themselves then there these they thing things this those though through thus to together too
    toward towards under until up upon us use used using very via was way we well went were what when where whether
    which while who whom whose why will with within would yeah yes yet you your yours yourself yourselves
    d ll m ve hey hi hello oh wow um uh hmm gonna wanna gotta
    der die das den dem des ein eine einen einem einer und oder ist sind ich du er sie es wir ihr mein dein sein zu
    im am auf mit von für bei aus nach wie so auch
    le la les un une des du de et ou est sont avons avez ont je tu il elle nous vous ils mon ma mes ton ta tes sa ses à au aux en
    dans sur avec pour par que qui ce cette
    el los las una unos y o es tengo tiene tienes yo tú él ella mi mis tu su sus al del en con por para que se lo
    il lo gli uno e è ho hai ha io lei lui mio mia suo sua di da su per che si
    o os um uma e é tenho tem eu ele ela meu minha seu sua do da dos das no na em com por para
    de het een en of is zijn heb heeft hebben ik jij hij zij mijn jouw van op met voor aan naar die dat
    и или я ты он она мы вы мой моя в на с по для от к что это у из
    i lub jest ja ty on ona my mój moja w na z po dla od do że to u""",
)

# Negations that stand before what they deny.
NEGATIONS = _words(
    """not no never none nobody nothing neither nor nowhere without cannot cant dont doesnt didnt isnt arent wasnt werent
    wont wouldnt couldnt shouldnt hasnt havent hadnt aint n't
    nicht kein keine keinen keinem keiner keines nie niemals niemand nichts ohne
    pas jamais aucun aucune rien sans
    nunca ningún ninguna ningun nada sin jamás
    mai nessun nessuno nessuna niente senza
    não nao nunca nenhum nenhuma sem jamais
    niet geen nooit niemand niets zonder
    не нет никогда никто ничего без нельзя
    nie nigdy nikt bez żaden żadna
    değil yok hiç
    ikke aldrig inte aldrig ingen inget ei"""
)
# Negations that may stand behind what they deny.
TRAILING_NEGATIONS = _words("nicht pas niet nie değil ikke inte")
# Denial inside of a word or particle, where words are not parted by spaces.
NEGATION_MARKS = ("不", "没", "沒", "未", "无", "無", "别", "ない", "ません", "なかった", "않", "못", "없")

# Words behind which another thing is spoken of, though it may be denied as well.
JOINING = _words("and or nor und oder et ou y e o ed i и или en of")

# Words that end what a negation denies.
SCOPE_ENDS = _words(
    """but because although though so since when while if as that which who where than except unless
    aber weil dass mais parce pero porque ma perché но"""
)

# Verbs and adverbs that deny by their meaning: they support a "not", but do not call for one.
SOFT_NEGATIONS = _words(
    """unable refuse refuses refused refusing deny denies denied decline declines declined fail fails failed failing lack
    lacks lacked lacking avoid avoids avoided avoiding stop stops stopped quit hardly barely scarcely rarely seldom
    unlikely impossible doubtful absent cancel cancelled canceled reject rejects rejected prevent prevents"""
)

# Two words that hold a negation and deny nothing.
HOLLOW_NEGATIONS = frozenset(
    (first, second)
    for first, seconds in {
        "not": "only just least",
        "no": "matter doubt doubts problem problems worries wonder pressure solo sólo",
        "nothing": "but beats like",
        "never": "gets fails",
        "can't": "wait help", "cannot": "wait help", "cant": "wait", "couldn't": "wait agree",
        "why": "not", "may": "not", "might": "not", "nicht": "nur", "pas": "seulement", "não": "só", "non": "solo",
    }.items()
    for second in seconds.split()
)  # fmt: skip

MONTHS: Mapping[str, int] = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar jänner janvier enero gennaio janeiro januari январь января styczeń stycznia ocak",
            "february feb februar février fevrier febrero febbraio fevereiro februari февраль февраля luty lutego şubat",
            "march mar märz maerz marzo março marco maart март марта marzec marca mart",
            "april apr avril abril aprile апрель апреля kwiecień kwietnia nisan",
            "may mai mayo maggio maio mei май мая maj maja mayıs",
            "june jun juni juin junio giugno junho июнь июня czerwiec czerwca haziran",
            "july jul juli juillet julio luglio julho июль июля lipiec lipca temmuz",
            "august aug août aout agosto augustus август августа sierpień sierpnia ağustos",
            "september sep sept septembre septiembre settembre setembro сентябрь сентября wrzesień września eylül",
            "october oct oktober okt octobre octubre ottobre outubro октябрь октября październik października ekim",
            "november nov novembre noviembre novembro ноябрь ноября listopad listopada kasım",
            "december dec dezember dez décembre decembre diciembre dicembre dezembro декабрь декабря grudzień grudnia aralık",
        ),
        1,
    )
    for name in names.split()
}
AMBIGUOUS_MONTHS = _words(
    "may march mar mart marca august mei mai sept dec maj"
)  # months only beside a figure, or capitalised

DAYS: Mapping[str, int] = {
    name: number
    for number, names in enumerate(
        (
            "monday montag lundi lunes lunedì segunda-feira maandag понедельник poniedziałek pazartesi",
            "tuesday dienstag mardi martes martedì terça-feira dinsdag вторник wtorek salı",
            "wednesday mittwoch mercredi miércoles mercoledì quarta-feira woensdag среда среду środa środę çarşamba",
            "thursday donnerstag jeudi jueves giovedì quinta-feira donderdag четверг czwartek perşembe",
            "friday freitag vendredi viernes venerdì sexta-feira vrijdag пятница пятницу piątek cuma",
            "saturday samstag sonnabend samedi sábado sabato zaterdag суббота субботу sobota sobotę cumartesi",
            "sunday sonntag dimanche domingo domenica zondag воскресенье niedziela niedzielę pazar",
        ),
        1,
    )
    for name in names.split()
}

UNITS: Mapping[str, int] = {
    "zero": 0, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twice": 2, "couple": 2, "pair": 2, "dozen": 12,
    "twins": 2, "triple": 3, "double": 2, "thrice": 3,
    "zwei": 2, "drei": 3, "vier": 4, "fünf": 5, "sechs": 6, "sieben": 7, "acht": 8, "neun": 9, "zehn": 10, "zwölf": 12,
    "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "huit": 8, "neuf": 9, "dix": 10, "douze": 12,
    "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "siete": 7, "ocho": 8, "nueve": 9, "diez": 10, "doce": 12,
    "tre": 3, "quattro": 4, "cinque": 5, "sette": 7, "otto": 8, "dieci": 10, "dodici": 12,
    "dois": 2, "duas": 2, "três": 3, "quatro": 4, "sete": 7, "oito": 8, "dez": 10, "doze": 12,
    "twee": 2, "drie": 3, "vijf": 5, "zes": 6, "zeven": 7, "negen": 9, "tien": 10, "twaalf": 12,
    "два": 2, "две": 2, "три": 3, "четыре": 4, "пять": 5, "шесть": 6, "семь": 7, "восемь": 8, "девять": 9, "десять": 10,
}  # fmt: skip
TENS: Mapping[str, int] = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "zwanzig": 20, "vingt": 20, "veinte": 20, "venti": 20, "vinte": 20, "twintig": 20,
}  # fmt: skip
SCALES: Mapping[str, int] = {
    "hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000, "k": 1_000, "mio": 1_000_000,
    "m": 1_000_000, "bn": 1_000_000_000, "hundert": 100, "tausend": 1_000, "mille": 1_000, "cien": 100, "mil": 1_000,
}  # fmt: skip
ORDINALS: Mapping[str, int] = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "eleventh": 11, "twelfth": 12, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
CHINESE_DIGITS: Mapping[str, int] = {sign: value for value, sign in enumerate("零一二三四五六七八九十")} | {
    "两": 2,
    "兩": 2,
}

# Pairs of opposites; "|" parts pairs, "/" the two sides, blanks the words of a side.
_OPPOSITES = """
increase grow rise raise climb gain up higher/decrease shrink fall drop decline reduce lower down lessen lose|
expensive costly pricey overpriced/cheap affordable inexpensive|good great excellent positive/bad poor terrible awful negative|
easy simple/difficult hard tough challenging complex complicated|like love enjoy adore/hate dislike loathe detest|
accept agree approve/reject refuse decline disagree disapprove oppose|win/lose|buy purchase/sell|before/after|early/late|
start begin open launch/end finish stop close cease|always/never|all every/none|more/less fewer|most/least|
high/low|large big huge/small little tiny|long/short|long-term/short-term|fast quick rapid/slow|strong/weak|rich/poor|hot warm/cold cool|
new recent latest/old outdated previous|young/old|first/last|include including/exclude excluding|with/without|
inside within/outside beyond|above over exceed/below under|satisfied happy glad pleased delighted/unhappy sad dissatisfied displeased upset|
optimistic hopeful/pessimistic hopeless|success succeed successful/fail failure unsuccessful|able/unable|possible/impossible|
certain sure certainty/uncertain unsure uncertainty|common frequent/rare|safe/dangerous unsafe risky|true/false|right correct/wrong incorrect|
allow permit enable/forbid prohibit prevent ban|support favor favour/oppose|advantage benefit/disadvantage drawback|
useful helpful/useless unhelpful|interested/uninterested|important/unimportant trivial|necessary required mandatory/unnecessary optional voluntary|
public/private|internal/external|local/foreign|domestic/international|temporary/permanent|full/empty|alive living/dead|
married/single divorced unmarried|male man boy/female woman girl|mother/father|brother/sister|son/daughter|husband/wife|mom/dad|
left/right|north/south|east/west|morning/evening night|day/night|summer/winter|indoor/outdoor|arrive/leave depart|remember/forget|
present/absent|minimum/maximum|major/minor|improve better strengthen/worsen worse weaken deteriorate|add/remove|comprehensive wide broad/limited narrow|
similar same identical/different opposite|lower/higher|few/many numerous|free complimentary/paid|profit/loss|
encourage/discourage|praise/criticize criticise|trust/distrust mistrust|calm relaxed/nervous anxious stressed stressful|healthy/unhealthy sick ill|
vegetarian vegan/carnivore|allergic/immune|borrow/lend|employer/employee|teacher/student|ahead/behind|
clean/dirty|dry/wet|light/heavy|soft/hard|thick/thin|deep/shallow|smooth/rough|friend/enemy|question/answer|
personalized customized custom tailored/generic standard|unlimited/limited|active/inactive|confirm/deny|continue keep/discontinue abandon|
flexible/rigid inflexible|potential/actual|reliable/unreliable|familiar/unfamiliar|popular/unpopular|regular/irregular|pessimism/optimism|
accelerate/slow|surplus/deficit|asset/liability|upgrade/downgrade|ascend/descend|expand/contract|attract/repel|credit/debit|import/export
"""


def _pair_opposites() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in _OPPOSITES.replace("\n", "").split("|"):
        left, right = (side.split() for side in pair.split("/"))
        for one, others in ((left, right), (right, left)):
            for word in one:
                found.setdefault(word, set()).update(others)
    return {word: frozenset(others) for word, others in found.items()}


OPPOSITES: Mapping[str, frozenset[str]] = _pair_opposites()
OPPOSITE_PREFIXES = ("un", "in", "im", "ir", "il", "non", "dis", "non-")

# Forms that no suffix rule brings together: each line begins with the form that stands for all.
_IRREGULAR = """
buy bought|bring brought|think thought|catch caught|teach taught|seek sought|fight fought|take took taken|give gave given|
go went gone|see saw seen|eat ate eaten|drink drank drunk|run ran|swim swam swum|begin began begun|sing sang sung|
write wrote written|drive drove driven|ride rode ridden|speak spoke spoken|break broke broken|choose chose chosen choice|
wear wore worn|win won|lose lost loss|find found|hold held|keep kept|leave left|feel felt feeling|meet met|send sent|spend spent|
build built|sell sold sale|tell told|make made|pay paid|stand stood|understand understood|get got gotten|forget forgot forgotten|
know knew known|grow grew grown growth|throw threw thrown|draw drew drawn|fly flew flown flight|come came|become became|
sit sat|read|hear heard|lead led|sleep slept|steal stole stolen|wake woke woken|fall fell fallen|rise rose risen|do did done|
child kid|children kids|man men|woman women|person people|foot feet|tooth teeth|mouse mice|haben habe hast hat hatte hatten|wife wives|
good better best|bad worse worst|mom mother mum|dad father|photo picture pic photograph image|bike bicycle cycling|
movie film|job work career|begin start|great awesome amazing|friend buddy|doctor dr|tv television|fridge refrigerator|phone telephone mobile|
color colour|favorite favourite|neighbor neighbour|theater theatre|center centre|gray grey|usa us america american|uk britain british|adopt adoption|marry marriage married wedding|died dead death die passed|born birth birthday|
"""


def _group_forms() -> dict[str, str]:
    found: dict[str, str] = {}
    for group in _IRREGULAR.replace("\n", "").split("|"):
        forms = group.split()
        for form in forms:
            found.setdefault(form, forms[0])
    return found


IRREGULAR: Mapping[str, str] = _group_forms()

FIRST_PERSON = _words(
    """i me my mine myself i'm i've i'd i'll im ive we us our ours we're we've we'll we'd ourselves
    ich mich mir mein meine meinen meinem meiner wir uns unser unsere je me moi mon ma mes nous notre nos yo mi mis mí
    nosotros nuestra nuestro io mio mia miei noi nostro nostra eu meu minha meus minhas nós nosso nossa ik mij mijn wij
    ons onze я меня мне мой моя моё мои мы нас нам наш наша ja mnie mi mój moja moje my nas ben benim bana"""
)
SECOND_PERSON = _words(
    """you your yours yourself yourselves you're you've you'll you'd ya u ur
    du dich dir dein deine deinen deinem deiner ihr euch euer sie ihnen ihre tu te toi ton ta tes vous votre vos
    tú ti tuyo usted ustedes te tuo tua voi vostro você seu sua vocês jij jou jouw je uw ты тебя тебе твой твоя вы вас вам
    ваш ваша ty ciebie tobie twój twoja sen senin sana siz"""
)
SPACELESS_FIRST = ("我", "私", "僕", "俺", "나는", "저는", "제가", "내가")
SPACELESS_SECOND = ("你", "您", "あなた", "당신")

# What summaries call the two parties of a chat with a model.
ROLE_NAMES: Mapping[str, frozenset[str]] = {
    "user": _words(
        """user human nutzer benutzer nutzerin utilisateur utilisatrice usuario usuaria utente usuário gebruiker
        пользователь użytkownik kullanıcı"""
    ),
    "assistant": _words(
        "assistant chatbot assistent assistentin asistente assistente ассистент asystent asistan"
    ),
}
SPACELESS_ROLES: Mapping[str, tuple[str, ...]] = {
    "user": ("用户", "用戶", "使用者", "ユーザー", "사용자"),
    "assistant": ("助手", "アシスタント", "어시스턴트"),
}

# Verbs and feelings of claims about what somebody said to another one.
SPEAKING = _words(
    """advise suggest encourage recommend compliment praise congratulate support ask inquire reassure thank assure
    tell mention note comment agree appreciate motivate remind offer express think believe hope wish admire find value
    validate acknowledge emphasize inspire interest curious impressed proud happy excited want confident respect feel warn
    promise propose explain describe say claim state answer reply point request invite urge celebrate commend promote concern empathize sympathize willing reminisce excitement enthusiasm console comfort"""
)

# First words of sentences that are no names, beside the small words.
OPENERS = _words(
    """however moreover furthermore besides additionally also then later finally overall despite during although while
    regardless meanwhile nevertheless therefore hence thus first second third next last lastly eventually ultimately
    previously recently currently no not never none according due based given several various some many other another
    every each users people everyone someone"""
)

# Small German words: two of them in a sentence, and capitals tell nothing of names.
GERMAN_WORDS = _words(
    """der die das den dem des ein eine einen einem einer eines und ist sind war hat haben nicht kein keine keinen mit
    für auf im am beim zum zur vom sein seine seinen seiner ihr ihre ihren ihrer mein meine dein deine unser sich er sie es
    von zu als aber oder wird wurde möchte hatte"""
)
