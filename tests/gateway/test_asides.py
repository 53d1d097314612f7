"""Side requests of chat pages, told from what a person says."""

import pytest

from turnkeep.conversation.items import assistant, user
from turnkeep.gateway.asides import LONGEST_OPENING, RULES, find_aside

HISTORY = [user("Where is Ghent?"), assistant("In Flanders.")]


def aside(text: str, *, system: str | None = None, headers: dict[str, str] | None = None) -> str | None:
    return find_aside(headers or {}, None, system, [*HISTORY, user(text)])


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("Open WebUI", "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history."),
        ("Open WebUI", "### Task:\nGenerate 1-3 broad tags categorizing the main themes of the chat history"),
        ("Open WebUI", "### Task:\nSuggest 3-5 relevant follow-up questions or prompts that the user might"),
        ("Open WebUI", "### Task:\nYou are an autocompletion system. Continue the text in `<text>`"),
        ("Open WebUI", "Your task is to reflect the speaker's likely facial expression through a fitting emoji."),
        ("LibreChat", "Provide a concise, 5-word-or-less title for the conversation, using title case"),
        ("NextChat", "Please generate a four to five word title summarizing our conversation without any lead-in"),
        ("Zed", "Generate a concise 3-7 word title for this conversation, omitting punctuation. Go straight"),
        ("llama.cpp web page", "Based on the following interaction, generate a short, concise title (maximum 6-8"),
        (
            "Open WebUI before 0.4, Page Assist",
            "Here is the query:\n\n---\n\nhi\n\n---\n\nCreate a concise, 3-5 word phrase as a title for the previous query.",
        ),
    ],
)  # fmt: skip
def test_a_side_request_is_known_by_how_it_begins(client, text):
    assert aside(text) == client


@pytest.mark.parametrize(
    "text",
    [
        "What is a good title for my book?",
        "### Task:\nRespond to the user query using the provided context, incorporating inline citations",
        "### Task:\nWrite me a poem.",
        "Why does my client send '### Task: Generate a concise, 3-5 word title'?",
        "Here is the query: SELECT 1. What does it do?",
        "",
    ],
)
def test_what_a_person_says_is_no_side_request(text):
    assert aside(text) is None


def test_a_page_may_say_it_in_the_system_message():
    assert aside("hi", system="You are a chat thread titling assistant.\nGoal: ...") == "Hugging Face chat-ui"
    assert aside("hi", system="You are kind. You are a chat thread titling assistant.") is None


def test_open_webui_may_name_the_task_beside_the_messages():
    assert aside("hi", headers={"x-openwebui-task": "title_generation"}) == "Open WebUI"
    assert find_aside({}, {"task": "tags_generation"}, None, [user("hi")]) == "Open WebUI"


@pytest.mark.parametrize("value", ["", "None", "{{TASK}}"])
def test_a_header_that_names_no_task_means_nothing(value):
    assert aside("hi", headers={"x-openwebui-task": value}) is None


def test_metadata_of_the_client_s_own_means_nothing():
    assert find_aside({}, {"task": "support"}, None, [user("hi")]) is None


def test_the_last_user_message_counts_alone():
    title = user("### Task:\nGenerate a concise, 3-5 word title")
    assert find_aside({}, None, None, [title, assistant("Ghent"), user("Thanks")]) is None


def test_every_rule_is_written_as_it_is_compared():
    for rule in RULES:
        assert rule.source
        for opening in (*rule.openings, *rule.also):
            assert opening == " ".join(opening.split()).lower()
            assert len(opening) < LONGEST_OPENING / 2
