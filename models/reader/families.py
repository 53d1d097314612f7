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
NOUN_SAYS = ("{N} is {v}.", "{N}: {v}.", "{N} is {v}, by the way.")
NOUN_ASKS = ("What is {n}?", "What's {n}?", "Tell me {n}.", "Do you know {n}?", "Do you remember {n}?", "What was {n} again?", "Can you tell me {n}?", "Please tell me {n}.")  # fmt: skip
NOUN_UPDATES = ("{N} is now {v}.", "{N} has changed to {v}.", "I changed {n} to {v}.", "{N} is {v} now.", "{N} has changed: it's {v}.", "Please change {n} to {v}.", "Change of plan: {n} is {v}.")  # fmt: skip


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
        "My name is {v}.|I am called {v}.|I'm {v}, by the way.|You can call me {v}.|People call me {v}.|Hello, I'm {v}.|Hi, my name is {v}.|Call me {v}.",
        "What is my name?|What's my name?|Do you know my name?|Who am I?|What am I called?|Do you remember my name?|Tell me my name.|Can you say my name?",
        updates="I changed my name to {v}.|My name is now {v}.|Call me {v} from now on.|My name is {v} now.", line="The user's name is {v}."),
    _family("pet", "pet", "{P} {k} is called {v}.",
        "{P} {k} is called {v}.|{P} {k}'s name is {v}.|{P} {k} is named {v}.|I call {p} {k} {v}.|We named {p} {k} {v}.|The name of {p} {k} is {v}.",
        "What is {p} {k} called?|What's {p} {k} called?|What is {p} {k}'s name?|How is {p} {k} called?|Do you remember what {p} {k} is called?|What do I call {p} {k}?",
        updates="{P} {k} is called {v} now.|{P} {k} is now called {v}.|I renamed {p} {k} to {v}.|We call {p} {k} {v} now.|I have a new {k}, it is called {v}.",
        noun="the name of {p} {k}", keys=PETS, owner=ANY),
    _family("person", "person", "{P} {k} is called {v}.",
        "{P} {k} is called {v}.|{P} {k}'s name is {v}.|{P} {k} is named {v}.|The name of {p} {k} is {v}.",
        "What is {p} {k} called?|What's {p} {k} called?|What is {p} {k}'s name?|How is {p} {k} called?|Who is {p} {k}?|Do you remember what {p} {k} is called?",
        updates="{P} {k} is called {v} now.|I have a new {k}, called {v}.|{P} {k} is now called {v}.", noun="the name of {p} {k}", keys=PEOPLE, owner=ANY),
    _family("place name", "title", "{P} {k} is called {v}.",
        "{P} {k} is called {v}.|{P} {k}'s name is {v}.|{P} {k} is named {v}.|The name of {p} {k} is {v}.",
        "What is {p} {k} called?|What's {p} {k} called?|What is {p} {k}'s name?|How is {p} {k} called?|Do you remember what {p} {k} is called?",
        updates="{P} {k} is called {v} now.|{P} {k} is now called {v}.|{P} {k} was renamed to {v}.", noun="the name of {p} {k}", keys=PLACES, owner=THE, made_up=True),
    _family("born", "year", "You were born in {v}.",
        "I was born in {v}.|I was born in the year {v}.|My birth year is {v}.|My year of birth is {v}.|I came into the world in {v}.",
        "What year was I born in?|When was I born?|In which year was I born?|What is my birth year?|What's my year of birth?|Which year was I born?",
        updates="I was really born in {v}.|My birth year is {v}, not what I said.", line="The user was born in {v}."),
    _family("born other", "year", "{W} was born in {v}.",
        "{W} was born in {v}.|{W} was born in the year {v}.|{P} birth year is {v}.|{P} year of birth is {v}.",
        "What year was {w} born in?|When was {w} born?|In which year was {w} born?|What is {p} birth year?|Which year was {w} born?",
        updates="{W} was really born in {v}.|{P} birth year is {v}, not what I said.", owner=OTHER),
    _family("age", "age", "{P} age is {v}.",
        "{P} age is {v}.|I am {v} years old.|I'm {v} years old.|I am {v}.|I have turned {v}.",
        "How old am I?|What is my age?|What's my age?|Do you know how old I am?|Tell me how old I am.|My age?",
        updates="I am {v} now.|I just turned {v}.|My age is now {v}.|I am {v} years old now."),
    _family("age other", "age", "{P} age is {v}.",
        "{P} age is {v}.|{W} is {v} years old.|{W} is {v}.|{W} has turned {v}.",
        "How old is {w}?|What is {p} age?|What's {p} age?|Do you know how old {w} is?|Tell me how old {w} is.",
        updates="{W} is {v} now.|{W} just turned {v}.|{P} age is now {v}.|{W} is {v} years old now.", owner=OTHER),
    _family("age pet", "age", "{P} {k}'s age is {v}.",
        "{P} {k}'s age is {v}.|{P} {k} is {v} years old.|{P} {k} has turned {v}.",
        "How old is {p} {k}?|What is {p} {k}'s age?|Do you know how old {p} {k} is?|Tell me how old {p} {k} is.",
        updates="{P} {k} is {v} now.|{P} {k} just turned {v}.|{P} {k}'s age is now {v}.", keys=PETS, owner=ANY),
    _family("home", "city", "You live in {v}.",
        "I live in {v}.|My home is in {v}.|I moved to {v}.|I am living in {v}.|Home for me is {v}.|I have a flat in {v}.|My city is {v}.",
        "Where do I live?|Which city do I live in?|What city do I live in?|Where is my home?|Do you know where I live?|Tell me where I live.|In which city do I live?|What is my city?",
        updates="I live in {v} now.|I have moved to {v}.|I moved to {v}.|I now live in {v}.|We moved, now I live in {v}.", line="The user lives in {v}."),
    _family("home other", "city", "{W} lives in {v}.",
        "{W} lives in {v}.|{P} home is in {v}.|{W} moved to {v}.|{W} has a flat in {v}.",
        "Where does {w} live?|Which city does {w} live in?|What city does {w} live in?|Where is {p} home?|Do you know where {w} lives?|Tell me where {w} lives.",
        updates="{W} lives in {v} now.|{W} has moved to {v}.|{W} moved to {v}.|{W} now lives in {v}.", owner=OTHER),
    _family("home couple", "city", "{P} {k} live in {v}.",
        "{P} {k} live in {v}.|{P} {k} have a house in {v}.|{P} {k} moved to {v}.|{P} {k} are living in {v}.",
        "Where do {p} {k} live?|Which city do {p} {k} live in?|What city do {p} {k} live in?|Do you know where {p} {k} live?|Tell me where {p} {k} live.",
        updates="{P} {k} live in {v} now.|{P} {k} have moved to {v}.|{P} {k} now live in {v}.", keys=COUPLES),
    _family("origin", "city", "You come from {v}.",
        "I come from {v}.|I am from {v}.|I grew up in {v}.|My hometown is {v}.|I'm from {v}.",
        "Where do I come from?|Where am I from?|Where did I grow up?|What is my hometown?|Which city do I come from?",
        updates="I really come from {v}.|My hometown is {v}, not what I said.", line="The user comes from {v}."),
    _family("job", "job", "You work as {v}.",
        "I work as {v}.|I am {v}.|I'm {v} by profession.|My job is to be {v}.|I earn my money as {v}.|I have a job as {v}.",
        "What do I work as?|What is my job?|What do I do for a living?|What's my profession?|What's my job?|Do you know my job?",
        updates="I work as {v} now.|I have a new job as {v}.|I changed jobs: I work as {v}.|I am {v} now.|I became {v}.", line="The user works as {v}."),
    _family("job other", "job", "{W} works as {v}.",
        "{W} works as {v}.|{W} is {v}.|{W} has a job as {v}.|{P} job is to be {v}.",
        "What does {w} work as?|What is {p} job?|What does {w} do for a living?|What's {p} profession?|Do you know {p} job?",
        updates="{W} works as {v} now.|{W} has a new job as {v}.|{W} became {v}.", owner=OTHER),
    _family("employer", "company", "You work at {v}.",
        "I work at {v}.|I work for {v}.|My employer is {v}.|I am employed at {v}.|I have a job at {v}.",
        "Where do I work?|Who do I work for?|What is my employer?|Which company do I work at?|Who is my employer?|Tell me where I work.",
        updates="I work at {v} now.|I changed jobs and work at {v}.|I now work at {v}.|My new employer is {v}.", line="The user works at {v}."),
    _family("employer other", "company", "{W} works at {v}.",
        "{W} works at {v}.|{W} works for {v}.|{P} employer is {v}.|{W} has a job at {v}.",
        "Where does {w} work?|Who does {w} work for?|What is {p} employer?|Which company does {w} work at?",
        updates="{W} works at {v} now.|{W} now works at {v}.|{P} new employer is {v}.", owner=OTHER),
    _family("car", "make", "You drive a {v}.",
        "I drive a {v}.|My car is a {v}.|I have a {v}.|I own a {v}.|The car I drive is a {v}.",
        "What car do I drive?|What do I drive?|Which car do I have?|What kind of car do I drive?|What is my car?",
        updates="I drive a {v} now.|I sold the car and drive a {v}.|I now drive a {v}.|My new car is a {v}.", line="The user drives a {v}."),
    _family("car other", "make", "{W} drives a {v}.",
        "{W} drives a {v}.|{P} car is a {v}.|{W} has a {v}.|{W} owns a {v}.",
        "What car does {w} drive?|What does {w} drive?|Which car does {w} have?|What kind of car does {w} drive?",
        updates="{W} drives a {v} now.|{W} now drives a {v}.|{P} new car is a {v}.", owner=OTHER),
    _family("colour", "colour", "The colour of {p} {k} is {v}.",
        "{P} {k} is {v}.|I painted {p} {k} {v}.|The color of {p} {k} is {v}.",
        "What colour is {p} {k}?|What color is {p} {k}?|Which colour does {p} {k} have?|What colour does {p} {k} have?|Do you remember what colour {p} {k} is?",
        updates="{P} {k} is {v} now.|I painted {p} {k} {v}.|{P} new {k} is {v}.", noun="the colour of {p} {k}", keys=COLOURED, owner=ANY, made_up=True),
    _family("allergy", "food", "You are allergic to {v}.",
        "I am allergic to {v}.|I'm allergic to {v}.|I have an allergy to {v}.|My allergy is to {v}.|I can't have {v}, I am allergic.|I get a rash from {v}.",
        "What am I allergic to?|Which allergy do I have?|Do I have an allergy?|What is my allergy?|Tell me what I am allergic to.",
        updates="It turns out that I am allergic to {v}.|I am now allergic to {v}.|The doctor says that I am allergic to {v}.", line="The user is allergic to {v}."),
    _family("allergy other", "food", "{W} is allergic to {v}.",
        "{W} is allergic to {v}.|{W} has an allergy to {v}.|{P} allergy is to {v}.",
        "What is {w} allergic to?|Which allergy does {w} have?|Does {w} have an allergy?|What is {p} allergy?",
        updates="It turns out that {w} is allergic to {v}.|{W} is now allergic to {v}.", owner=OTHER),
    _family("favourite", "favourite", "{P} favourite {k} is {v}.",
        "{P} favourite {k} is {v}.|{P} favorite {k} is {v}.|The {k} I like best is {v}.|Of all {k}s I like {v} the most.",
        "What is {p} favourite {k}?|What's {p} favourite {k}?|What is {p} favorite {k}?|Which {k} do I like best?|Which {k} is my favourite?",
        updates="{P} new favourite {k} is {v}.|Now the {k} I like best is {v}.", noun="{p} favourite {k}", keys=FAVOURITES, made_up=True),
    _family("favourite other", "favourite", "{P} favourite {k} is {v}.",
        "{P} favourite {k} is {v}.|{P} favorite {k} is {v}.|The {k} {w} likes best is {v}.",
        "What is {p} favourite {k}?|What's {p} favourite {k}?|What is {p} favorite {k}?|Which {k} does {w} like best?",
        updates="{P} new favourite {k} is {v}.|Now the {k} {w} likes best is {v}.", noun="{p} favourite {k}", keys=FAVOURITES, owner=OTHER),
    _family("password", "password", "The {k} password is {v}.",
        "The {k} password is {v}.|The password for the {k} is {v}.|The password of the {k} is {v}.|My {k} password is {v}.|To get into the {k}, use the password {v}.",
        "What is the {k} password?|What's the {k} password?|What is the password for the {k}?|What is my {k} password?|Which password does the {k} have?|Tell me the password of the {k}.",
        updates="The new {k} password is {v}.|The {k} password was changed to {v}.|I have a new {k} password: {v}.", noun="the {k} password", keys=LOCKED, owner=THE, made_up=True),
    _family("code", "code", "The {k} code is {v}.",
        "The {k} code is {v}.|The code for the {k} is {v}.|The code of the {k} is {v}.|The {k} opens with {v}.|You open the {k} with the code {v}.",
        "What is the {k} code?|What's the {k} code?|What is the code for the {k}?|Which code opens the {k}?|How do I open the {k}?|Tell me the code of the {k}.",
        updates="The new {k} code is {v}.|The {k} code was changed to {v}.|The {k} now opens with {v}.", noun="the {k} code", keys=CODED, owner=THE, made_up=True),
    _family("pin", "pin", "The PIN of {p} {k} is {v}.",
        "The PIN of {p} {k} is {v}.|{P} {k} PIN is {v}.|The PIN for {p} {k} is {v}.|{P} {k}'s PIN is {v}.",
        "What is the PIN of {p} {k}?|What is {p} {k} PIN?|What's the PIN for {p} {k}?|Which PIN does {p} {k} have?",
        updates="The new PIN of {p} {k} is {v}.|{P} {k} PIN is now {v}.", noun="the PIN of {p} {k}", keys="card phone bank card SIM card tablet safe account locker".split(), owner=ANY),
    _family("number", "code", "{P} {k} number is {v}.",
        "{P} {k} number is {v}.|The number of {p} {k} is {v}.|{P} {k} has the number {v}.|{P} {k} is number {v}.",
        "What is {p} {k} number?|What's {p} {k} number?|Which number is {p} {k}?|What number does {p} {k} have?|What is the number of {p} {k}?",
        updates="{P} new {k} number is {v}.|{P} {k} number was changed to {v}.", noun="{p} {k} number", keys=NUMBERED, owner=ANY, made_up=True),
    _family("room", "number", "{P} room number is {v}.",
        "{P} room is {v}.|I am in room {v}.|I have room {v}.|They gave me room {v}.|My room is number {v}.",
        "What is {p} room number?|Which room am I in?|What room do I have?|What's {p} room?|Which room is mine?",
        updates="I am in room {v} now.|They moved me to room {v}.|My new room is {v}."),
    _family("time", "time", "{P} {k} is at {v}.",
        "{P} {k} is at {v}.|{P} {k} starts at {v}.|{P} {k} begins at {v}.|I have {p} {k} at {v}.|At {v} there is {p} {k}.",
        "When is {p} {k}?|What time is {p} {k}?|At what time is {p} {k}?|When does {p} {k} start?|When does {p} {k} begin?|What time does {p} {k} start?",
        updates="{P} {k} is at {v} now.|{P} {k} was moved to {v}.|{P} {k} is now at {v}.|They moved {p} {k} to {v}.", noun="the time of {p} {k}", keys=TIMED, owner=ANY, made_up=True),
    _family("date", "date", "{P} {k} is on {v}.",
        "{P} {k} is on {v}.|I have {p} {k} on {v}.|{P} {k} takes place on {v}.|On {v} there is {p} {k}.|{P} {k} will be on {v}.",
        "On what day is {p} {k}?|What day is {p} {k}?|On which day is {p} {k}?|What date is {p} {k}?|On which date is {p} {k}?",
        updates="{P} {k} is on {v} now.|{P} {k} was moved to {v}.|{P} {k} is now on {v}.|They moved {p} {k} to {v}.", noun="the date of {p} {k}", keys=DATED, owner=ANY, made_up=True),
    _family("deadline", "date", "The deadline for the {k} is {v}.",
        "The deadline for the {k} is {v}.|The {k} is due on {v}.|The {k} must be done by {v}.|I have to hand in the {k} by {v}.|The {k} deadline is {v}.",
        "What is the deadline for the {k}?|When is the {k} due?|By when must the {k} be done?|When do I have to hand in the {k}?|What's the {k} deadline?",
        updates="The {k} is now due on {v}.|The deadline for the {k} was moved to {v}.|The new deadline for the {k} is {v}.", noun="the deadline for the {k}", keys=TASKS, owner=THE, made_up=True),
    _family("phone", "phone", "{P} phone number is {v}.",
        "{P} phone number is {v}.|{P} number is {v}.|{P} telephone number is {v}.|You reach {w} at {v}.|To call {w}, dial {v}.",
        "What is {p} phone number?|What's {p} phone number?|What is {p} number?|How can I reach {w}?|What is {p} telephone number?",
        updates="{P} new phone number is {v}.|{P} phone number was changed to {v}.", noun="{p} phone number", owner=OTHER),
    _family("own phone", "phone", "{P} phone number is {v}.",
        "{P} phone number is {v}.|{P} number is {v}.|{P} telephone number is {v}.|You can reach me at {v}.|Call me at {v}.",
        "What is {p} phone number?|What's {p} phone number?|What is {p} telephone number?|How can people reach me?",
        updates="{P} new phone number is {v}.|{P} phone number was changed to {v}.", noun="{p} phone number"),
    _family("address", "address", "{P} address is {v}.",
        "{P} address is {v}.|{P} home address is {v}.|{P} house is at {v}.|{P} flat is at {v}.",
        "What is {p} address?|What's {p} address?|What is {p} home address?|Which address is {p} house at?",
        updates="{P} new address is {v}.|{P} address was changed to {v}.", noun="{p} address", owner=ANY),
    _family("email", "email", "{P} email is {v}.",
        "{P} email is {v}.|{P} email address is {v}.|{P} mail address is {v}.",
        "What is {p} email?|What's {p} email?|What is {p} email address?|Which email address is {p}?",
        updates="{P} new email is {v}.|{P} email was changed to {v}.", noun="{p} email", owner=ANY),
    _family("budget", "money", "The budget for the {k} is {v}.",
        "The budget for the {k} is {v}.|The {k} budget is {v}.|We can spend {v} on the {k}.|For the {k} we have {v}.",
        "What is the budget for the {k}?|What is the {k} budget?|How much can we spend on the {k}?|How much do we have for the {k}?",
        updates="The new budget for the {k} is {v}.|The {k} budget was changed to {v}.|We can now spend {v} on the {k}.", noun="the budget for the {k}", keys=PAID, owner=THE, made_up=True),
    _family("price", "money", "The price of the {k} is {v}.",
        "The {k} costs {v}.|The price of the {k} is {v}.|The {k} was {v}.|I paid {v} for the {k}.",
        "What does the {k} cost?|How much is the {k}?|How much does the {k} cost?|What did I pay for the {k}?",
        updates="The {k} costs {v} now.|The {k} now costs {v}.|The new price of the {k} is {v}.", noun="the price of the {k}", keys=PRICED, owner=THE, made_up=True),
    _family("place", "place", "The {k} is {v}.",
        "The {k} is {v}.|I put the {k} {v}.|I left the {k} {v}.|You find the {k} {v}.|We keep the {k} {v}.|I hid the {k} {v}.",
        "Where is the {k}?|Where's the {k}?|Where did I put the {k}?|Where do I find the {k}?|Where did I leave the {k}?|Do you know where the {k} is?|Where do we keep the {k}?",
        updates="The {k} is {v} now.|I moved the {k}, it is {v}.|The {k} is now {v}.|I put the {k} {v} instead.", keys=HIDDEN, owner=THE, made_up=True),
    _family("flight", "city", "{P} flight goes to {v}.",
        "{P} flight goes to {v}.|I am flying to {v}.|I fly to {v}.|I have booked a flight to {v}.",
        "Where does {p} flight go?|Where am I flying to?|Where do I fly?|Where does {p} flight go to?",
        updates="I am flying to {v} instead.|{P} flight goes to {v} now.|I now fly to {v}."),
    _family("flight number", "booking", "{P} flight number is {v}.",
        "{P} flight number is {v}.|{P} flight is {v}.|I am on flight {v}.|I fly with {v}.",
        "What is {p} flight number?|Which flight am I on?|What's {p} flight number?|What flight do I take?",
        updates="I am on flight {v} now.|{P} new flight number is {v}.", noun="{p} flight number"),
    _family("holiday", "city", "You are going on holiday to {v}.",
        "I am going on holiday to {v}.|We are going to {v} on holiday.|I spend my holiday in {v}.|My holiday is in {v}.",
        "Where am I going on holiday?|Where do I spend my holiday?|Where are we going on holiday?|Where will I be on holiday?",
        updates="I am going on holiday to {v} instead.|We go to {v} on holiday now.", line="The user is going on holiday to {v}."),
    _family("study", "subject", "You study {v}.",
        "I study {v}.|I am studying {v}.|My subject is {v}.|I'm a student of {v}.",
        "What do I study?|What am I studying?|What is my subject?|Which subject do I study?",
        updates="I study {v} now.|I now study {v}.|I changed my subject to {v}.", line="The user studies {v}."),
    _family("language", "language", "You are learning {v}.",
        "I am learning {v}.|I'm learning {v}.|I take lessons in {v}.|The language I learn is {v}.",
        "Which language am I learning?|What language am I learning?|What language do I learn?|Which language do I learn?",
        updates="I am learning {v} now.|I now learn {v}.|I stopped that and am learning {v}.", line="The user is learning {v}."),
    _family("hobby", "hobby", "{P} hobby is {v}.",
        "{P} hobby is {v}.|{P} favourite pastime is {v}.|{P} great passion is {v}.",
        "What is {p} hobby?|What's {p} hobby?|Which hobby is {p}?|Do you know {p} hobby?",
        updates="{P} new hobby is {v}.|{P} hobby is now {v}.", noun="{p} hobby", owner=ANY),
    _family("instrument", "instrument", "You play the {v}.",
        "I play the {v}.|I can play the {v}.|My instrument is the {v}.|I take lessons on the {v}.",
        "Which instrument do I play?|What instrument do I play?|What do I play?|What is my instrument?",
        updates="I play the {v} now.|I now play the {v}.|I gave that up and play the {v}.", line="The user plays the {v}."),
    _family("size", "size", "{P} {k} size is {v}.",
        "{P} {k} size is {v}.|{P} size in {k}s is {v}.|I need {k}s in size {v}.|I wear {k} size {v}.",
        "What is {p} {k} size?|What's {p} {k} size?|Which {k} size do I wear?|What size are {p} {k}s?",
        updates="{P} new {k} size is {v}.", noun="{p} {k} size", keys=SIZED),
    _family("blood", "blood", "{P} blood type is {v}.",
        "{P} blood type is {v}.|{P} blood group is {v}.",
        "What is {p} blood type?|What's {p} blood type?|Which blood type is {p}?|What is {p} blood group?", noun="{p} blood type", owner=ANY),
    _family("count", "count", "The number of your {k} is {v}.",
        "I have {v} {k}.|I own {v} {k}.|There are {v} {k} at home.|The number of my {k} is {v}.",
        "How many {k} do I have?|How many {k} have I got?|What is the number of my {k}?|Do you know how many {k} I have?",
        updates="I have {v} {k} now.|I now have {v} {k}.", keys=COUNTED, line="The number of the user's {k} is {v}."),
    _family("breakfast", "food", "For breakfast you eat {v}.",
        "For breakfast I eat {v}.|I eat {v} for breakfast.|I have {v} for breakfast.|My breakfast is {v}.",
        "What do I eat for breakfast?|What do I have for breakfast?|What is my breakfast?|Which breakfast do I eat?",
        updates="For breakfast I eat {v} now.|I now eat {v} for breakfast.", line="For breakfast the user eats {v}."),
    _family("lent", "person", "You lent your {k} to {v}.",
        "I lent my {k} to {v}.|I gave my {k} to {v} for a while.|My {k} is with {v}.|The one who has my {k} is {v}.",
        "Who did I lend my {k} to?|Who has my {k}?|Who did I give my {k} to?|Where is my {k}?",
        updates="I lent my {k} to {v} instead.|Now my {k} is with {v}.", keys=LENT, line="The user lent the user's {k} to {v}."),
    _family("project name", "title", "The {k} is called {v}.",
        "The {k} is called {v}.|The {k}'s name is {v}.|We call the {k} {v}.|The name of the {k} is {v}.",
        "What is the {k} called?|What's the {k} called?|What is the {k}'s name?|How do we call the {k}?",
        updates="The {k} is called {v} now.|We renamed the {k} to {v}.|The {k} is now called {v}.", noun="the name of the {k}", keys="project product song novel plan game robot server printer ship film cafe".split(), owner=THE, made_up=True),
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


def split_answer(key: Key) -> str:
    """The part of the answer before the value, without the blank. Example: "Your dog is called"."""
    return say_answer(key, "\0").partition("\0")[0].rstrip()


def iterate_templates() -> Iterator[str]:
    """Every wording of every family, for the tokenizer."""
    for family in FAMILIES:
        yield family.answer
        yield family.line
        for trained, _ in family.wordings.values():
            yield from trained
