"""Families of facts: how each kind is stated, changed, asked for and answered.

Every kind has ONE answer, which names the key before the value: "Your dog is called Biscuit." So the
model has to find one pattern, "dog is called", whether it stands in a turn, a summary or a quotation.

Marks in the templates, by whose fact it is and who speaks:

    {p}    my · my brother's · the      (your ..., the user's ... in answers and lines)
    {w}    my brother                   (your brother, the user's brother)
    {k}    the key: dog, wifi           {v}    the value
    {n}    the family's noun phrase     "the name of my dog"

A capital ({P}, {W}, {N}) begins a sentence. Some wordings of each family stand in no training text:
with these it is examined.
"""

import random
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

HELD_WORDINGS = 15  # percent of a family's wordings that training never sees; at least one of each sort

PEOPLE = """sister brother mother father wife husband son daughter aunt uncle cousin boss neighbour friend doctor teacher
grandmother grandfather niece nephew partner colleague landlord dentist flatmate coach""".split()
OWNERS = "brother sister mother father wife husband son daughter aunt uncle cousin boss neighbour friend grandmother grandfather colleague partner".split()
COUPLES = "parents grandparents cousins neighbours children friends sisters brothers".split()
PETS = "dog cat parrot hamster rabbit horse pony goldfish turtle canary snake puppy kitten lizard".split()
PLACES = "company school hotel boat street team band shop village gym restaurant club street".split()
COLOURED = "car bike door house sofa kitchen jacket coat bag umbrella hat phone boat van scarf room fence roof".split()
FAVOURITES = "colour food song film book band drink season animal game sport dish fruit flower city singer tree dessert".split()
LOCKED = "wifi router laptop email computer bank server tablet phone printer safe library school work cloud archive".split()
CODED = "door gate alarm locker garage safe bike entry parking lift cellar office".split()
NUMBERED = "flat seat table locker house desk member customer passport licence account insurance order booking ticket invoice bus platform floor shirt case".split()
TIMED = "meeting appointment class interview dinner lesson train bus flight call lunch party rehearsal shift concert ferry".split()
DATED = "birthday exam wedding party interview appointment holiday concert trip move operation graduation anniversary course test match".split()
TASKS = "report project essay tax form application thesis contract budget paper order survey review".split()
PAID = "kitchen trip party project wedding roof garden holiday course repair gift event".split()
PRICED = "bike sofa ticket laptop car phone dress guitar course coat table camera piano rent".split()
HIDDEN = "key spare key passport umbrella charger ladder torch hammer map wallet camera scarf ticket drill tent notebook remote bread whisky letter".split()
COUNTED = "children sisters brothers cats dogs bikes cousins books plants chickens horses guitars keys cameras".split()
SIZED = "shoe ring shirt hat jacket glove".split()
LENT = "bike car ladder camera book drill tent umbrella guitar phone".split()

SELF, ANY, OTHER, THE = "self", "any", "other", "the"
VOICES = {"say": "my", "answer": "your", "line": "the user's"}  # whose, by who speaks

# Wordings that any family with a noun phrase has.
NOUN_SAYS = ("{N} is {v}.", "{N}: {v}.", "{N} is {v}, by the way.", "As for {n}, it's {v}.", "If you need {n}: it's {v}.", "About {n}: it is {v}.", "Write down {n}: {v}.", "{v} is {n}.", "I can tell you {n}: {v}.")  # fmt: skip
NOUN_ASKS = ("What is {n}?", "What's {n}?", "Tell me {n}.", "Do you know {n}?", "Do you remember {n}?", "What was {n} again?", "Can you tell me {n}?", "Please tell me {n}.", "{N}?", "Remind me of {n}.", "I'd like to know {n}.", "Could you say {n} again?", "Can you remind me what {n} is?", "Do you still know {n}?", "What did I say {n} was?", "I forgot {n}, what is it?")  # fmt: skip
NOUN_UPDATES = ("{N} is now {v}.", "{N} has changed to {v}.", "I changed {n} to {v}.", "{N} is {v} now.", "{N} has changed: it's {v}.", "Please change {n} to {v}.", "Change of plan: {n} is {v}.", "I have to correct {n}, it's {v}.", "{N} isn't that any more, it's {v}.", "Make {n} {v} from now on.")  # fmt: skip


@dataclass(frozen=True)
class Family:
    """One kind of fact. owner: whose it can be; made_up: keys may be made up ("the drosai password")."""

    name: str
    kind: str
    answer: str
    says: tuple[str, ...]
    asks: tuple[str, ...]
    updates: tuple[str, ...] = ()
    noun: str = ""
    line: str = ""
    keys: tuple[str, ...] = ("",)
    owner: str = SELF
    made_up: bool = False

    @cached_property
    def wordings(self) -> dict[str, tuple[list[str], list[str]]]:
        """For says, asks and updates: those of training, the plainest first, and those held out."""
        nouns = (NOUN_SAYS, NOUN_ASKS, NOUN_UPDATES) if self.noun else ((), (), ())
        sorts = {
            "says": (*self.says, *nouns[0]),
            "asks": (*self.asks, *nouns[1]),
            "updates": (*self.updates, *nouns[2]),
        }
        return {sort: self._split(texts) for sort, texts in sorts.items()}

    def _split(self, templates: Iterable[str]) -> tuple[list[str], list[str]]:
        """Part wordings into those of training and those held out, the noun phrase put in."""
        head = _capital(self.noun)
        texts = list(dict.fromkeys(each.replace("{n}", self.noun).replace("{N}", head) for each in templates))
        if len(texts) < 3:
            return texts, []
        held = [
            text for text in texts[1:] if zlib.crc32(f"{self.name} {text}".encode()) % 100 < HELD_WORDINGS
        ] or texts[-1:]
        return [text for text in texts if text not in held], held


def _capital(text: str) -> str:
    """Example: "{p} {k} password" → "{P} {k} password"."""
    return text.replace("{p}", "{P}", 1) if text.startswith("{p}") else text[:1].upper() + text[1:]


def _part(texts: str) -> tuple[str, ...]:
    return tuple(text.strip() for text in texts.split("|") if text.strip())


def _family(
    name: str,
    kind: str,
    answer: str,
    says: str,
    asks: str,
    *,
    updates: str = "",
    noun: str = "",
    line: str = "",
    keys: Sequence[str] = ("",),
    owner: str = SELF,
    made_up: bool = False,
) -> Family:
    """Make a family of wordings that are parted by bars."""
    return Family(
        name=name,
        kind=kind,
        answer=answer,
        says=_part(says),
        asks=_part(asks),
        updates=_part(updates),
        noun=noun,
        line=line,
        keys=tuple(dict.fromkeys(keys)),
        owner=owner,
        made_up=made_up,
    )


FAMILIES: tuple[Family, ...] = (
    _family("name", "person", "Your name is {v}.",
        "My name is {v}.|I am called {v}.|I'm {v}, by the way.|You can call me {v}.|People call me {v}.|Hello, I'm {v}.|Hi, my name is {v}.|Call me {v}."
        "|You're talking to {v}.|{v} is my name.|I go by {v}.|Everyone calls me {v}.|My friends call me {v}.|The name's {v}.|I was given the name {v}.|It's {v} here.",
        "What is my name?|What's my name?|Do you know my name?|Who am I?|What am I called?|Do you remember my name?|Tell me my name.|Can you say my name?"
        "|Do you still know my name?|Can you tell me my name?|Could you say my name again?|I'd like to know what my name is.|Remind me what I am called.|What did I say my name was?|How should you call me?|What do people call me?|By what name do I go?|My name, please.",
        updates="I changed my name to {v}.|My name is now {v}.|Call me {v} from now on.|My name is {v} now."
        "|From today my name is {v}.|I go by {v} now.|I took the name {v}.|My new name is {v}.|You may call me {v} instead.|They call me {v} these days.", line="The user's name is {v}."),
    _family("pet", "pet", "{P} {k} is called {v}.",
        "{P} {k} is called {v}.|{P} {k}'s name is {v}.|{P} {k} is named {v}.|I call {p} {k} {v}.|We named {p} {k} {v}.|The name of {p} {k} is {v}."
        "|{P} {k} goes by the name of {v}.|{P} {k} answers to {v}.|{v} is the name of {p} {k}.|{v}, that is {p} {k}.|{P} {k}, {v}, is asleep.|{P} {k} got the name {v}.|We call {p} {k} {v}.|Have I told you about {v}, {p} {k}?|This is about {p} {k}, {v}.",
        "What is {p} {k} called?|What's {p} {k} called?|What is {p} {k}'s name?|How is {p} {k} called?|Do you remember what {p} {k} is called?|What do I call {p} {k}?"
        "|{P} {k}'s name?|Can you tell me what {p} {k} is called?|I'd like to know what {p} {k}'s name is.|Remind me what {p} {k} is called.|What name does {p} {k} have?|Which name did {p} {k} get?|What did we name {p} {k}?|What does {p} {k} answer to?|Do you still know {p} {k}'s name?|What did I say {p} {k} is called?",
        updates="{P} {k} is called {v} now.|{P} {k} is now called {v}.|I renamed {p} {k} to {v}.|We call {p} {k} {v} now."
        "|{P} new {k} is called {v}.|We renamed {p} {k}, the name is {v} now.|{P} {k} goes by {v} these days.|{P} {k} has a new name: {v}.|{P} {k} now answers to {v}.|{P} {k} is no longer called that but {v}.",
        noun="the name of {p} {k}", keys=PETS, owner=ANY),
    _family("person", "person", "{P} {k} is called {v}.",
        "{P} {k} is called {v}.|{P} {k}'s name is {v}.|{P} {k} is named {v}.|The name of {p} {k} is {v}."
        "|{v} is {p} {k}.|{v} is {p} {k}'s name.|{P} {k} goes by the name of {v}.|{P} {k}, {v}, called today.|I have to ring {v}, {p} {k}.|Have you heard of {v}, {p} {k}?|{P} {k} is someone called {v}.|People call {p} {k} {v}.|{P} {k} is {v}.|I was talking to {p} {k}, {v}.",
        "What is {p} {k} called?|What's {p} {k} called?|What is {p} {k}'s name?|How is {p} {k} called?|Who is {p} {k}?|Do you remember what {p} {k} is called?"
        "|{P} {k}'s name?|Can you tell me what {p} {k} is called?|I'd like to know what {p} {k}'s name is.|Remind me what {p} {k} is called.|What name does {p} {k} have?|Do you still know {p} {k}'s name?|Who's {p} {k}?|Can you tell me who {p} {k} is?|What did I say {p} {k} is called?|By what name does {p} {k} go?",
        updates="{P} {k} is called {v} now.|{P} {k} is now called {v}."
        "|{P} new {k} is called {v}.|{v} is {p} {k} now.|{P} {k} goes by {v} these days.|{P} {k} has taken the name {v}.|{P} new {k} is {v}.|{P} {k} is someone else now: {v}.", noun="the name of {p} {k}", keys=PEOPLE, owner=ANY),
    _family("place name", "title", "{P} {k} is called {v}.",
        "{P} {k} is called {v}.|{P} {k}'s name is {v}.|{P} {k} is named {v}.|The name of {p} {k} is {v}."
        "|{P} {k} goes by the name of {v}.|{v} is the name of {p} {k}.|{v} is what {p} {k} is called.|They call {p} {k} {v}.|{P} {k} has the name {v}.|It says {v} on {p} {k}.|They gave {p} {k} the name {v}.|{P} {k} is known as {v}.|You will find {p} {k} under the name {v}.",
        "What is {p} {k} called?|What's {p} {k} called?|What is {p} {k}'s name?|How is {p} {k} called?|Do you remember what {p} {k} is called?"
        "|{P} {k}'s name?|Can you tell me what {p} {k} is called?|I'd like to know what {p} {k}'s name is.|Remind me what {p} {k} is called.|What name does {p} {k} have?|Do you still know {p} {k}'s name?|Under what name do I find {p} {k}?|What do they call {p} {k}?|What did I say {p} {k} is called?|How was {p} {k} called again?",
        updates="{P} {k} is called {v} now.|{P} {k} is now called {v}.|{P} {k} was renamed to {v}."
        "|{P} {k} got a new name: {v}.|{P} {k} goes by {v} these days.|They renamed {p} {k} {v}.|{P} new {k} is called {v}.|They call {p} {k} {v} now.|{P} {k} is known as {v} now.", noun="the name of {p} {k}", keys=PLACES, owner=THE, made_up=True),
    _family("born", "year", "You were born in {v}.",
        "I was born in {v}.|I was born in the year {v}.|My birth year is {v}.|My year of birth is {v}.|I came into the world in {v}."
        "|{v} is the year I was born in.|{v} is my birth year.|I am from the year {v}.|My mother had me in {v}.|It was in {v} that I was born.|My parents had me in {v}.|In {v} I was born.|I've been around since {v}.|The year of my birth was {v}.",
        "What year was I born in?|When was I born?|In which year was I born?|What is my birth year?|What's my year of birth?|Which year was I born?"
        "|Can you tell me when I was born?|Do you still know when I was born?|I'd like to know what year I was born in.|Remind me when I was born.|What's my birth year?|What was the year of my birth?|My year of birth?|Tell me my birth year.|When did I come into the world?|Do you remember the year I was born?|What did I say about when I was born?|Since when have I been around?",
        updates="I was really born in {v}.|My birth year is {v}, not what I said."
        "|I was in fact born in {v}.|I was not born then but in {v}.|My real birth year is {v}.|The right year of my birth is {v}.|Make that {v}, the year I was born.|My year of birth should be {v}.", line="The user was born in {v}."),
    _family("born other", "year", "{W} was born in {v}.",
        "{W} was born in {v}.|{W} was born in the year {v}.|{P} birth year is {v}.|{P} year of birth is {v}."
        "|{P} year of birth was {v}.|It was in {v} that {w} was born.|In {v} {w} was born.|{v} is the year {w} was born in.|{v} is {p} birth year.|{W} is from the year {v}.|{W} has been around since {v}.|The year {w} was born is {v}.|{W} came into the world in {v}.",
        "What year was {w} born in?|When was {w} born?|In which year was {w} born?|What is {p} birth year?|Which year was {w} born?"
        "|Can you tell me when {w} was born?|Do you still know when {w} was born?|I'd like to know what year {w} was born in.|Remind me when {w} was born.|What's {p} birth year?|What is {p} year of birth?|{P} year of birth?|Tell me {p} birth year.|When did {w} come into the world?|Do you remember the year {w} was born?|Could you say when {w} was born?",
        updates="{W} was really born in {v}.|{P} birth year is {v}, not what I said."
        "|{W} was in fact born in {v}.|{W} was not born then but in {v}.|{P} real birth year is {v}.|Make that {v}, the year {w} was born.|{P} year of birth should be {v}.|The right birth year for {w} is {v}.", owner=OTHER),
    _family("age", "age", "{P} age is {v}.",
        "{P} age is {v}.|I am {v} years old.|I'm {v} years old.|I am {v}.|I have turned {v}."
        "|{v} is my age.|I'm {v} years of age.|I am aged {v}.|I've just had my birthday and am {v}.|I was {v} on my last birthday.|I've reached the age of {v}.|{v} years old, that's me.|There were {v} candles on my birthday cake.|At {v} I am not the youngest.",
        "How old am I?|What is my age?|What's my age?|Do you know how old I am?|Tell me how old I am.|My age?"
        "|Can you tell me how old I am?|Do you still know my age?|I'd like to know how old I am.|Remind me how old I am.|What age am I?|Tell me my age.|How many years old am I?|Could you say what my age is?|What did I say my age was?|What was my age again?|How old did I say I am?",
        updates="I am {v} now.|I just turned {v}.|My age is now {v}.|I am {v} years old now."
        "|I've just had a birthday, I'm {v} now.|As of today I am {v} years old.|I have become {v}.|I am already {v} years old.|I am no longer that young, I'm {v}."),
    _family("age other", "age", "{P} age is {v}.",
        "{P} age is {v}.|{W} is {v} years old.|{W} is {v}.|{W} has turned {v}."
        "|{v} is {p} age.|{W} is {v} years of age.|{W} is aged {v}.|{W} was {v} on the last birthday.|{W} has reached the age of {v}.|{W}, {v} years old, is in good health.|At {v}, {w} is doing well.|There were {v} candles on {p} birthday cake.|{W} happens to be {v} years old.",
        "How old is {w}?|What is {p} age?|What's {p} age?|Do you know how old {w} is?|Tell me how old {w} is."
        "|Can you tell me how old {w} is?|Do you still know {p} age?|I'd like to know how old {w} is.|Remind me how old {w} is.|What age is {w}?|Tell me {p} age.|How many years old is {w}?|Could you say what {p} age is?|{P} age?|Do you remember how old {w} is?|How old did I say {w} is?",
        updates="{W} is {v} now.|{W} just turned {v}.|{P} age is now {v}.|{W} is {v} years old now."
        "|{W} had a birthday and is {v} now.|As of today {w} is {v} years old.|{W} has become {v}.|{W} is already {v} years old.|{P} new age is {v}.", owner=OTHER),
    _family("age pet", "age", "{P} {k}'s age is {v}.",
        "{P} {k}'s age is {v}.|{P} {k} is {v} years old.|{P} {k} has turned {v}."
        "|{v} is {p} {k}'s age.|{P} {k} is {v} years of age.|{P} {k} is aged {v}.|{P} {k} is {v}.|{P} {k} has reached the age of {v}.|At {v}, {p} {k} is doing well.|The age of {p} {k} is {v}.|{P} {k} has been alive for {v} years.|{v} years old, that is {p} {k}.|{P} {k} must be {v} years old.",
        "How old is {p} {k}?|What is {p} {k}'s age?|Do you know how old {p} {k} is?|Tell me how old {p} {k} is."
        "|What's {p} {k}'s age?|Can you tell me how old {p} {k} is?|Do you still know {p} {k}'s age?|I'd like to know how old {p} {k} is.|Remind me how old {p} {k} is.|What age is {p} {k}?|Tell me {p} {k}'s age.|How many years old is {p} {k}?|What is the age of {p} {k}?|{P} {k}'s age?|Do you remember how old {p} {k} is?|How old did I say {p} {k} is?",
        updates="{P} {k} is {v} now.|{P} {k} just turned {v}.|{P} {k}'s age is now {v}."
        "|{P} {k} is now {v} years old.|{P} {k} had a birthday and is {v} now.|As of today {p} {k} is {v} years old.|{P} {k} has become {v}.|{P} {k} is already {v} years old.|The age of {p} {k} is {v} now.", keys=PETS, owner=ANY),
    _family("home", "city", "You live in {v}.",
        "I live in {v}.|My home is in {v}.|I moved to {v}.|I am living in {v}.|Home for me is {v}.|I have a flat in {v}.|My city is {v}."
        "|I've got a place in {v}.|I'm based in {v}.|I reside in {v}.|The city I live in is {v}.|{v} is where I live.|{v} is my home.|I've settled down in {v}.|You can find me at home in {v}.|I rent a flat in {v}.",
        "Where do I live?|Which city do I live in?|What city do I live in?|Where is my home?|Do you know where I live?|Tell me where I live.|In which city do I live?|What is my city?"
        "|Can you tell me where I live?|Do you still know where I live?|I'd like to know which city I live in.|Remind me where I live.|Could you say where I live?|Where have I got my home?|Where am I at home?|In what city is my home?|What did I say about where I live?|Where's my home?",
        updates="I live in {v} now.|I have moved to {v}.|I moved to {v}.|I now live in {v}.|We moved, now I live in {v}."
        "|I've settled in {v} now.|My new home is in {v}.|I don't live there any more, I live in {v}.|We have moved house, to {v}.|These days I live in {v}.", line="The user lives in {v}."),
    _family("home other", "city", "{W} lives in {v}.",
        "{W} lives in {v}.|{P} home is in {v}.|{W} moved to {v}.|{W} has a flat in {v}."
        "|{W} has got a place in {v}.|{W} is based in {v}.|{W} resides in {v}.|The city {w} lives in is {v}.|{v} is where {w} lives.|{v} is {p} home.|{W} has settled down in {v}.|{W} is at home in {v}.|{W} rents a flat in {v}.|In {v} lives {w}.",
        "Where does {w} live?|Which city does {w} live in?|What city does {w} live in?|Where is {p} home?|Do you know where {w} lives?|Tell me where {w} lives."
        "|Can you tell me where {w} lives?|Do you still know where {w} lives?|I'd like to know which city {w} lives in.|Remind me where {w} lives.|Could you say where {w} lives?|Where has {w} got a home?|In what city is {p} home?|Where's {p} home?|Do you remember where {w} lives?|Where did I say {w} lives?|In which city does {w} live?",
        updates="{W} lives in {v} now.|{W} has moved to {v}.|{W} moved to {v}.|{W} now lives in {v}."
        "|{W} has settled in {v} now.|{P} new home is in {v}.|{W} doesn't live there any more but in {v}.|{W} has moved house, to {v}.|These days {w} lives in {v}.", owner=OTHER),
    _family("home couple", "city", "{P} {k} live in {v}.",
        "{P} {k} live in {v}.|{P} {k} have a house in {v}.|{P} {k} moved to {v}.|{P} {k} are living in {v}."
        "|{P} {k} have got a place in {v}.|{P} {k} are based in {v}.|{P} {k} reside in {v}.|The city {p} {k} live in is {v}.|{v} is where {p} {k} live.|{P} {k} have settled down in {v}.|{P} {k} are at home in {v}.|In {v} live {p} {k}.|The home of {p} {k} is in {v}.|{P} {k} have their home in {v}.",
        "Where do {p} {k} live?|Which city do {p} {k} live in?|What city do {p} {k} live in?|Do you know where {p} {k} live?|Tell me where {p} {k} live."
        "|Can you tell me where {p} {k} live?|Do you still know where {p} {k} live?|I'd like to know which city {p} {k} live in.|Remind me where {p} {k} live.|Could you say where {p} {k} live?|Where have {p} {k} got their home?|In what city do {p} {k} live?|Where are {p} {k} at home?|Where's the home of {p} {k}?|Do you remember where {p} {k} live?|Where did I say {p} {k} live?",
        updates="{P} {k} live in {v} now.|{P} {k} have moved to {v}.|{P} {k} now live in {v}."
        "|{P} {k} moved house, to {v}.|{P} {k} have settled in {v} now.|The new home of {p} {k} is in {v}.|{P} {k} don't live there any more but in {v}.|These days {p} {k} live in {v}.", keys=COUPLES),
    _family("origin", "city", "You come from {v}.",
        "I come from {v}.|I am from {v}.|I grew up in {v}.|My hometown is {v}.|I'm from {v}."
        "|{v} is my hometown.|{v} is where I come from.|I was raised in {v}.|I spent my childhood in {v}.|My family comes from {v} and so do I.|The town I come from is {v}.|I hail from {v}.|My roots are in {v}.|I was a child in {v}.|I went to school as a child in {v}.",
        "Where do I come from?|Where am I from?|Where did I grow up?|What is my hometown?|Which city do I come from?"
        "|Can you tell me where I come from?|Do you still know where I'm from?|I'd like to know where I come from.|Remind me where I am from.|What's my hometown?|Which town am I from?|Where was I raised?|Where did I spend my childhood?|Tell me where I grew up.|Where are my roots?|What did I say about where I come from?|Do you remember where I grew up?",
        updates="I really come from {v}.|My hometown is {v}, not what I said."
        "|In fact I come from {v}.|I grew up in {v}, to be exact.|I was not raised there but in {v}.|My real hometown is {v}.|Make that {v}, the town I come from.|I should have said that I come from {v}.", line="The user comes from {v}."),
    _family("job", "job", "You work as {v}.",
        "I work as {v}.|I am {v}.|I'm {v} by profession.|My job is to be {v}.|I earn my money as {v}.|I have a job as {v}."
        "|I make my living as {v}.|By trade I am {v}.|I've been working as {v} for years.|I was trained as {v}.|I'm employed as {v}.|At work I am {v}.|For a living I work as {v}.|My profession is that of {v}.|I've got a job as {v}.",
        "What do I work as?|What is my job?|What do I do for a living?|What's my profession?|What's my job?|Do you know my job?"
        "|Can you tell me what my job is?|Do you still know what I do for a living?|I'd like to know what I work as.|Remind me what my job is.|Could you say what I do for a living?|How do I earn my money?|What is my profession?|What kind of job do I have?|Tell me my job.|As what do I work?|What did I say my job was?",
        updates="I work as {v} now.|I have a new job as {v}.|I changed jobs: I work as {v}.|I am {v} now.|I became {v}."
        "|I'm no longer that, I work as {v}.|These days I am {v} by profession.|I've started working as {v}.|I found a new job, as {v}.|I now make my living as {v}.", line="The user works as {v}."),
    _family("job other", "job", "{W} works as {v}.",
        "{W} works as {v}.|{W} is {v}.|{W} has a job as {v}.|{P} job is to be {v}."
        "|{W} makes a living as {v}.|By trade {w} is {v}.|{W} has been working as {v} for years.|{W} was trained as {v}.|{W} is employed as {v}.|{W} is {v} by profession.|For a living {w} works as {v}.|{P} profession is that of {v}.|{W} has got a job as {v}.|{W} earns money as {v}.",
        "What does {w} work as?|What is {p} job?|What does {w} do for a living?|What's {p} profession?|Do you know {p} job?"
        "|Can you tell me what {p} job is?|Do you still know what {w} does for a living?|I'd like to know what {w} works as.|Remind me what {p} job is.|Could you say what {w} does for a living?|How does {w} earn money?|What is {p} profession?|What's {p} job?|What kind of job does {w} have?|Tell me {p} job.|As what does {w} work?|What did I say {p} job was?",
        updates="{W} works as {v} now.|{W} has a new job as {v}.|{W} became {v}."
        "|{W} is no longer that but works as {v}.|These days {w} is {v} by profession.|{W} has started working as {v}.|{W} found a new job, as {v}.|{W} now makes a living as {v}.|{W} is {v} now.", owner=OTHER),
    _family("employer", "company", "You work at {v}.",
        "I work at {v}.|I work for {v}.|My employer is {v}.|I am employed at {v}.|I have a job at {v}."
        "|{v} is my employer.|{v} is where I work.|I'm with {v}.|The company I work for is {v}.|I'm on the staff of {v}.|I've been hired by {v}.|{v} pays my wages.|I've got a job with {v}.|My office is at {v}.|I go to work at {v}.",
        "Where do I work?|Who do I work for?|What is my employer?|Which company do I work at?|Who is my employer?|Tell me where I work."
        "|Can you tell me where I work?|Do you still know who I work for?|I'd like to know which company I work for.|Remind me where I work.|Who's my employer?|What company do I work for?|Who pays my wages?|Who has hired me?|At which company am I employed?|Could you say who my employer is?|What did I say about where I work?",
        updates="I work at {v} now.|I changed jobs and work at {v}.|I now work at {v}.|My new employer is {v}."
        "|I've been hired by {v} now.|I left and joined {v}.|These days I work for {v}.|My employer is {v} now.|I don't work there any more, I'm with {v}.", line="The user works at {v}."),
    _family("employer other", "company", "{W} works at {v}.",
        "{W} works at {v}.|{W} works for {v}.|{P} employer is {v}.|{W} has a job at {v}."
        "|{v} is {p} employer.|{v} is where {w} works.|{W} is with {v}.|The company {w} works for is {v}.|{W} is on the staff of {v}.|{W} was hired by {v}.|{v} pays {p} wages.|{W} is employed at {v}.|{P} office is at {v}.|{W} goes to work at {v}.",
        "Where does {w} work?|Who does {w} work for?|What is {p} employer?|Which company does {w} work at?"
        "|Can you tell me where {w} works?|Do you still know who {w} works for?|I'd like to know which company {w} works for.|Remind me where {w} works.|Who's {p} employer?|What company does {w} work for?|Who pays {p} wages?|Who has hired {w}?|At which company is {w} employed?|Tell me where {w} works.|Could you say who {p} employer is?|Do you know where {w} works?",
        updates="{W} works at {v} now.|{W} now works at {v}.|{P} new employer is {v}."
        "|{W} has been hired by {v} now.|{W} left and joined {v}.|These days {w} works for {v}.|{P} employer is {v} now.|{W} doesn't work there any more but at {v}.|{W} changed jobs and works at {v}.", owner=OTHER),
    _family("car", "make", "You drive a {v}.",
        "I drive a {v}.|My car is a {v}.|I have a {v}.|I own a {v}.|The car I drive is a {v}."
        "|I've got a {v} as a car.|I go to work in my {v}.|There's a {v} in my garage.|A {v} is what I drive.|I bought a {v}.|My car is called a {v}.|I get around in a {v}.|The make of my car is {v}.|I've been driving a {v} for years.",
        "What car do I drive?|What do I drive?|Which car do I have?|What kind of car do I drive?|What is my car?"
        "|Can you tell me what car I drive?|Do you still know what I drive?|I'd like to know which car I drive.|Remind me what car I have.|What's my car?|What make is my car?|Which make of car do I drive?|What car have I got?|What car is in my garage?|Could you say what kind of car I have?|What did I say about the car I drive?|Tell me what I drive.",
        updates="I drive a {v} now.|I sold the car and drive a {v}.|I now drive a {v}.|My new car is a {v}."
        "|I've got a new car, a {v}.|I traded my car in for a {v}.|These days I drive a {v}.|My car is a {v} now.|I bought a new car: a {v}.", line="The user drives a {v}."),
    _family("car other", "make", "{W} drives a {v}.",
        "{W} drives a {v}.|{P} car is a {v}.|{W} has a {v}.|{W} owns a {v}."
        "|{W} has got a {v} as a car.|{W} goes to work in a {v}.|There's a {v} in {p} garage.|A {v} is what {w} drives.|{W} bought a {v}.|The car {w} drives is a {v}.|{W} gets around in a {v}.|The make of {p} car is {v}.|{W} has been driving a {v} for years.",
        "What car does {w} drive?|What does {w} drive?|Which car does {w} have?|What kind of car does {w} drive?"
        "|Can you tell me what car {w} drives?|Do you still know what {w} drives?|I'd like to know which car {w} drives.|Remind me what car {w} has.|What is {p} car?|What make is {p} car?|Which make of car does {w} drive?|What car has {w} got?|What car is in {p} garage?|Could you say what kind of car {w} has?|Tell me what {w} drives.|Do you remember what car {w} drives?",
        updates="{W} drives a {v} now.|{W} now drives a {v}.|{P} new car is a {v}."
        "|{W} has got a new car, a {v}.|{W} traded the old car in for a {v}.|These days {w} drives a {v}.|{P} car is a {v} now.|{W} bought a new car: a {v}.|{W} sold the car and drives a {v}.", owner=OTHER),
    _family("colour", "colour", "The colour of {p} {k} is {v}.",
        "{P} {k} is {v}.|I painted {p} {k} {v}.|The color of {p} {k} is {v}."
        "|{P} {k} has the colour {v}.|{P} {k} comes in {v}.|{P} {k} is a {v} one.|{P} {k} was painted {v}.|{P} {k} is all {v}.|{P} {k} is {v} in colour.|You can tell {p} {k} by its colour, {v}.|I chose {v} as the colour of {p} {k}.|The paint on {p} {k} is {v}.",
        "What colour is {p} {k}?|What color is {p} {k}?|Which colour does {p} {k} have?|What colour does {p} {k} have?|Do you remember what colour {p} {k} is?"
        "|What's the color of {p} {k}?|Can you tell me what colour {p} {k} is?|I'd like to know what colour {p} {k} is.|Remind me what colour {p} {k} is.|Which colour is {p} {k}?|In what colour is {p} {k} painted?|{P} {k}'s colour?|Do you still know the colour of {p} {k}?|What colour did I say {p} {k} is?|What colour has {p} {k} got?",
        updates="{P} {k} is {v} now.|I painted {p} {k} {v}.|{P} new {k} is {v}."
        "|We had {p} {k} painted {v}.|{P} {k} was repainted {v}.|{P} {k} has turned {v}.|{P} {k} has a new colour: {v}.|{P} {k} isn't that colour any more, it's {v}.", noun="the colour of {p} {k}", keys=COLOURED, owner=ANY, made_up=True),
    _family("allergy", "food", "You are allergic to {v}.",
        "I am allergic to {v}.|I'm allergic to {v}.|I have an allergy to {v}.|My allergy is to {v}.|I can't have {v}, I am allergic.|I get a rash from {v}."
        "|There's one thing I'm allergic to: {v}.|{v} gives me a rash, I'm allergic.|I suffer from an allergy to {v}.|My body can't stand {v}, it's an allergy.|I've got a {v} allergy.|If I eat or touch {v}, I get a rash.|I've always been allergic to {v}.|I was found to be allergic to {v}.",
        "What am I allergic to?|Which allergy do I have?|Do I have an allergy?|What is my allergy?|Tell me what I am allergic to."
        "|Can you tell me what I'm allergic to?|Do you still know what I am allergic to?|I'd like to know what my allergy is.|Remind me what I'm allergic to.|What's my allergy?|What gives me a rash?|What kind of allergy do I have?|To what am I allergic?|Which allergy have I got?|What did I say I am allergic to?|Do you remember my allergy?|What must I avoid because of my allergy?",
        updates="It turns out that I am allergic to {v}.|I am now allergic to {v}.|The doctor says that I am allergic to {v}."
        "|I've become allergic to {v}.|My allergy is to {v} now.|The test showed that I'm allergic to {v}.|I'm allergic to something else, namely {v}.|It's {v} that I am allergic to now.|I have a new allergy: {v}.", line="The user is allergic to {v}."),
    _family("allergy other", "food", "{W} is allergic to {v}.",
        "{W} is allergic to {v}.|{W} has an allergy to {v}.|{P} allergy is to {v}."
        "|There's one thing {w} is allergic to: {v}.|{W} gets a rash from {v}.|{W} suffers from an allergy to {v}.|{W} has got a {v} allergy.|{W} can't have {v} because of an allergy.|{W} has always been allergic to {v}.|{W} was found to be allergic to {v}.|What {w} is allergic to is {v}.|{P} allergy is {v}.|With {p} allergy, {v} is out.",
        "What is {w} allergic to?|Which allergy does {w} have?|Does {w} have an allergy?|What is {p} allergy?"
        "|Can you tell me what {w} is allergic to?|Do you still know what {w} is allergic to?|I'd like to know what {p} allergy is.|Remind me what {w} is allergic to.|What's {p} allergy?|What gives {w} a rash?|What kind of allergy does {w} have?|To what is {w} allergic?|Which allergy has {w} got?|Tell me what {w} is allergic to.|What did I say {w} is allergic to?|Do you remember {p} allergy?",
        updates="It turns out that {w} is allergic to {v}.|{W} is now allergic to {v}."
        "|{W} has become allergic to {v}.|{P} allergy is to {v} now.|The test showed that {w} is allergic to {v}.|{W} is allergic to something else, namely {v}.|The doctor says that {w} is allergic to {v}.|It's {v} that {w} is allergic to now.|{W} has a new allergy: {v}.", owner=OTHER),
    _family("favourite", "favourite", "{P} favourite {k} is {v}.",
        "{P} favourite {k} is {v}.|{P} favorite {k} is {v}.|The {k} I like best is {v}.|Of all {k}s I like {v} the most."
        "|{v} is {p} favourite {k}.|I'd say {v} is {p} favourite {k}.|If I had to choose a {k}, it would be {v}.|No {k} is better than {v}.|{P} {k} of choice is {v}.|The best {k} for me is {v}.|As a {k}, I love {v} most.|When it comes to the {k}, I prefer {v}.|There's no {k} I like more than {v}.",
        "What is {p} favourite {k}?|What's {p} favourite {k}?|What is {p} favorite {k}?|Which {k} do I like best?|Which {k} is {p} favourite?"
        "|Can you tell me {p} favourite {k}?|I'd like to know what {p} favourite {k} is.|Remind me which {k} I like best.|Which {k} do I prefer?|What {k} do I like the most?|Which {k} do I love most?|Do you still know which {k} I like best?|{P} favorite {k}?|What's {p} {k} of choice?|What did I say {p} favourite {k} was?",
        updates="{P} new favourite {k} is {v}.|Now the {k} I like best is {v}."
        "|{P} favourite {k} is now {v}.|These days the {k} I like best is {v}.|I prefer another {k} now: {v}.|I've got a new favourite {k}: {v}.|I've come to like {v} best as a {k}.", noun="{p} favourite {k}", keys=FAVOURITES, made_up=True),
    _family("favourite other", "favourite", "{P} favourite {k} is {v}.",
        "{P} favourite {k} is {v}.|{P} favorite {k} is {v}.|The {k} {w} likes best is {v}."
        "|{v} is {p} favourite {k}.|I'd say {v} is {p} favourite {k}.|If {w} had to choose a {k}, it would be {v}.|{P} {k} of choice is {v}.|The best {k} for {w} is {v}.|As a {k}, {w} loves {v} most.|When it comes to the {k}, {w} prefers {v}.|There's no {k} {w} likes more than {v}.|The {k} that {w} prefers is {v}.",
        "What is {p} favourite {k}?|What's {p} favourite {k}?|What is {p} favorite {k}?|Which {k} does {w} like best?"
        "|Can you tell me {p} favourite {k}?|I'd like to know what {p} favourite {k} is.|Remind me which {k} {w} likes best.|Which {k} does {w} prefer?|What {k} does {w} like the most?|Which {k} does {w} love most?|Do you still know which {k} {w} likes best?|{P} favorite {k}?|What's {p} {k} of choice?|What did I say {p} favourite {k} was?",
        updates="{P} new favourite {k} is {v}.|Now the {k} {w} likes best is {v}."
        "|These days the {k} {w} likes best is {v}.|{W} prefers another {k} now: {v}.|{W} has got a new favourite {k}: {v}.|{W} has come to like {v} best as a {k}.|{P} favourite {k} isn't that any more but {v}.", noun="{p} favourite {k}", keys=FAVOURITES, owner=OTHER),
    _family("password", "password", "The {k} password is {v}.",
        "The {k} password is {v}.|The password for the {k} is {v}.|The password of the {k} is {v}.|My {k} password is {v}.|To get into the {k}, use the password {v}."
        "|{v} is the password for the {k}.|For the {k} you need the password {v}.|The {k} wants a password: it's {v}.|Use {v} as the password for the {k}.|I set the {k} password to {v}.|I log in to the {k} with the password {v}.|There's a password on the {k}: {v}.|The {k} is protected by the password {v}.",
        "What is the {k} password?|What's the {k} password?|What is the password for the {k}?|What is my {k} password?|Which password does the {k} have?|Tell me the password of the {k}."
        "|Can you tell me the {k} password?|I need the password for the {k}.|I'd like to know the password of the {k}.|Remind me of the {k} password.|With which password do I get into the {k}?|What password do I need for the {k}?|Do you still know the {k} password?|The {k} password, please.|How do I log in to the {k}?|What did I say the {k} password was?|What password did I set for the {k}?",
        updates="The new {k} password is {v}.|The {k} password was changed to {v}.|I have a new {k} password: {v}."
        "|I've changed the password of the {k} to {v}.|The {k} has a new password: {v}.|The old {k} password is gone, use {v}.|From now on the {k} password is {v}.|Please use the password {v} for the {k} now.|The {k} password isn't that any more, it's {v}.", noun="the {k} password", keys=LOCKED, owner=THE, made_up=True),
    _family("code", "code", "The {k} code is {v}.",
        "The {k} code is {v}.|The code for the {k} is {v}.|The code of the {k} is {v}.|The {k} opens with {v}.|You open the {k} with the code {v}."
        "|{v} is the code for the {k}.|For the {k} you need the code {v}.|The {k} wants a code: it's {v}.|Type {v} to open the {k}.|I set the {k} code to {v}.|I get through the {k} with the code {v}.|There's a code for the {k}: {v}.|Enter the code {v} at the {k}.",
        "What is the {k} code?|What's the {k} code?|What is the code for the {k}?|Which code opens the {k}?|How do I open the {k}?|Tell me the code of the {k}."
        "|Can you tell me the {k} code?|I need the code for the {k}.|I'd like to know the code of the {k}.|Remind me of the {k} code.|With which code do I open the {k}?|What code do I need for the {k}?|Do you still know the {k} code?|The {k} code, please.|What do I type to open the {k}?|What did I say the {k} code was?|Which code do I enter at the {k}?",
        updates="The new {k} code is {v}.|The {k} code was changed to {v}.|The {k} now opens with {v}."
        "|I've changed the code of the {k} to {v}.|The {k} has a new code: {v}.|The old {k} code is gone, use {v}.|From now on the {k} code is {v}.|Please use the code {v} for the {k} now.|The {k} code isn't that any more, it's {v}.", noun="the {k} code", keys=CODED, owner=THE, made_up=True),
    _family("pin", "pin", "The PIN of {p} {k} is {v}.",
        "The PIN of {p} {k} is {v}.|{P} {k} PIN is {v}.|The PIN for {p} {k} is {v}.|{P} {k}'s PIN is {v}."
        "|{v} is the PIN of {p} {k}.|For {p} {k} the PIN is {v}.|The PIN I use for {p} {k} is {v}.|{P} {k} has the PIN {v}.|Use the PIN {v} for {p} {k}.|There's a PIN on {p} {k}: {v}.|{P} {k} opens with the PIN {v}.|{P} {k} needs a PIN, it's {v}.|I set the PIN of {p} {k} to {v}.",
        "What is the PIN of {p} {k}?|What is {p} {k} PIN?|What's the PIN for {p} {k}?|Which PIN does {p} {k} have?"
        "|Can you tell me the PIN for {p} {k}?|I need the PIN of {p} {k}.|I'd like to know {p} {k} PIN.|Remind me of the PIN for {p} {k}.|With which PIN does {p} {k} open?|What PIN does {p} {k} need?|{P} {k} PIN?|Do you still know {p} {k} PIN?|What PIN did I set for {p} {k}?|The PIN for {p} {k}, please.",
        updates="The new PIN of {p} {k} is {v}.|{P} {k} PIN is now {v}."
        "|{P} {k} has a new PIN: {v}.|I changed the PIN of {p} {k}, it's {v}.|From now on {p} {k} has the PIN {v}.|The old PIN of {p} {k} is gone, use {v}.|{P} {k} opens with the PIN {v} now.|The PIN for {p} {k} was changed to {v}.", noun="the PIN of {p} {k}", keys="card phone bank card SIM card tablet safe account locker".split(), owner=ANY),
    _family("number", "code", "{P} {k} number is {v}.",
        "{P} {k} number is {v}.|The number of {p} {k} is {v}.|{P} {k} has the number {v}.|{P} {k} is number {v}."
        "|{v} is {p} {k} number.|{v} is the number of {p} {k}.|They gave {p} {k} the number {v}.|{P} {k} got number {v}.|There's a number on {p} {k}: {v}.|It says {v} on {p} {k}, that's the number.|You find {p} {k} under number {v}.|The number for {p} {k} is {v}.|The number on {p} {k} reads {v}.",
        "What is {p} {k} number?|What's {p} {k} number?|Which number is {p} {k}?|What number does {p} {k} have?|What is the number of {p} {k}?"
        "|Can you tell me {p} {k} number?|I need the number of {p} {k}.|I'd like to know what number {p} {k} has.|Remind me of {p} {k} number.|What number is {p} {k}?|Which number does {p} {k} have?|What number is on {p} {k}?|{P} {k} number, please.|Do you still know the number of {p} {k}?|What number did {p} {k} get?|Under which number do I find {p} {k}?",
        updates="{P} new {k} number is {v}.|{P} {k} number was changed to {v}."
        "|{P} {k} has a new number: {v}.|{P} {k} is now number {v}.|They changed the number of {p} {k} to {v}.|From now on {p} {k} number is {v}.|{P} {k} has the number {v} now.|The old number of {p} {k} is gone, it's {v} now.", noun="{p} {k} number", keys=NUMBERED, owner=ANY, made_up=True),
    _family("room", "number", "{P} room number is {v}.",
        "{P} room is {v}.|I am in room {v}.|I have room {v}.|They gave me room {v}.|My room is number {v}."
        "|{v} is my room number.|The number of my room is {v}.|I'm staying in room {v}.|My room number is {v}.|My room has the number {v}.|You can find me in room {v}.|I was put in room {v}.|I've got room {v}.|It says {v} on the door of my room.|Room {v} is mine.",
        "What is {p} room number?|Which room am I in?|What room do I have?|What's {p} room?|Which room is mine?"
        "|Can you tell me my room number?|Do you still know which room I'm in?|I'd like to know which room I have.|Remind me which room is mine.|What's my room number?|Which room have I got?|In which room am I staying?|What is the number of my room?|My room number, please.|Which room did they give me?|What room am I in?|What did I say my room number was?",
        updates="I am in room {v} now.|They moved me to room {v}.|My new room is {v}."
        "|My room number is {v} now.|I changed rooms, I'm in {v}.|I have moved to room {v}.|They gave me another room: {v}.|I'm no longer in that room but in {v}.|I've got room {v} instead."),
    _family("time", "time", "{P} {k} is at {v}.",
        "{P} {k} is at {v}.|{P} {k} starts at {v}.|{P} {k} begins at {v}.|I have {p} {k} at {v}.|At {v} there is {p} {k}."
        "|{P} {k} is set for {v}.|{v} is when {p} {k} starts.|{P} {k} will start at {v}.|It's at {v} that {p} {k} begins.|At {v} {p} {k} begins.|{P} {k} was arranged for {v}.|{P} {k} is scheduled for {v}.|I have to be ready for {p} {k} at {v}.|We'll have {p} {k} at {v}.|There's {p} {k} at {v}.|Be there at {v} for {p} {k}.",
        "When is {p} {k}?|What time is {p} {k}?|At what time is {p} {k}?|When does {p} {k} start?|When does {p} {k} begin?|What time does {p} {k} start?"
        "|Can you tell me when {p} {k} is?|I'd like to know what time {p} {k} is.|Remind me when {p} {k} starts.|When's {p} {k}?|At what time does {p} {k} start?|For what time is {p} {k} set?|What time does {p} {k} begin?|Do you still know when {p} {k} is?|When will {p} {k} start?|At what hour is {p} {k}?|What time was {p} {k} again?|When do I have to be ready for {p} {k}?",
        updates="{P} {k} is at {v} now.|{P} {k} was moved to {v}.|{P} {k} is now at {v}.|They moved {p} {k} to {v}."
        "|{P} {k} starts at {v} now.|{P} {k} has a new time: {v}.|{P} {k} has been moved to {v}.|{P} {k} won't be then but at {v}.|{P} {k} is at {v} instead.|{P} {k} was put off until {v}.", noun="the time of {p} {k}", keys=TIMED, owner=ANY, made_up=True),
    _family("date", "date", "{P} {k} is on {v}.",
        "{P} {k} is on {v}.|I have {p} {k} on {v}.|{P} {k} takes place on {v}.|On {v} there is {p} {k}.|{P} {k} will be on {v}."
        "|{v} is the day of {p} {k}.|{P} {k} falls on {v}.|{P} {k} is planned for {v}.|The day of {p} {k} is {v}.|It's on {v} that {p} {k} takes place.|We have {p} {k} on {v}.|There's {p} {k} on {v}.|{P} {k} happens on {v}.|Keep {v} free for {p} {k}.|{P} {k} comes up on {v}.",
        "On what day is {p} {k}?|What day is {p} {k}?|On which day is {p} {k}?|What date is {p} {k}?|On which date is {p} {k}?"
        "|Can you tell me what day {p} {k} is?|I'd like to know on which day {p} {k} is.|Remind me on what day {p} {k} is.|What's the day of {p} {k}?|What day does {p} {k} fall on?|For which day is {p} {k} planned?|Which day is {p} {k}?|Do you still know on what day {p} {k} is?|On what date does {p} {k} take place?|{P} {k}'s date?|What day did I say {p} {k} is?|What date was {p} {k} again?",
        updates="{P} {k} is on {v} now.|{P} {k} was moved to {v}.|{P} {k} is now on {v}.|They moved {p} {k} to {v}."
        "|{P} {k} takes place on {v} now.|{P} {k} has a new date: {v}.|{P} {k} has been moved to {v}.|{P} {k} won't be then but on {v}.|{P} {k} is on {v} instead.|{P} {k} was put off until {v}.", noun="the date of {p} {k}", keys=DATED, owner=ANY, made_up=True),
    _family("deadline", "date", "The deadline for the {k} is {v}.",
        "The deadline for the {k} is {v}.|The {k} is due on {v}.|The {k} must be done by {v}.|I have to hand in the {k} by {v}.|The {k} deadline is {v}."
        "|{v} is the deadline for the {k}.|The {k} has to be in by {v}.|The {k} has a deadline: {v}.|They want the {k} by {v}.|I've got until {v} to finish the {k}.|I must finish the {k} by {v}.|The last day for the {k} is {v}.|By {v} the {k} must be ready.|The {k} should be handed in by {v}.",
        "What is the deadline for the {k}?|When is the {k} due?|By when must the {k} be done?|When do I have to hand in the {k}?|What's the {k} deadline?"
        "|Can you tell me when the {k} is due?|I'd like to know when the {k} is due.|Remind me when the {k} is due.|By when must I finish the {k}?|When does the {k} have to be in?|How long do I have for the {k}?|What's the last day for the {k}?|Do you still know when the {k} is due?|The {k} deadline?|When must the {k} be ready?|By what date do they want the {k}?",
        updates="The {k} is now due on {v}.|The deadline for the {k} was moved to {v}.|The new deadline for the {k} is {v}."
        "|The {k} deadline is now {v}.|The {k} isn't due then but on {v}.|They want the {k} by {v} now.|I got more time for the {k}, until {v}.|The {k} has a new deadline: {v}.|The {k} has to be in by {v} instead.", noun="the deadline for the {k}", keys=TASKS, owner=THE, made_up=True),
    _family("phone", "phone", "{P} phone number is {v}.",
        "{P} phone number is {v}.|{P} number is {v}.|{P} telephone number is {v}.|You reach {w} at {v}.|To call {w}, dial {v}."
        "|{v} is {p} phone number.|{W} can be reached at {v}.|{W} has the phone number {v}.|{P} mobile number is {v}.|You can call {w} at {v}.|If you need {w}, call {v}.|{W} answers the phone at {v}.|The number to reach {w} is {v}.|Ring {w} on {v}.",
        "What is {p} phone number?|What's {p} phone number?|What is {p} number?|How can I reach {w}?|What is {p} telephone number?"
        "|Can you tell me {p} phone number?|I need {p} phone number.|I'd like to call {w}, what's the number?|Remind me of {p} number.|What's {p} number?|At which number do I reach {w}?|Which number do I dial for {w}?|{P} phone number, please.|How do I call {w}?|Do you still have {p} number?|What is {p} mobile number?|What did I say {p} phone number was?",
        updates="{P} new phone number is {v}.|{P} phone number was changed to {v}."
        "|{W} has a new phone number: {v}.|{P} number is {v} now.|You reach {w} at {v} now.|{W} has got another number, {v}.|The old number for {w} is dead, it's {v}.|Call {w} at {v} from now on.", noun="{p} phone number", owner=OTHER),
    _family("own phone", "phone", "{P} phone number is {v}.",
        "{P} phone number is {v}.|{P} number is {v}.|{P} telephone number is {v}.|You can reach me at {v}.|Call me at {v}."
        "|{v} is {p} phone number.|I can be reached at {v}.|I have the phone number {v}.|{P} mobile number is {v}.|You can call me at {v}.|If you need me, call {v}.|I answer the phone at {v}.|The number to reach me is {v}.|Ring me on {v}.",
        "What is {p} phone number?|What's {p} phone number?|What is {p} telephone number?|How can people reach me?"
        "|Can you tell me {p} phone number?|I need {p} phone number.|I'd like to know {p} own phone number.|Remind me of {p} phone number.|What's {p} number?|At which number can people reach me?|Which number do people dial to call me?|{P} phone number, please.|How can people call me?|Do you still have {p} phone number?|What is {p} mobile number?|What did I say {p} phone number was?",
        updates="{P} new phone number is {v}.|{P} phone number was changed to {v}."
        "|I have a new phone number: {v}.|{P} number is {v} now.|You reach me at {v} now.|I've got another number, {v}.|{P} old number is dead, it's {v}.|Call me at {v} from now on.", noun="{p} phone number"),
    _family("address", "address", "{P} address is {v}.",
        "{P} address is {v}.|{P} home address is {v}.|{P} house is at {v}.|{P} flat is at {v}."
        "|{v} is {p} address.|{P} place is at {v}.|{P} post goes to {v}.|The address of {p} house is {v}.|Send {p} letters to {v}.|Letters to {p} address go to {v}.|{P} front door is at {v}.|{P} street and number: {v}.|The street and number of {p} home: {v}.|A taxi to {p} house has to go to {v}.",
        "What is {p} address?|What's {p} address?|What is {p} home address?|Which address is {p} house at?"
        "|Can you tell me {p} address?|I need {p} address.|I'd like to know {p} address.|Remind me of {p} address.|At what address is {p} flat?|What address is {p} house at?|{P} home address?|{P} address, please.|Where should {p} post go?|Do you still have {p} address?|What's {p} street and number?|To which address do {p} letters go?",
        updates="{P} new address is {v}.|{P} address was changed to {v}."
        "|{P} address has become {v}.|{P} house is at {v} now.|{P} flat is now at {v}.|{P} post goes to {v} now.|{P} old address is wrong, it's {v}.|From now on {p} address is {v}.", noun="{p} address", owner=ANY),
    _family("email", "email", "{P} email is {v}.",
        "{P} email is {v}.|{P} email address is {v}.|{P} mail address is {v}."
        "|{v} is {p} email.|{v} is {p} email address.|{P} emails go to {v}.|{P} inbox is {v}.|For {p} email use {v}.|{P} mail goes to {v}.|Write to {p} email address, {v}.|The address for {p} email is {v}.|The email address is {v}, {p} own one.|The mailbox at {v} is {p} email.",
        "What is {p} email?|What's {p} email?|What is {p} email address?"
        "|Can you tell me {p} email?|I need {p} email address.|I'd like to know {p} email address.|Remind me of {p} email.|What's {p} email address?|What is {p} mail address?|{P} email address?|{P} email, please.|Where do {p} emails go?|Do you still have {p} email address?|Which email address is the one for {p} mail?|To which address do {p} emails go?",
        updates="{P} new email is {v}.|{P} email was changed to {v}."
        "|{P} email address is {v} now.|{P} email address was changed to {v}.|{P} emails go to {v} now.|{P} old email is dead, it's {v}.|From now on {p} email is {v}.|{P} new email address is {v}.", noun="{p} email", owner=ANY),
    _family("budget", "money", "The budget for the {k} is {v}.",
        "The budget for the {k} is {v}.|The {k} budget is {v}.|We can spend {v} on the {k}.|For the {k} we have {v}."
        "|{v} is the budget for the {k}.|The {k} has a budget of {v}.|There is {v} for the {k}.|We've set {v} aside for the {k}.|The {k} may cost {v} at most.|We've got {v} to spend on the {k}.|At most {v} can be spent on the {k}.|We planned {v} for the {k}.|The money for the {k} is {v}.",
        "What is the budget for the {k}?|What is the {k} budget?|How much can we spend on the {k}?|How much do we have for the {k}?"
        "|Can you tell me the {k} budget?|I'd like to know the budget for the {k}.|Remind me of the {k} budget.|What's the budget for the {k}?|What budget does the {k} have?|How much may the {k} cost?|How much money is there for the {k}?|How much did we set aside for the {k}?|The {k} budget, please.|Do you still know the {k} budget?|What can we spend on the {k}?|How big is the {k} budget?",
        updates="The new budget for the {k} is {v}.|The {k} budget was changed to {v}.|We can now spend {v} on the {k}."
        "|The {k} has a new budget: {v}.|The {k} budget is {v} now.|We have {v} for the {k} now.|There is now {v} for the {k}.|The budget for the {k} was raised to {v}.|The budget for the {k} was cut to {v}.", noun="the budget for the {k}", keys=PAID, owner=THE, made_up=True),
    _family("price", "money", "The price of the {k} is {v}.",
        "The {k} costs {v}.|The price of the {k} is {v}.|The {k} was {v}.|I paid {v} for the {k}."
        "|{v} is the price of the {k}.|The {k} cost me {v}.|The {k} sells for {v}.|They want {v} for the {k}.|I have to pay {v} for the {k}.|I got the {k} for {v}.|I bought the {k} for {v}.|The {k} has a price of {v}.|It takes {v} to buy the {k}.|The price tag on the {k} says {v}.",
        "What does the {k} cost?|How much is the {k}?|How much does the {k} cost?|What did I pay for the {k}?"
        "|Can you tell me what the {k} costs?|I'd like to know how much the {k} is.|Remind me what the {k} costs.|What's the price of the {k}?|What price does the {k} have?|How much did I pay for the {k}?|How much do they want for the {k}?|How much did the {k} cost?|The {k}'s price?|Do you still know what the {k} costs?|How expensive is the {k}?|For how much did I get the {k}?",
        updates="The {k} costs {v} now.|The {k} now costs {v}.|The new price of the {k} is {v}."
        "|The {k} is {v} now.|The {k} has a new price: {v}.|They want {v} for the {k} now.|The price of the {k} went up to {v}.|The price of the {k} went down to {v}.|The {k} sells for {v} now.", noun="the price of the {k}", keys=PRICED, owner=THE, made_up=True),
    _family("place", "place", "The {k} is {v}.",
        "The {k} is {v}.|I put the {k} {v}.|I left the {k} {v}.|You find the {k} {v}.|We keep the {k} {v}.|I hid the {k} {v}."
        "|The {k} lies {v}.|There's the {k}, {v}.|I keep the {k} {v}.|I've put the {k} {v}.|You'll find the {k} {v}.|The {k} has its place {v}.|I stored the {k} {v}.|The {k} was left {v}.|If you look for the {k}, it's {v}.|Look {v} for the {k}.",
        "Where is the {k}?|Where's the {k}?|Where did I put the {k}?|Where do I find the {k}?|Where did I leave the {k}?|Do you know where the {k} is?|Where do we keep the {k}?"
        "|Can you tell me where the {k} is?|Could you say where the {k} is?|I'd like to know where the {k} is.|Remind me where the {k} is.|Where can I find the {k}?|Where do I keep the {k}?|Where have I put the {k}?|I can't find the {k}, where is it?|Where did I hide the {k}?|Where should I look for the {k}?|Do you still know where the {k} is?|Any idea where the {k} is?|In what place is the {k}?",
        updates="The {k} is {v} now.|I moved the {k}, it is {v}.|The {k} is now {v}.|I put the {k} {v} instead."
        "|I've moved the {k}, look {v}.|The {k} isn't there any more, it's {v}.|You'll find the {k} {v} now.|The {k} was moved, it's {v}.|I keep the {k} {v} now.|The {k} has a new place: {v}.", keys=HIDDEN, owner=THE, made_up=True),
    _family("flight", "city", "{P} flight goes to {v}.",
        "{P} flight goes to {v}.|I am flying to {v}.|I fly to {v}.|I have booked a flight to {v}."
        "|I'm flying to {v}.|I've got a flight to {v}.|There's a plane to {v} that I'm taking.|My plane goes to {v}.|My flight is to {v}.|My ticket is for a flight to {v}.|I'll take the plane to {v}.|The flight I booked goes to {v}.|{v} is where my flight goes.|{v} is where I'm flying to.|By plane I go to {v}.",
        "Where does {p} flight go?|Where am I flying to?|Where do I fly?|Where does {p} flight go to?"
        "|Can you tell me where I'm flying to?|Do you still know where my flight goes?|I'd like to know where my flight goes.|Remind me where I'm flying to.|Where does my plane go?|To which city am I flying?|To where is my flight?|Which city do I fly to?|Where did I book a flight to?|What's my flight's destination?|Where will my plane land?|Tell me where my flight goes.|What did I say about where I fly?",
        updates="I am flying to {v} instead.|{P} flight goes to {v} now.|I now fly to {v}."
        "|My flight is to {v} now.|I changed my flight, it goes to {v}.|I rebooked my flight to {v}.|My plane goes to {v} now.|I don't fly there any more but to {v}.|My new flight goes to {v}."),
    _family("flight number", "booking", "{P} flight number is {v}.",
        "{P} flight number is {v}.|{P} flight is {v}.|I am on flight {v}.|I fly with {v}."
        "|{v} is {p} flight number.|{v} is {p} flight.|{P} flight has the number {v}.|The number of {p} flight is {v}.|I'm booked on flight {v}.|I'm on {v}, that's {p} flight.|I'm taking flight {v}.|It says flight {v} on {p} ticket.|The flight I'm on is {v}.",
        "What is {p} flight number?|Which flight am I on?|What's {p} flight number?|What flight do I take?"
        "|Can you tell me {p} flight number?|I need {p} flight number.|I'd like to know which flight I'm on.|Remind me of {p} flight number.|Which flight am I booked on?|What flight am I on?|What number does {p} flight have?|What's the number of {p} flight?|{P} flight number, please.|Which flight do I take?|Do you still know which flight I'm on?",
        updates="I am on flight {v} now.|{P} new flight number is {v}."
        "|{P} flight has a new number: {v}.|{P} flight is {v} now.|I was moved to flight {v}.|I'm booked on {v} instead.|They put me on flight {v}.|I now fly with {v}.", noun="{p} flight number"),
    _family("holiday", "city", "You are going on holiday to {v}.",
        "I am going on holiday to {v}.|We are going to {v} on holiday.|I spend my holiday in {v}.|My holiday is in {v}."
        "|{v} is where I go on holiday.|I've booked a holiday in {v}.|I'm off on holiday to {v}.|My holiday will be in {v}.|For my holiday I go to {v}.|This year's holiday is in {v}.|We spend the holidays in {v}.|On holiday I'll be in {v}.|I'm taking a holiday in {v}.|We've planned a holiday in {v}.",
        "Where am I going on holiday?|Where do I spend my holiday?|Where are we going on holiday?|Where will I be on holiday?"
        "|Can you tell me where I'm going on holiday?|Do you still know where I go on holiday?|I'd like to know where my holiday is.|Remind me where I'm going on holiday.|Where's my holiday?|Where is my holiday?|Where do I go on holiday?|Where did I book my holiday?|To which city do I go on holiday?|Where will we spend the holidays?|What did I say about where I go on holiday?"
        "|Tell me where I'm going on holiday.",
        updates="I am going on holiday to {v} instead.|We go to {v} on holiday now."
        "|My holiday is in {v} now.|I rebooked my holiday, it's in {v}.|We changed our plans and spend the holiday in {v}.|I'm no longer going there on holiday but to {v}.|I'll spend my holiday in {v} instead.|The new place for my holiday is {v}.|Our holiday has been moved to {v}.", line="The user is going on holiday to {v}."),
    _family("study", "subject", "You study {v}.",
        "I study {v}.|I am studying {v}.|My subject is {v}.|I'm a student of {v}."
        "|{v} is my subject.|{v} is what I study.|I'm studying {v} at university.|I'm doing a degree in {v}.|I've been studying {v} for two years.|I'm enrolled in {v}.|The subject I study is {v}.|I read {v} at university.|At university I do {v}.|I'm in my first year of {v}.",
        "What do I study?|What am I studying?|What is my subject?|Which subject do I study?"
        "|Can you tell me what I study?|Do you still know what I study?|I'd like to know what I am studying.|Remind me what I study.|What's my subject?|What subject do I study?|What do I do at university?|In what am I doing a degree?|What is my degree in?|What am I enrolled in?|Tell me what I study.|What did I say I study?|Which subject have I chosen at university?",
        updates="I study {v} now.|I now study {v}.|I changed my subject to {v}."
        "|I switched to {v} at university.|My subject is {v} now.|I'm studying {v} instead.|I've changed my degree to {v}.|I'm a student of {v} now.|I don't study that any more but {v}.", line="The user studies {v}."),
    _family("language", "language", "You are learning {v}.",
        "I am learning {v}.|I'm learning {v}.|I take lessons in {v}.|The language I learn is {v}."
        "|{v} is the language I'm learning.|I've started to learn {v}.|I'm taking a course in {v}.|I'm trying to learn {v}.|I've been learning {v} for a year.|I have lessons in {v}.|I learn {v} in the evenings.|My language course is in {v}.|I'm learning to speak {v}.|I practise speaking {v} every day.",
        "Which language am I learning?|What language am I learning?|What language do I learn?|Which language do I learn?"
        "|Can you tell me which language I'm learning?|Do you still know which language I learn?|I'd like to know what language I am learning.|Remind me which language I'm learning.|In which language do I take lessons?|What language is my course in?|Which language have I started to learn?|Which language do I practise?|What language am I trying to learn?|Tell me which language I am learning."
        "|The language I'm learning?|What did I say about the language I learn?",
        updates="I am learning {v} now.|I now learn {v}.|I stopped that and am learning {v}."
        "|I'm learning {v} instead.|I have switched to learning {v}.|The language I learn is {v} now.|My language course is in {v} now.|I don't learn that language any more but {v}.|I've started on a new language, {v}.", line="The user is learning {v}."),
    _family("hobby", "hobby", "{P} hobby is {v}.",
        "{P} hobby is {v}.|{P} favourite pastime is {v}.|{P} great passion is {v}."
        "|{v} is {p} hobby.|{P} hobby has been {v} for years.|In {p} free time there's a hobby: {v}.|{P} free time goes into {v}.|{P} weekends are for {v}.|{v} is {p} great passion.|{P} favourite thing to do is {v}.|{P} one hobby is {v}.|If you ask for {p} hobby, it's {v}.|{P} pastime is {v}.",
        "What is {p} hobby?|What's {p} hobby?|Do you know {p} hobby?"
        "|Can you tell me {p} hobby?|I'd like to know {p} hobby.|Remind me of {p} hobby.|What did I say about {p} hobby?|What is {p} favourite pastime?|What's {p} great passion?|Do you still know {p} hobby?|{P} hobby, please.|What are {p} weekends for?|What does {p} free time go into?|What did I say {p} hobby was?",
        updates="{P} new hobby is {v}.|{P} hobby is now {v}."
        "|{P} hobby has become {v}.|{P} free time goes into {v} now.|{P} weekends are for {v} now.|{P} old hobby is gone, it's {v} now.|These days {p} hobby is {v}.|{P} great passion is {v} now.", noun="{p} hobby", owner=ANY),
    _family("instrument", "instrument", "You play the {v}.",
        "I play the {v}.|I can play the {v}.|My instrument is the {v}.|I take lessons on the {v}."
        "|{v} is what I play, it's my instrument.|The instrument I play is the {v}.|I've been playing the {v} for years.|I'm learning to play the {v}.|I practise the {v} every day.|In the orchestra I play the {v}.|I make music on the {v}.|I know how to play the {v}.|I'm quite good on the {v}.|I've got a {v} and play it.",
        "Which instrument do I play?|What instrument do I play?|What do I play?|What is my instrument?"
        "|Can you tell me which instrument I play?|Do you still know which instrument I play?|I'd like to know what instrument I play.|Remind me which instrument I play.|What's my instrument?|Which instrument is mine?|On which instrument do I take lessons?|What instrument can I play?|On what do I make music?|Which instrument do I practise?|Tell me which instrument I play.|What did I say about my instrument?",
        updates="I play the {v} now.|I now play the {v}.|I gave that up and play the {v}."
        "|I play the {v} instead.|I switched to the {v}.|My instrument is the {v} now.|My new instrument is the {v}.|I've started to play the {v}.|I take lessons on the {v} now.", line="The user plays the {v}."),
    _family("size", "size", "{P} {k} size is {v}.",
        "{P} {k} size is {v}.|{P} size in {k}s is {v}.|I need {k}s in size {v}.|I wear {k} size {v}."
        "|{v} is {p} {k} size.|{P} {k}s are size {v}.|In {k}s I take a {v}.|{P} size for {k}s is {v}.|For a {k}, {p} size is {v}.|I take size {v} in {k}s.|I've got {k} size {v}.|I buy {p} {k}s in size {v}.|Get me a {k} in size {v}, that fits.|A {k} of size {v} fits me.",
        "What is {p} {k} size?|What's {p} {k} size?|Which {k} size do I wear?|What size are {p} {k}s?"
        "|Can you tell me {p} {k} size?|I need {p} {k} size.|I'd like to know {p} {k} size.|Remind me of {p} {k} size.|In what size do I buy {p} {k}s?|Which size in {k}s fits me?|What size {k} do I wear?|What size {k} do I need?|{P} {k} size, please.|Do you still know {p} {k} size?|What is {p} size in {k}s?",
        updates="{P} new {k} size is {v}."
        "|{P} {k}s are size {v} now.|I need {k}s in size {v} now.|{P} {k} size has become {v}.|I wear {k} size {v} now.|{P} {k} size isn't that any more but {v}.|I take size {v} in {k}s now.", noun="{p} {k} size", keys=SIZED),
    _family("blood", "blood", "{P} blood type is {v}.",
        "{P} blood type is {v}.|{P} blood group is {v}."
        "|{v} is {p} blood type.|{v} is {p} blood group.|{P} blood is type {v}.|{P} blood is of type {v}.|{P} blood is group {v}.|The lab says {p} blood is {v}.|{P} blood was tested, it's {v}.|The type of {p} blood is {v}.|In an emergency: {p} blood type is {v}.|They found {p} blood type to be {v}.|For {p} blood group, write {v}.",
        "What is {p} blood type?|What's {p} blood type?|What is {p} blood group?"
        "|Can you tell me {p} blood type?|I'd like to know {p} blood type.|Remind me of {p} blood group.|What's {p} blood group?|What type is {p} blood?|What type of blood is in {p} veins?|Which group is {p} blood?|{P} blood group?|{P} blood type, please.|Do you still know {p} blood type?|What did the lab say about {p} blood type?|What is the type of {p} blood?",
        updates="{P} blood type is really {v}.|{P} blood was tested again, it's {v}.|{P} blood group is in fact {v}.|The lab got it wrong, {p} blood type is {v}.|{P} blood type should be {v}.|{P} right blood group is {v}.",
        noun="{p} blood type", owner=ANY),
    _family("count", "count", "The number of your {k} is {v}.",
        "I have {v} {k}.|I own {v} {k}.|There are {v} {k} at home.|The number of my {k} is {v}."
        "|I've got {v} {k}.|There are {v} {k} that belong to me.|{v} is the number of my {k}.|I count {v} {k} of mine.|All in all I have {v} {k}.|My {k} are {v} in number.|{v} {k}, that's how many I have.|In total there are {v} {k} in my life.|I happen to have {v} {k}.|As for {k}, I have {v}.|Altogether I've got {v} {k}.",
        "How many {k} do I have?|How many {k} have I got?|What is the number of my {k}?|Do you know how many {k} I have?"
        "|Can you tell me how many {k} I have?|Do you still know how many {k} I have?|I'd like to know how many {k} I've got.|Remind me how many {k} I have.|What's the number of my {k}?|How many {k} are there of mine?|How many {k} are mine?|How many {k} did I say I have?|Tell me how many {k} I have.|The number of my {k}?|How many {k} belong to me?|How many {k} are there in my life?",
        updates="I have {v} {k} now.|I now have {v} {k}."
        "|There are {v} {k} now that belong to me.|The number of my {k} is now {v}.|I've got {v} {k} now.|I have more {k} now, {v} of them.|I have fewer {k} now, {v} of them.|It's {v} {k} now that I have.|My {k} have become {v}.|I no longer have that many {k} but {v}.", keys=COUNTED, line="The number of the user's {k} is {v}."),
    _family("breakfast", "food", "For breakfast you eat {v}.",
        "For breakfast I eat {v}.|I eat {v} for breakfast.|I have {v} for breakfast.|My breakfast is {v}."
        "|My usual breakfast is {v}.|In the morning I have {v} for breakfast.|I start the day with a breakfast of {v}.|{v} is my breakfast.|{v} is what I eat for breakfast.|I always have {v} for breakfast.|There's {v} for my breakfast every day.|My breakfast consists of {v}.|At breakfast I eat {v}.|For breakfast I take {v}.|I like to have {v} for breakfast.",
        "What do I eat for breakfast?|What do I have for breakfast?|What is my breakfast?|Which breakfast do I eat?"
        "|Can you tell me what I eat for breakfast?|Do you still know what I have for breakfast?|I'd like to know what my breakfast is.|Remind me what I eat for breakfast.|What's my breakfast?|What do I usually have for breakfast?|What's for breakfast at my place?|What do I eat at breakfast?|What does my breakfast consist of?|With what breakfast do I start the day?|Tell me what I eat for breakfast."
        "|My usual breakfast?|What did I say I have for breakfast?",
        updates="For breakfast I eat {v} now.|I now eat {v} for breakfast."
        "|My breakfast is {v} now.|My breakfast is now {v}.|I have {v} for breakfast now.|I've changed my breakfast to {v}.|These days I have {v} for breakfast.|For breakfast I now take {v} instead.|I no longer eat that for breakfast but {v}.", line="For breakfast the user eats {v}."),
    _family("lent", "person", "You lent your {k} to {v}.",
        "I lent my {k} to {v}.|I gave my {k} to {v} for a while.|My {k} is with {v}.|The one who has my {k} is {v}."
        "|{v} has borrowed my {k}.|{v} has my {k}.|I've lent {v} my {k}.|I let {v} have my {k}.|My {k} was lent to {v}.|{v} took my {k} for a while.|It's {v} who has my {k}.|At the moment {v} has my {k}.|I handed my {k} to {v}.|{v} asked for my {k} and got it.|You can get my {k} back from {v}.",
        "Who did I lend my {k} to?|Who has my {k}?|Who did I give my {k} to?|Where is my {k}?"
        "|Can you tell me who has my {k}?|Do you still know who I lent my {k} to?|I'd like to know who has my {k}.|Remind me who I lent my {k} to.|Who borrowed my {k}?|To whom did I lend my {k}?|Who's got my {k}?|With whom is my {k}?|Where's my {k}?|Who took my {k}?|From whom do I get my {k} back?|Tell me who has my {k}.|Who did I say has my {k}?",
        updates="I lent my {k} to {v} instead.|Now my {k} is with {v}."
        "|{v} has my {k} now.|My {k} has gone on to {v}.|My {k} went from there to {v}.|Now it's {v} who has my {k}.|I got my {k} back and lent it to {v}.|My {k} is now with {v}.|I have passed my {k} on to {v}.", keys=LENT, line="The user lent the user's {k} to {v}."),
    _family("project name", "title", "The {k} is called {v}.",
        "The {k} is called {v}.|The {k}'s name is {v}.|We call the {k} {v}.|The name of the {k} is {v}."
        "|{v} is the name of the {k}.|The {k} goes by the name of {v}.|The {k} is named {v}.|{v} is what we call the {k}.|We named the {k} {v}.|We gave the {k} the name {v}.|The {k} has the name {v}.|They call the {k} {v}.|The {k} got the name {v}.|We've decided to call the {k} {v}.",
        "What is the {k} called?|What's the {k} called?|What is the {k}'s name?|How do we call the {k}?"
        "|The {k}'s name?|Can you tell me what the {k} is called?|I'd like to know what the {k} is called.|Remind me what the {k} is called.|What do we call the {k}?|What name does the {k} have?|What did we name the {k}?|Do you still know what the {k} is called?|Which name did we give the {k}?|How is the {k} called?|What did I say the {k} is called?",
        updates="The {k} is called {v} now.|We renamed the {k} to {v}.|The {k} is now called {v}."
        "|The {k} has a new name: {v}.|The {k} was renamed to {v}.|We call the {k} {v} now.|The {k} goes by {v} these days.|We gave the {k} another name, {v}.|The new {k} is called {v}.", noun="the name of the {k}", keys="project product song novel plan game robot server printer ship film cafe".split(), owner=THE, made_up=True),
)  # fmt: skip
BY_NAME = {family.name: family for family in FAMILIES}


@dataclass(frozen=True, slots=True)
class Key:
    """What a fact is about: a family, whose it is ("" for the user's own or nobody's), and which."""

    family: str
    owner: str = ""
    word: str = ""


def fill_template(template: str, key: Key, value: str, voice: str) -> str:
    """Fill a template.

    Example: "{P} {k} is called {v}.", Key("pet", "brother", "dog"), "Rex", "answer"
        → "Your brother's dog is called Rex."
    """
    mine = VOICES[voice]
    possessive = f"{mine} {key.owner}'s" if key.owner else mine
    if BY_NAME[key.family].owner == THE:
        possessive = "the"
    who = f"{mine} {key.owner}" if key.owner else "me"
    return (
        template.replace("{p}", possessive)
        .replace("{P}", possessive[:1].upper() + possessive[1:])
        .replace("{w}", who)
        .replace("{W}", who[:1].upper() + who[1:])
        .replace("{k}", key.word)
        .replace("{v}", value)
    )


def draw_key(rng: random.Random, family: Family, *, ease: float = 0.0, made_up_word: str = "") -> Key:
    """Draw a key of a family; `made_up_word` stands for the word of an open one."""
    word = made_up_word if made_up_word and family.made_up else rng.choice(family.keys)
    owner = ""
    if family.owner == OTHER or (family.owner == ANY and rng.random() < 0.4 * (1 - 0.5 * ease)):
        owner = rng.choice(OWNERS)
    return Key(family.name, owner, word)


def say_answer(key: Key, value: str, voice: str = "answer") -> str:
    """Say a fact as the assistant answers it, or as a summary's line has it."""
    family = BY_NAME[key.family]
    template = family.line if voice == "line" and family.line else family.answer
    return fill_template(template, key, value, voice)


def split_answer(key: Key, voice: str = "answer") -> str:
    """The part of the answer before the value, without the blank. Example: "Your dog is called"."""
    return say_answer(key, "\0", voice).partition("\0")[0].rstrip()


def iterate_templates() -> Iterator[str]:
    """Every wording of every family, for the tokenizer."""
    for family in FAMILIES:
        yield family.answer
        yield family.line
        for trained, _ in family.wordings.values():
            yield from trained
