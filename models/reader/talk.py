"""What is said between facts: remarks, small talk, questions about the world, things to repeat.

Remarks are put together from parts, so that eighty turns of them need not repeat themselves, and
that the model learns to look past them. To questions about the world there is one answer.
"""

import random
from collections.abc import Iterator

from .values import (
    CITIES,
    COLOURS,
    COMMON,
    FOODS,
    HOBBIES,
    JOBS,
    NAMES,
    NOUNS,
    THINGS,
    WEEKDAYS,
    load_pieces,
    make_word,
)

NOTED = "Got it."  # after a fact
HEARD = "I see."  # after a remark
WORLD = "I only know what you tell me."

_REMARKS = """It is {weather} here today.|It was {weather} {when}.|I had {food} {when}.|The {vehicle} was late again.|I am a bit {mood}.|I feel {mood} today.|The {thing} looks {nice}.
I watched a {film} {when}.|The {drink} was too {hot}.|It is {quiet} outside.|I went for a {short} walk.|The neighbours are {noisy}.|I like this time of the year.|Work was {slow} this morning.
The {thing} is broken again.|I cleaned the {thing} {when}.|We {did} {when}.|I read a {nice} book about {topic}.|The {animal} next door is {noisy}.|There was a {nice} film about {topic}.
I slept {well} last night.|My feet are {mood}.|The queue at the {shop} was {long}.|I bought some {food} at the {shop}.|The {shop} was closed {when}.|The music in the {shop} was {noisy}.
I dropped a {thing2} on the floor.|Somebody talked about {topic} {when}.|People say that {topic} is {nice}.|I would like to try {hobby} one day.|I might go to {city} one day.|{city} must be {nice}.
The {vehicle} was {noisy} today.|I saw a {colour} {vehicle} {when}.|A {colour} {animal} sat on the fence.|The sky was {colour} {when}.|The garden looks {nice}.|The train was late again.
I was at the {shop} {when}.|The {food} {when} was {nice}.|I can't find my {thing2} today.|The lights went out {when}.|I forgot to buy {food}.|I think {topic} is {nice}.
Everybody at work is {mood}.|The weekend was too short.|Next week will be {slow}.|The {weekday} was {slow}.|I am waiting for the {vehicle}.|I have been thinking about {topic}.
The soup was {hot}.|I met an old friend {when}.|A letter came {when}.|The phone rang all day.|The children next door are {noisy}.|I could not sleep {when}.|The {drink} is {nice}.
We talked about {topic} for an hour.|It took {long} hours to get home.|I had {long} meetings today.|There were {long} people at the {shop}.|The {weather} days are my favourite ones.|My back hurts a bit.
I don't like {food} much.|I should drink more {drink}.|I tried {food} {when}.|The {thing} makes a strange noise.|I need a new {thing2}.|I sat in the sun for a while.|The stairs were {slow} to climb.
A {job} came by {when}.|I listened to some {topic} {when}.|The news was {nice} {when}.|Time flies.|What a day.|Nothing much happened.|It's getting dark already.|The leaves are falling.
I am going to bed soon.|I have to go to the {shop} later.|Let me think for a moment.|I am just looking out of the window.|The traffic was {noisy} {when}.|I just made some {drink}.""".replace("\n", "|").split("|")  # fmt: skip
_PARTS: dict[str, list[str]] = {
    "weather": "raining,snowing,sunny,cloudy,windy,cold,warm,foggy,very hot,grey,stormy,lovely".split(","),
    "when": "today,yesterday,last night,this morning,this afternoon,last week,on Sunday,at noon,after work,again,for once".split(
        ","
    ),
    "vehicle": "bus,train,tram,taxi,car,truck,bicycle,ferry,plane".split(","),
    "mood": "tired,happy,sad,bored,hungry,cold,busy,sleepy,better,fine,nervous,calm".split(","),
    "thing": "kitchen,window,lamp,printer,oven,heating,roof,lift,fence,fridge,clock,hallway,balcony,street,park,bathroom".split(
        ","
    ),
    "thing2": "glass,cup,plate,pen,book,key ring,spoon,jar,box,hat,scarf,chair".split(","),
    "nice": "nice,lovely,strange,boring,great,terrible,funny,wonderful,interesting,quite good,not bad".split(
        ","
    ),
    "film": "film,show,match,play,documentary,series,comedy".split(","),
    "drink": "coffee,tea,water,juice,milk,beer,wine,cocoa".split(","),
    "hot": "hot,cold,strong,weak,sweet,salty".split(","),
    "quiet": "quiet,loud,dark,bright,cold,wet,calm".split(","),
    "short": "short,long,quick,slow,nice".split(","),
    "noisy": "noisy,quiet,loud,friendly,angry,funny".split(","),
    "slow": "slow,busy,quiet,hard,easy,fun,long".split(","),
    "did": "played cards,went out,stayed at home,had guests,danced,cooked together,cleaned up,looked at old photos,sang".split(
        ","
    ),
    "animal": "cat,dog,bird,squirrel,fox,mouse".split(","),
    "well": "well,badly,too long,a little,like a stone".split(","),
    "shop": "shop,market,bakery,bank,post office,library,pharmacy,cinema,museum,station".split(","),
    "long": "two,three,four,five,six,ten,a hundred,long,short".split(","),
}
_CHAT: tuple[tuple[str, str], ...] = (
    ("Hello!|Hi!|Hello|Hi|Hey!|Hi there!|Good morning!|Good evening!|Good afternoon!", "Hello! What is on your mind?"),
    ("How are you?|How are you today?|How do you do?|How is it going?|Are you well?", "I am fine, thank you."),
    ("Thanks!|Thank you!|Thank you very much.|Thanks a lot.|Many thanks!|Great, thanks.", "You are welcome."),
    ("Bye!|Goodbye!|Good night!|See you!|See you later.|I have to go now.|Talk to you tomorrow.", "Goodbye!"),
    ("Who are you?|What are you?|Are you a robot?|Are you human?|What is your name?|Do you have a name?", "I am a small model that reads what you tell me."),
    ("What can you do?|How can you help me?|What are you good for?|Can you help me?", "Tell me something, and ask me about it later."),
    ("Okay.|OK.|Alright.|Fine.|Good.|Great!|Nice.|Cool.|Yes.|No.|Sure.|I see.|Right.|Hm.|Really?|Well done.|Perfect.", "Okay."),
    ("Tell me a joke.|Do you know a joke?|Make me laugh.|Tell me a story.|Sing a song.|Write a poem.", "I can't do that. I only know what you tell me."),
    ("Are you there?|Hello?|Can you hear me?|Do you understand me?|Test.|Testing.", "Yes, I am here."),
)  # fmt: skip
_WORLD = """What is the capital of {city}?|How far is it to {city}?|Who wrote the book about {topic}?|What is {number} plus {number}?|What is {number} times {number}?|Why is the sky {colour}?
How do I cook {food}?|What is the weather in {city}?|Who won the match on {weekday}?|What does a {job} earn?|How old is the world?|What is the meaning of {topic}?|Who invented the {thing}?
When was {city} founded?|How many people live in {city}?|Who is the president of {city}?|Is {topic} good for me?|What is {topic}?|Explain {topic} to me.|How does {topic} work?|What should I cook today?
What is the best {thing}?|How do I repair a {thing}?|Where can I buy {food}?|What time is it?|What day is it today?|Will it rain on {weekday}?|Do you like {topic}?|Can you recommend a book about {topic}?
How tall is the tower in {city}?|What language do they speak in {city}?|How do you say {topic} in French?|Tell me about {topic}.|Write a program that sorts {topic}.|What is the news?""".replace("\n", "|").split("|")  # fmt: skip
_REPEAT = (
    "Repeat after me: {}",
    "Say this: {}",
    "Please repeat: {}",
    "Repeat: {}",
    "Say after me: {}",
    "Echo this: {}",
)
_WORDS = sorted(
    {
        word.strip(".,!?'")
        for text in (*_REMARKS, *map(" ".join, _PARTS.values()))
        for word in text.split()
        if "{" not in word
    }
    | set(COMMON)
)
WRAPS = ("By the way, ", "Just so you know, ", "Oh, and ", "Note that ", "You should know that ", "Also, ", "And ", "Listen, ", "Well, ", "For your notes: ", "Remember: ", "Please remember that ", "Remember that ", "Please note: ", "Let me tell you something: ", "One more thing: ", "For the record, ", "In case it matters, ", "Something else: ", "FYI, ", "Keep in mind that ", "Here is something: ", "So, ", "Oh, ", "Hey, ", "Don't forget: ", "While I think of it: ")  # fmt: skip
ASK_WRAPS = ("By the way, ", "Tell me, ", "Quick question: ", "So, ", "And ", "Remind me: ", "One question: ", "Hey, ", "Please, ", "Say, ", "Now, ", "Sorry, ", "I forgot: ", "OK, ", "Well, ", "Another question: ", "Oh, ", "A question: ", "Wait, ", "Hi, ", "Also, ", "Next question: ", "Something else: ", "Excuse me, ", "Right, ")  # fmt: skip
UPDATE_WRAPS = ("Actually, ", "Correction: ", "No, ", "Sorry, ", "I was wrong: ", "Wait, ", "I made a mistake: ", "Update: ", "From now on, ", "Since today, ", "News: ", "Oh, I meant ", "It has changed: ", "Small change: ", "Things have changed: ", "To correct myself, ", "Oh wait, ", "Hold on, ", "As of today, ", "New information: ", "I just heard: ", "Attention, ", "Forget what I said: ", "Not quite: ", "That was wrong: ")  # fmt: skip
HELD_WRAPS = ("Before I forget, ", "You might like to know that ", "Fun fact: ", "Incidentally, ")
HELD_ASK_WRAPS = ("I wonder, ", "Could you help me: ", "Let me check: ", "Hmm, ")
HELD_UPDATE_WRAPS = ("Scrap that, ", "My mistake, ", "On second thought, ")
PERSONAS = ("You are a helpful assistant.", "You are a friendly assistant.", "Be brief.", "Answer in one sentence.", "You are a helpful assistant. Answer briefly.", "You are an assistant who remembers what the user says.", "Be kind and short.", "You help with everyday questions.")  # fmt: skip


def _fill(rng: random.Random, template: str) -> str:
    while "{" in template:
        before, _, rest = template.partition("{")
        name, _, after = rest.partition("}")
        template = f"{before}{_draw_part(rng, name)}{after}"
    return template[:1].upper() + template[1:]


def _draw_part(rng: random.Random, name: str) -> str:
    if name in _PARTS:
        return rng.choice(_PARTS[name])
    if name == "number":
        return str(rng.randint(1, 99))
    if name == "city" and rng.random() < 0.5:
        return make_word(rng).capitalize()
    if name in ("topic", "food") and rng.random() < 0.4:
        return make_word(rng)
    lists = {
        "city": CITIES,
        "colour": COLOURS,
        "food": FOODS,
        "hobby": HOBBIES,
        "job": JOBS,
        "weekday": WEEKDAYS,
    }
    return rng.choice(lists.get(name, THINGS + HOBBIES + NOUNS))


def draw_remark(rng: random.Random) -> str:
    """Make one or two remarks that state nothing worth keeping."""
    remark = _fill(rng, rng.choice(_REMARKS))
    draw = rng.random()
    if draw < 0.35:
        return f"{remark} {_fill(rng, rng.choice(_REMARKS))}"
    return f"{rng.choice(NAMES)} said: {remark}" if draw > 0.97 else remark


def draw_chat(rng: random.Random) -> tuple[str, str]:
    """Draw a line of small talk and its reply."""
    said, reply = rng.choice(_CHAT)
    return rng.choice(said.split("|")), reply


def draw_world(rng: random.Random) -> tuple[str, str]:
    """Draw a question about the world and the one answer to all of them."""
    return _fill(rng, rng.choice(_WORLD)), WORLD


def draw_repeat(rng: random.Random) -> tuple[str, str]:
    """Draw something to be repeated: a remark, or any words."""
    text = draw_remark(rng)
    if rng.random() < 0.7:
        text = " ".join(
            rng.choice((make_word(rng), rng.choice(_WORDS), rng.choice(load_pieces() or _WORDS)))
            for _ in range(rng.randint(1, 5))
        )
    return rng.choice(_REPEAT).format(text), text


def iterate_texts() -> Iterator[str]:
    """Every text that is said as it is, for the tokenizer."""
    yield from (
        *_REMARKS,
        *_WORLD,
        *_REPEAT,
        *WRAPS,
        *ASK_WRAPS,
        *UPDATE_WRAPS,
        *PERSONAS,
        NOTED,
        HEARD,
        WORLD,
    )
    for parts in _PARTS.values():
        yield " ".join(parts)
    for said, reply in _CHAT:
        yield from (said.replace("|", " "), reply)
