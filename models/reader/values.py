"""Values: what can stand where a fact has its value, half of it from lists and half of it made up.

Words that are made up teach the model to copy instead of to recite. A tenth of every list, and
every word that `is_held_out` says so of, never stands in training: with these it is examined.
"""

import json
import random
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

HELD_SHARE = 12  # percent of all values that training never sees
MADE_UP = 0.5  # share of values that are not from a list

_ONSETS = (
    "b c d f g h j k l m n p r s t v w z br cr dr fr gr kr pr tr bl cl fl gl pl sl ch sh th st sp sk qu ph sn sw kh zh ts y x wr"
).split()
_VOWELS = "a e i o u a e i o u a e i o ai ea ou oo ei ia io au y".split()
_CODAS = ["", "", "", "", "", *"n r l s t m k d nd rt st x ng ck ss p b g ll rn th z lt".split()]
_CYRILLIC = "Анна Борис Вера Глеб Дарья Егор Жанна Зоя Иван Кира Лев Майя Нина Олег Павел Рита Соня Тимур Ульяна Фёдор Юлия Яна Москва Казань Омск Пермь Томск Барсик Мурка Шарик Белка".split()
_GREEK = "Ελένη Νίκος Μαρία Κώστας Άννα Πέτρος Σοφία Γιάννης Αθήνα Πάτρα Δάφνη Λεωνίδας".split()
_EASTERN = "美咲 太郎 健 さくら 東京 大阪 京都 小明 李娜 王伟 北京 上海 たま ポチ 서울 민준 지우 부산".split()
_ARABIC = "ليلى سمير نور يوسف مريم القاهرة بيروت دمشق".split()
_ACCENTED = "Zoë Łukasz Gödel Müller Åsa Núria Peña Černý İpek Øyvind Garçon Malmö Köln Málaga Düsseldorf Kraków Plzeň Étienne Søren Bjørn".split()

NAMES = """Priya Tobias Ines Marek Salma Jonas Leila Ruben Freya Otto Anna Ben Clara David Emma Felix Greta Hugo Ida Jakob Karla Leo Mia Nora Oscar Paula
Quentin Rosa Simon Tessa Uma Viktor Wanda Xaver Yara Zeno Alice Bruno Carmen Dario Elena Fabio Gina Hanna Ivan Julia Kevin Lara Mario Nadia Omar Petra Rita
Sofia Tomas Ursula Vera Willem Yusuf Zara Aaron Bianca Cedric Diana Edgar Fatima Gustav Helga Igor Jana Kemal Lina Milan Nico Olga Pavel Ramon Sven Tara Umar
Viola Wilma Yves Zoe Amir Birgit Caleb Dora Elias Flora Gavin Heidi Imran Joanna Karim Lucas Magda Noah Oliver Pedro Ravi Selma Theo Vince Wendy Alma Boris
Celine Dylan Erika Franz Gloria Henrik Irene Jules Kiran Luisa Martin Nina Oskar Piet Ronja Stella Tim Ulrich Vanessa Walter Yannick Agnes Bastian Chiara Denis
Esther Florian Georg Hilda Ismael Jasmin Klaus Lena Mathis Nils Odette Philip Roger Sarah Thomas Valerie Werner Mohammed Aisha Chen Hiro Kenji Yuki Ngozi Kwame
Mary John James Peter Paul Laura Robert Linda Susan Karen Mark George Helen Ruth Frank Jack Harry Grace Lily Sophie Daniel Michael Andrew Steven Brian Claire""".split()
SURNAMES = """Novak Schmidt Patel Okafor Larsen Moreau Rossi Silva Tanaka Kowalski Becker Hughes Foster Bauer Nilsen Costa Romero Haas Weber Keller Brandt Lindgren Ortega
Ferrari Dubois Petrov Yilmaz Nguyen Kimura Santos Murphy Walsh Byrne Clarke Hunter Mason Fisher Baker Cooper Parker Turner Wood Hill Marsh Stone Rivers""".split()
PETS = """Biscuit Pepper Mango Luna Rocky Nala Misty Bello Rex Socks Whiskers Shadow Ginger Cookie Peanut Muffin Pickles Waffle Noodle Olive Hazel Ziggy Bruno Daisy
Coco Simba Tiger Smokey Patch Fluffy Snowball Nugget Pumpkin Truffle Sushi Mochi Taco Pixel Turbo Comet Rusty Sandy Buddy Max Charlie Bella Milo Molly Toby Poppy""".split()
CITIES = """Lisbon Oslo Turin Ghent Porto Bergen Graz Malmo Paris London Berlin Madrid Rome Vienna Prague Warsaw Dublin Athens Zurich Geneva Basel Munich Hamburg Cologne
Lyon Nantes Bordeaux Seville Valencia Bilbao Naples Milan Florence Venice Palermo Krakow Gdansk Riga Tallinn Vilnius Helsinki Tampere Stockholm Uppsala Aarhus Odense
Utrecht Leiden Delft Antwerp Bruges Leeds Bristol York Bath Oxford Glasgow Dundee Cardiff Belfast Cork Galway Tokyo Osaka Kyoto Seoul Delhi Mumbai Pune Dhaka Hanoi
Manila Lagos Accra Nairobi Cairo Tunis Rabat Toronto Montreal Boston Chicago Denver Austin Dallas Houston Miami Seattle Portland Lima Bogota Quito Santiago Brno
Salzburg Innsbruck Bonn Kiel Rostock Dresden Leipzig Ulm Trier Metz Nancy Dijon Rennes Brest Ljubljana Zagreb Split Sofia Bucharest Budapest Perth Sydney Adelaide""".split()
COLOURS = "red blue green yellow black white orange purple brown grey pink turquoise silver gold beige violet crimson navy olive teal maroon cream lilac scarlet bronze".split()
FOODS = """pizza lasagne sushi curry ramen soup salad pancakes pasta risotto tacos paella goulash couscous noodles dumplings porridge toast omelette falafel hummus
mushrooms peanuts shellfish strawberries walnuts almonds eggs milk gluten soy celery mustard sesame kiwi apples bananas tomatoes garlic cheese yoghurt chocolate honey
rice beans lentils chicken salmon tuna shrimp cinnamon pollen dust cats latex penicillin aspirin bees wasps nickel""".split()
JOBS = """nurse teacher baker carpenter plumber lawyer doctor farmer pilot chef driver gardener painter writer singer dentist tailor welder barber judge tutor broker
librarian photographer pharmacist translator musician journalist designer biologist chemist programmer mechanic waiter cashier surgeon roofer tiler vet miner""".split()
MAKES = "Volvo Toyota Honda Ford Fiat Skoda Mazda Tesla Renault Peugeot Opel Seat Audi Kia Dacia Subaru Nissan Saab Lancia Jeep Vespa Citroen Hyundai Suzuki Volkswagen".split()
LANGUAGES = "Spanish French German Italian Polish Greek Turkish Dutch Swedish Danish Czech Hindi Arabic Chinese Japanese Korean Russian Finnish Welsh Latin Swahili Basque Catalan".split()
HOBBIES = """chess painting hiking fishing cooking knitting sailing climbing dancing cycling running swimming gardening pottery reading skiing surfing yoga tennis boxing
rowing origami photography baking archery fencing karate judo golf darts singing juggling""".split()
INSTRUMENTS = "piano violin guitar cello flute trumpet drums harp banjo clarinet oboe saxophone accordion trombone viola lute ukulele organ bass tuba".split()
SUBJECTS = "physics law medicine history biology chemistry geography music art philosophy economics maths botany theology geology linguistics archaeology astronomy statistics nursing".split()
NOUNS = """kitchen garage attic cellar garden drawer cupboard wardrobe fridge basement hallway bathroom bedroom office desk shelf box suitcase backpack shed
stairs sofa bed table lamp carpet doormat mirror piano curtain fence gate tree bench boiler oven toolbox basket vase clock bookcase freezer washing machine""".split()
THINGS = "tulip rose lily daisy falcon otter tiger panda lemon cherry plum peach winter summer autumn spring cider lemonade cocoa espresso jazz blues opera techno football hockey".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
STREETS = "Elm Oak Mill Church Station Park High King Queen Bridge River Garden Rose Hill Lake North South West East Market Castle School Forest Meadow".split()

COMMON = """house river green weekend paper window morning letter garden silver water stone winter music forest summer bridge market flower people money
doctor school friend brother sister mother father colleague neighbour holiday kitchen office engine number street village mountain island
coffee bread butter sugar orange lemon apple purple yellow golden little great early quick quiet happy simple strong bright heavy empty
dragon castle soldier prince captain pirate wizard monkey rabbit turtle eagle falcon salmon spider thunder lightning shadow mirror crystal
picture camera guitar violin trumpet theatre cinema library museum station airport harbour tunnel ladder hammer bottle basket blanket pillow
yesterday tomorrow monday friday january october always never maybe together without between another something nothing anything perhaps
system server project budget meeting deadline version update backup memory record answer question problem reason result chance change
journey adventure history mystery secret treasure promise wonder freedom justice courage kingdom empire planet galaxy comet rocket signal
champion umbrella elephant kangaroo chocolate strawberry breakfast afternoon birthday anniversary hospital telephone computer keyboard""".split()

Rng = random.Random


def is_held_out(value: str) -> bool:
    """Tell whether a value is kept for the examination; the same on every machine."""
    return zlib.crc32(f"value {value}".encode()) % 100 < HELD_SHARE


_TOKENIZER = Path(__file__).with_name("tokenizer.json")


@cache
def load_pieces() -> tuple[str, ...]:
    """The letters of each token of the vocabulary; none while there is no tokenizer yet, as when it is made."""
    if not _TOKENIZER.exists():
        return ()
    vocabulary = json.loads(_TOKENIZER.read_text(encoding="utf-8"))["model"]["vocab"]
    texts = {token.removeprefix("Ġ") for token in vocabulary}
    return tuple(sorted(text for text in texts if text.isascii() and text.isalpha() and len(text) > 1))


def make_word(rng: Rng) -> str:
    """Make a word up, in small letters. Example: "drosai", "weekolin".

    Some are put together from syllables, some from pieces of real words and from tokens, some from letters: what
    is copied has to be any text, and a token that was never copied in training would not be.
    """
    draw, pieces = rng.random(), load_pieces()
    if draw < 0.5:
        count = rng.choice((1, 1, 2, 2, 2, 2, 3))
        word = "".join(map(_syllable, [rng] * count))
    elif draw < 0.7:
        word = _slice(rng) + (_slice(rng) if rng.random() < 0.7 else "")
    elif draw < 0.95 and pieces:
        word = "".join(rng.choice(pieces) for _ in range(rng.choice((1, 2, 2)))).lower()
    else:
        word = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 5)))
    return word if len(word) > 2 else make_word(rng)


def _syllable(rng: Rng) -> str:
    coda = rng.choice(_CODAS) if rng.random() < 0.6 else ""
    return rng.choice(_ONSETS) + rng.choice(_VOWELS) + coda


def _slice(rng: Rng) -> str:
    """Take a piece of a real word."""
    word = rng.choice(rng.choice((COMMON, COMMON, NAMES, CITIES, SURNAMES, FOODS, PETS, JOBS))).lower()
    start = rng.randrange(max(1, len(word) - 2))
    return word[start : start + rng.randint(2, 5)]


def make_title(rng: Rng) -> str:
    """Make a title of common words. Example: "Silver Morning"."""
    return " ".join(word.capitalize() for word in rng.sample(COMMON, rng.choice((1, 2, 2))))


# First and last letter of alphabets that values are now and then written in.
_ALPHABETS = (
    ("а", "я"),
    ("α", "ω"),
    ("あ", "ん"),
    ("ア", "ン"),
    ("一", "龥"),
    ("가", "힣"),
    ("א", "ת"),
    ("ا", "ي"),
    ("à", "ÿ"),
)


def _foreign(rng: Rng) -> str:
    """Write a name in another alphabet: one that there is, or any letters."""
    if rng.random() < 0.5:
        first, last = rng.choice(_ALPHABETS)
        return "".join(chr(rng.randint(ord(first), ord(last))) for _ in range(rng.randint(1, 4)))
    words = rng.choice(
        (_CYRILLIC, _CYRILLIC, _GREEK, _EASTERN, _EASTERN, _ARABIC, _ACCENTED, _ACCENTED, _ACCENTED)
    )
    return rng.choice(words)


def _title(words: list[str]) -> Callable[[Rng], str]:
    """A name: from a list, made up, or in another alphabet."""

    def make(rng: Rng) -> str:
        draw = rng.random()
        if draw < 0.04:
            return _foreign(rng)
        if draw < 0.04 + MADE_UP:
            return make_word(rng).capitalize()
        return rng.choice(words)

    return make


def _plain(words: list[str], *, head: str = "") -> Callable[[Rng], str]:
    def make(rng: Rng) -> str:
        return head + (make_word(rng) if rng.random() < MADE_UP else rng.choice(words))

    return make


def _person(rng: Rng) -> str:
    name = _title(NAMES)(rng)
    return f"{name} {_title(SURNAMES)(rng)}" if rng.random() < 0.08 else name


def _digits(rng: Rng, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def _number(rng: Rng) -> str:
    return str(rng.randint(1, 10 ** rng.choice((2, 3, 3, 4))))


def _pin(rng: Rng) -> str:
    return _digits(rng, rng.choice((4, 4, 4, 5, 6)))


def _letters(rng: Rng, count: int) -> str:
    return "".join(rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(count))


def _one_of(*forms: Callable[[Rng], str]) -> Callable[[Rng], str]:
    """Write a value in one of several forms; one that stands there twice is twice as likely."""
    return lambda rng: rng.choice(forms)(rng)


_code = _one_of(
    _pin,
    lambda rng: f"{_letters(rng, rng.choice((1, 2, 3)))}{_digits(rng, rng.choice((2, 3, 4)))}",
    lambda rng: f"{_letters(rng, 2)}-{_digits(rng, rng.choice((2, 3, 4)))}",
    lambda rng: f"{_digits(rng, rng.choice((2, 3, 4)))}-{_letters(rng, 1)}",
    lambda rng: _digits(rng, 4),
)


def _password(rng: Rng) -> str:
    word, form = make_word(rng), rng.randrange(8)
    forms = (
        f"{word}{_digits(rng, rng.choice((1, 2, 3, 4)))}",
        f"{word}{_digits(rng, 4)}",
        f"{word}-{rng.choice(COMMON)}",
        f"{word.capitalize()}{_digits(rng, 2)}",
        f"{word}{rng.choice('!#$%&*+=?@_~^')}{_digits(rng, 2)}",
        f"{rng.choice(COMMON)}{_digits(rng, 2)}",
        f"{word}{make_word(rng)}",
        _code(rng),
    )
    return forms[form]


_time = _one_of(
    lambda rng: f"{rng.randint(1, 12)} {rng.choice(('am', 'pm'))}",
    lambda rng: f"{rng.randint(1, 12)}:{rng.choice(('15', '30', '45'))} {rng.choice(('am', 'pm'))}",
    *4 * (lambda rng: f"{rng.randint(1, 23)}:{rng.randint(0, 59):02}",),
)


def _date(rng: Rng) -> str:
    form = rng.randrange(6)
    day, month = rng.randint(1, 28), rng.choice(MONTHS)
    if form == 0:
        return rng.choice(WEEKDAYS)
    if form == 1:
        return f"{month} {day}"
    if form == 2:
        return f"{rng.choice(WEEKDAYS)}, {day} {month}"
    if form == 3:
        return f"{day} {month} {rng.randint(2019, 2032)}"
    return f"{day} {month}"


_phone = _one_of(
    lambda rng: f"555-{_digits(rng, 4)}",
    lambda rng: f"+{rng.randint(20, 99)} {_digits(rng, 3)} {_digits(rng, 4)}",
    lambda rng: f"0{_digits(rng, 3)} {_digits(rng, rng.choice((3, 4)))}",
    lambda rng: f"0{_digits(rng, 6)}",
)


def _address(rng: Rng) -> str:
    street = make_word(rng).capitalize() if rng.random() < MADE_UP else rng.choice(STREETS)
    return f"{rng.randint(1, 199)} {street} {rng.choice(('Street', 'Street', 'Road', 'Lane', 'Avenue'))}"


def _email(rng: Rng) -> str:
    name = rng.choice(NAMES).lower() if rng.random() < MADE_UP else make_word(rng)
    return f"{name}@{make_word(rng)}.{rng.choice(('com', 'org', 'net', 'de', 'eu'))}"


def _money(rng: Rng) -> str:
    amount = rng.choice((rng.randint(5, 99), rng.randint(100, 999), rng.randint(10, 99) * 100))
    return (
        f"${amount}"
        if rng.random() < 0.4
        else f"{amount} {rng.choice(('euros', 'euros', 'dollars', 'pounds'))}"
    )


def _place(rng: Rng) -> str:
    noun = make_word(rng) if rng.random() < 0.3 else rng.choice(NOUNS)
    return f"{rng.choice(('in', 'in', 'under', 'behind', 'on', 'next to'))} the {noun}"


def _company(rng: Rng) -> str:
    name = make_word(rng).capitalize() if rng.random() < 0.7 else rng.choice(SURNAMES)
    return f"{name} {rng.choice(('Ltd', 'Labs', 'Bank', 'Systems'))}" if rng.random() < 0.3 else name


def _name_of_thing(rng: Rng) -> str:
    return make_title(rng) if rng.random() < 0.25 else _title(SURNAMES + CITIES)(rng)


def _favourite(rng: Rng) -> str:
    lists = (COLOURS, FOODS, HOBBIES, THINGS, CITIES, NAMES)
    draw = rng.random()
    if draw < 0.1:
        return make_title(rng)
    if draw < 0.25:
        return make_word(rng)
    return make_word(rng).capitalize() if draw < 0.5 else rng.choice(rng.choice(lists))


KINDS: dict[str, Callable[[Rng], str]] = {
    "person": _person,
    "pet": _title(PETS),
    "city": _title(CITIES),
    "title": _name_of_thing,
    "company": _company,
    "colour": _plain(COLOURS),
    "food": _plain(FOODS),
    "job": _plain(JOBS, head="a "),
    "make": _title(MAKES),
    "language": _title(LANGUAGES),
    "hobby": _plain(HOBBIES),
    "instrument": _plain(INSTRUMENTS),
    "subject": _plain(SUBJECTS),
    "favourite": _favourite,
    "year": lambda rng: str(rng.randint(1930, 2019)),
    "age": lambda rng: str(rng.randint(2, 98)),
    "count": lambda rng: str(rng.randint(2, 40)),
    "size": lambda rng: rng.choice(
        (str(rng.randint(30, 60)), str(rng.randint(5, 20)), rng.choice("SML"), f"{rng.randint(2, 9)}.5")
    ),
    "height": lambda rng: f"{rng.randint(120, 205)} cm",
    "blood": lambda rng: rng.choice(("A", "B", "AB", "0")) + rng.choice(("", "+", "-")),
    "number": _number,
    "pin": _pin,
    "code": _code,
    "password": _password,
    "time": _time,
    "date": _date,
    "phone": _phone,
    "address": _address,
    "email": _email,
    "money": _money,
    "place": _place,
    "booking": lambda rng: f"{_letters(rng, 2)}{_digits(rng, rng.choice((3, 4, 5)))}",
}
OPEN = {"size", "age", "count", "blood", "year"}  # so few values that none is held out


def draw_value(rng: Rng, kind: str, *, held_out: bool = False) -> str:
    """Draw a value of a kind: for training, or one that training never sees."""
    make = KINDS[kind]
    value = make(rng)
    while kind not in OPEN and is_held_out(value) is not held_out:
        value = make(rng)
    return value
