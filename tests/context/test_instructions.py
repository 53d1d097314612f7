"""A summary is asked for in the language of the conversation, in under 150 tokens."""

import pytest

from turnkeep.context.instructions import LANGUAGES, find_language, quote_limit, render_instruction
from turnkeep.context.sizes import estimate_tokens

TALK = {
    "english": "I have two dogs and they are called Rex and Bella, what should I feed them?",
    "german": "Ich habe zwei Hunde und sie heißen Rex und Bella, was soll ich ihnen geben?",
    "french": "J'ai deux chiens et ils s'appellent Rex et Bella, qu'est-ce que je dois leur donner ?",
    "spanish": "Tengo dos perros que se llaman Rex y Bella, ¿qué les doy de comer por la mañana?",
    "italian": "Ho due cani che si chiamano Rex e Bella, che cosa devo dare loro da mangiare?",
    "portuguese": "Tenho dois cães que se chamam Rex e Bella, o que é que eu lhes dou para comer?",
    "dutch": "Ik heb twee honden en ze heten Rex en Bella, wat moet ik ze te eten geven?",
    "russian": "У меня две собаки, их зовут Рекс и Белла, чем мне их кормить?",
    "chinese": "我有两只狗，它们叫Rex和Bella，我应该喂它们什么？",
    "japanese": "犬を二匹飼っています。レックスとベラといいます。何を食べさせたらいいですか？",
    "korean": "저는 개가 두 마리 있어요. 렉스와 벨라라고 해요. 무엇을 먹여야 할까요?",
    "arabic": "عندي كلبان اسمهما ركس وبيلا، ماذا أطعمهما في الصباح؟",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_request_takes_fewer_than_150_tokens(language):
    text = render_instruction("What should I feed them in the morning?", language)
    assert estimate_tokens(text) < 150
    assert "- " in text
    assert "feed them" in text
    assert "feed them" not in render_instruction(language=language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_language_is_found_in_what_the_user_says(language):
    assert find_language([TALK[language]]) == language


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["42"],
        ["Mam dwa psy i nazywają się Rex i Bella, czym mam je karmić rano?"],
        ["У мене дві собаки, їх звати Рекс і Белла, чим мені їх годувати?"],
        ["من دو سگ دارم، چه غذایی به آنها بدهم؟"],
        ["मेरे पास दो कुत्ते हैं"],
        ["def f(x): return x + 1"],
    ],
    ids=["nothing", "a figure", "Polish", "Ukrainian", "Persian", "Hindi", "code"],
)
def test_other_languages_are_asked_in_english(texts):
    assert find_language(texts) == "english"


def test_the_request_quotes_where_the_folded_part_ends():
    assert "up to but not including \"What is 'this'?\"" in render_instruction('What is "this"?')
    assert "up to" not in render_instruction()
    assert quote_limit("a b c d e f g h i j") == "a b c d e f g h"
    assert quote_limit("x" * 100) == "x" * 48
