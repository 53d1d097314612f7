"""A text is found by what it is about, in whatever language and form; nothing that is pasted makes it wait."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.context.stopwords import LATIN
from turnkeep.context.words import (
    LONGEST_TERM,
    MOST_CHARACTERS,
    guess_language,
    index_terms,
    is_chatter,
    split_terms,
    term_key,
)

MAY_8 = 1683540000.0  # 2023-05-08, noon


def terms(text):
    return list(split_terms(text))


def shared(one, other):
    return set(terms(one)) & set(terms(other))


# -- plain words ------------------------------------------------------------------------------------
def test_function_words_are_left_out():
    assert terms("Where was it that you and I were?") == []


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("She studies biology.", "studying"),
        ("My dogs bark.", "DOG"),
        ("I crashed it.", "the crash"),
        ("Je mange des pommes et du fromage.", "pomme"),
        ("Los gatos de mi casa son negros.", "gato"),
        ("Моя сестра изучает биологию.", "изучать"),
        ("Зелёный чай", "зеленый"),
        ("Ήπια καφέδες", "καφές"),
        ("कुत्तों", "कुत्ता"),
        ("المدرسة", "مدرسة"),
        ("Ich habe mit dir die Küchen und die Äpfel gesehen.", "Welche Farbe hat die Küche von mir?"),
    ],
)
def test_another_form_of_a_word_finds_it(said, asked):
    assert shared(said, asked)


@pytest.mark.parametrize("typed", ["cafe", "CAFÉ", "cafe\u0301", "cafés", "ｃａｆｅ"])
def test_marks_case_and_width_make_no_difference(typed):
    assert terms(typed) == terms("café")


def test_a_repeated_word_counts_each_time():
    assert terms("tea, tea and more tea") == ["tea", "tea", "tea"]


@pytest.mark.parametrize(
    ("said", "language", "words"),
    [
        (
            "Ich habe die Küche und das Mädchen mit den Äpfeln gemalt.",
            "german",
            "Küche Mädchen Äpfeln gemalt",
        ),
        ("Elle est au café avec les élèves et la leçon.", "french", "café cafe élèves leçon"),
        ("Mis años en la canción de las españolas.", "spanish", "años canción españolas anos"),
        ("O coração dos meus irmãos não é para você.", "portuguese", "coração coracao irmãos"),
        ("La città che ho nel caffè della libertà.", "italian", "città caffè libertà caffe"),
    ],
)
def test_a_word_of_another_language_is_found_by_a_query_of_one_word(said, language, words):
    assert guess_language(said) == language
    assert all(shared(said, word) for word in words.split())


def test_words_with_equal_stems_in_two_languages_are_counted_once():
    assert terms("der Mond und die Tat").count("mond") == 1


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "english"),
        ("Lisbon", "english"),
        ("What is the name of my dog?", "english"),
        ("Was ist der Name von meinem Hund?", "german"),
        ("Quel est le nom de mon chien ?", "french"),
        ("¿Cuál es el nombre de mi perro?", "spanish"),
        ("Qual è il nome del mio cane che ho con me?", "italian"),
        ("Qual é o nome do meu cachorro que você tem?", "portuguese"),
        ("Wat is de naam van mijn hond en het huis?", "dutch"),
        ("如何", "english"),
    ],
)
def test_function_words_tell_the_language(text, language):
    assert guess_language(text) == language
    assert language in LATIN


# -- scripts without spaces -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("我妹妹在里斯本学习海洋生物学。", "海洋"),
        ("我喜欢茶。", "茶"),
        ("私は寿司を食べます", "食べた"),
        ("ピーナッツのアレルギー", "アレルギー"),
        ("ﾋﾟｰﾅｯﾂ", "ピーナッツ"),
        ("여동생은 리스본에서 공부해요", "여동생이"),
        ("แมวของฉันชื่อส้ม", "แมว"),
        ("iPhoneを買った", "iphone"),
        ("MacBookが好き", "macbook"),
        ("第3章を読む", "3"),
    ],
)
def test_a_part_of_a_run_without_spaces_is_found(said, asked):
    assert shared(said, asked)


@pytest.mark.parametrize("word", ["茶", "ア", "ネコ", "개", "친구", "แมว", "แม", "ひ"])
def test_a_short_word_without_spaces_counts_once(word):
    assert terms(word) == [word]


def test_a_longer_run_stands_for_its_parts_and_a_foreign_word_for_itself_too():
    assert terms("海洋") == ["海", "洋", "海洋"]
    assert terms("강아지") == ["강아지", "강아", "아지"]
    assert terms("シナモン") == ["シナモン", "シナ", "ナモ", "モン"]
    assert terms("ひまわりの") == ["ひま", "まわ", "わり", "りの"]


def test_the_last_character_of_a_stem_is_paired_with_what_follows():
    assert "食べ" in terms("食べた")
    assert "べ物" in terms("食べ物")
    assert not any("が" in term for term in terms("ネコが"))


def test_characters_that_only_join_others_are_left_out():
    assert terms("的") == terms("は") == terms("のは") == []


def test_letters_around_a_run_are_words_of_their_own():
    assert set(terms("tea茶cup")) >= {"tea", "茶", "cup"}


# -- code, numbers and names ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("call parseJson()", "json"),
        ("call parseJson()", "parsejson"),
        ("an HTTPServer", "server"),
        ("set MAX_TOKENS=5", "max_tokens"),
        ("set MAX_TOKENS=5", "tokens"),
        ("in src/turnkeep/words.py", "words.py line 3"),
        ("see https://example.org/tea", "example"),
        ("write to ana@example.org", "ana@example.org"),
        ("the C++11 flag", "c++11"),
        ("__init__", "__init__"),
        ("version 3.11.2", "3.11.2"),
        ("at 10.0.0.1", "10.0.0.1"),
        ("it cost 2,500 euros", "2500"),
        ("it cost 1,234,567", "1234567"),
        ("on the 17th", "17"),
        ("it is 5km away", "5"),
        ("ticket ABC-1234", "abc-1234"),
        ("O'Brien called", "brien"),
        ("l'hôtel", "hotel"),
    ],
)
def test_identifiers_and_numbers_are_found_whole_and_in_part(said, asked):
    assert shared(said, asked)


def test_a_decimal_is_not_a_thousand():
    assert "2.5" in terms("2.5 litres")
    assert "25" not in terms("2.5 litres")


def test_an_apostrophe_makes_no_compound():
    assert terms("it's Ana's") == ["ana"]


def test_a_short_name_in_mixed_case_is_not_torn():
    assert terms("pH") == ["ph"]


def test_what_is_too_long_to_be_a_word_is_no_term():
    long = "x" * (LONGEST_TERM + 1)
    assert terms(f"{long} a{long}.py tea") == ["py", "tea"]
    assert terms(long[1:]) == [long[1:]]
    assert f"{long[4:]}.py" in terms(f"{long[4:]}.py")


# -- limits -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("unit", ["a", "1", "_", "漢", "1,", "a.", "a_", "aB", "'", "ﷺ", "แ", "é", "\u0301"])
def test_a_pasted_file_is_read_in_less_than_a_second(unit):
    begun = time.process_time()
    assert all(len(term) <= LONGEST_TERM for term in split_terms(unit * 100_000))
    assert time.process_time() - begun < 1  # one word of 20,000 letters took 17 seconds


def test_the_end_of_a_very_long_text_is_not_indexed():
    assert terms("tea " + " " * MOST_CHARACTERS + "milk") == ["tea"]


@given(st.text(st.characters(exclude_categories=()), max_size=200), st.floats(allow_nan=True))
def test_any_text_said_at_any_time_has_terms_that_an_index_can_hold(text, said):
    for term, count in index_terms(text, said).items():
        assert 0 < len(term) <= LONGEST_TERM
        assert count > 0
        assert -(2**31) <= term_key(term) < 2**31
        assert is_chatter(term) in (True, False)


@given(
    st.lists(
        st.sampled_from(["tea", "Dogs", "茶", "いぬ", "привет", "parseJson", "2,500", "the"]), max_size=8
    )
)
def test_words_are_found_wherever_they_stand_among_others(words):
    assert set(terms(" ".join(words))) == {term for word in words for term in terms(word)}


def test_the_day_and_the_month_of_what_was_said_are_terms_of_it():
    assert index_terms("tea and tea", MAY_8) == {"tea": 2, "@2023-05-08": 1, "@2023-05": 1}


def test_what_says_nothing_has_no_day_either():
    assert not index_terms("And so on: ... 🎲", MAY_8)


def test_the_numbers_of_terms_stay_what_they_are_in_databases():
    assert [term_key(term) for term in ("tea", "茶", "@2023-05")] == [-1857957287, 1509860128, 368131352]


# -- small talk -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "Hello!", "Thanks, that helped a lot.", "I thought so.", "Never mind.", "Fair enough.", "Go ahead.",
        "Could be worse.", "Let's talk about something else.", "I knew it!", "That was perfect.", "Got it.",
        "Danke!", "Merci, c'est bien.", "Gracias.", "Grazie!", "Obrigado!", "Bedankt!", "Спасибо!", "شكرا",
        "谢谢", "你好", "ありがとう", "감사합니다", "ขอบคุณ",
    ],
)  # fmt: skip
def test_courtesies_and_remarks_are_chatter(text):
    assert all(is_chatter(term) for term in terms(text))


@pytest.mark.parametrize(
    "text",
    [
        "Biscuit", "dog", "Friday", "42", "allergic", "job", "Lisbon", "according", "password", "茶", "いぬ",
        "CIA", "Graz", "Ben", "Val", "SIM", "Clara", "собака", "قطة", "강아지", "แมว", "Hund", "chien", "perro", "cane", "cachorro", "parse_json",
    ],
)  # fmt: skip
def test_things_days_and_numbers_are_not_chatter(text):
    assert any(not is_chatter(term) for term in terms(text))
