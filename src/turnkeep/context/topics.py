"""Words that speak of one thing: "we moved house" and "I live at", "ring me on" and "my number".

A small table for what people tell of themselves most often. Two statements of one topic share a word, though
none that is written alike.
"""

from collections.abc import Mapping

from .gleaning_words import fold_stem
from .tokens import split_tokens, stem

_ROWS = """
home: live living home house flat apartment address
phone: phone mobile cell cellphone call calling ring reach reached telephone landline
mail: mail email e-mail mailbox inbox write
flight: fly flying flight plane airline airport
train: train railway rail
job: job work works working career profession trade quit hired living retrained
pay: salary pay paid earn wage raise income make
rent: rent landlord landlady lease
money: budget spend afford saved savings
medicine: medicine medication pill pills tablet tablets dose dosage drug doctor doc doctors
surgery: surgery operation operate surgeon hospital clinic
teeth: dentist tooth teeth molar dental filling
car: car garage mechanic vehicle
marriage: wedding marry married bride groom
birthday: birthday born birth
school: school class classes kindergarten nursery
child: son daughter kid child baby twins
sibling: brother sister
friend: friend flatmate roommate neighbour neighbor
study: university uni college studying studies study student campus
travel: trip travel holiday holidays vacation
delivery: parcel package delivery deliveries courier deliver
password: password passcode login
entry: door lock padlock opens unlock keypad
eat: eat eats eating food snack meal breakfast lunch dinner
pet: vet dog cat puppy kitten
mother: mum mom mother mama
father: dad father papa
partner: wife husband partner spouse
office: office headquarters
exam: exam test exams
eyes: eye eyes optician glasses
plumber: plumber plumbing
cleaner: cleaner cleaning
therapy: therapist therapy
sport: match game kick-off kickoff goalkeeper keeper
"""


def _read_rows() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for row in _ROWS.strip().splitlines():
        topic, _, words = row.partition(": ")
        for word in words.split():
            found[fold_stem(stem(word))] = topic
            found[word] = found[f"{word}s"] = topic
    return found


# Whose it is: "my husband's number" is not mine.
PERSONS = frozenset(("@mother", "@father", "@partner", "@child", "@sibling", "@friend", "@pet"))
_TOPICS = _read_rows()
TOPIC_WORDS = _ROWS.replace(":", " ")


def find_topics(text: str) -> frozenset[str]:
    """Name the topics of a text, each marked so that it is never taken for a stem."""
    words = [token for token, _ in split_tokens(text) if token.kind == "word"]
    found = (_TOPICS.get(token.text) or _TOPICS.get(fold_stem(token.stem)) for token in words)
    return frozenset(f"@{topic}" for topic in found if topic)
