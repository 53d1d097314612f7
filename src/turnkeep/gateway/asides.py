"""Tell the side requests of chat pages from what a person says.

Chat pages have the model title a chat, tag it, suggest what to ask next, phrase a search. Such a
request is not part of the conversation, though some pages send it as the last message of one:
it is answered and not kept. Only whole known openings count, at the very beginning of the last
user message or of the system message: a person may well quote them, or ask for a title.

Pure. The openings were read in the clients' sources (2026-11); each rule names where.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..conversation.items import Message

TASK_HEADER = "x-openwebui-task"  # a header that Open WebUI fills in with the task, or with nothing
_NO_TASK = frozenset({"", "none", "null", "{{task}}"})
# Open WebUI's names of its tasks (backend/open_webui/constants.py, TASKS); other metadata is the client's own.
_TASKS = frozenset(
    {
        "title_generation", "tags_generation", "follow_up_generation", "query_generation", "emoji_generation",
        "image_prompt_generation", "autocomplete_generation", "function_calling", "moa_response_generation",
    }
)  # fmt: skip
LONGEST_OPENING = 400  # characters looked at, of however long a message


@dataclass(frozen=True, slots=True)
class Rule:
    """How a side request begins.

    openings: one of these, in lower case and with single spaces, begins the message.
    also: all of these stand somewhere in it.
    where: in whose message.
    """

    client: str
    source: str
    openings: tuple[str, ...]
    also: tuple[str, ...] = ()
    where: Literal["user", "system"] = "user"


# Open WebUI's own answer from documents begins with "### Task:" too: "Respond to the user query ...".
RULES: tuple[Rule, ...] = (
    Rule(
        "Open WebUI",
        "open-webui/open-webui backend/open_webui/config.py, DEFAULT_*_PROMPT_TEMPLATE",
        (
            "### task: generate a concise, 3-5 word title",
            "### task: generate 1-3 broad tags",
            "### task: suggest 3-5 relevant follow-up questions",
            "### task: analyze the chat history to determine the necessity of generating search queries",
            "### task: generate a detailed prompt for am image generation task",
            "### task: you are an autocompletion system",
            "your task is to reflect the speaker's likely facial expression through a fitting emoji",
            "you have been provided with a set of responses from various models to the latest user query:",
        ),
    ),
    Rule(
        "Open WebUI before 0.4, Page Assist",
        "n4ze3m/page-assist src/services/title.ts",
        ("here is the query:",),
        also=("word phrase", "as a title for the previous query"),
    ),
    Rule(
        "LibreChat",
        "danny-avila/agents src/utils/title.ts",
        (
            "provide a concise, 5-word-or-less title for the conversation",
            "please generate a concise, 5-word-or-less title for the conversation",
            "analyze this conversation and provide: 1. the detected language of the conversation",
        ),
    ),
    Rule(
        "LibreChat",
        "danny-avila/LibreChat api/server/services/Endpoints/assistants/title.js",
        ("please generate a concise title (max 40 characters) for a conversation that starts with",),
    ),
    Rule(
        "llama.cpp web page",
        "ggml-org/llama.cpp tools/server/webui/src/lib/constants (TITLE_GENERATION)",
        ("based on the following interaction, generate a short, concise title",),
    ),
    Rule(
        "NextChat",
        "ChatGPTNextWeb/NextChat app/locales/en.ts (Store.Prompt)",
        (
            "please generate a four to five word title summarizing our conversation without any lead-in",
            "summarize the discussion briefly in 200 words or less to use as a prompt for future context",
        ),
    ),
    Rule(
        "Chatbox",
        "chatboxai/chatbox src/shared/prompts (nameConversation)",
        ("based on the chat history, give this conversation a name",),
    ),
    Rule(
        "Zed",
        "zed-industries/zed crates/agent_settings/src/prompts/summarize_thread_prompt.txt",
        ("generate a concise 3-7 word title for this conversation, omitting punctuation",),
    ),
    Rule(
        "Jan",
        "janhq/jan web/hooks (summarizeFirstPrompt)",
        (
            "summarize in a 5-word title. give the title only",
            "summarize in a 10-word title. give the title only",
        ),
    ),
    Rule(
        "Continue",
        "continuedev/continue core/util/chatDescriber.ts",
        ("given the following... please reply with a title for the chat that is 3-4 words",),
    ),
    Rule(
        "SillyTavern",
        "SillyTavern/SillyTavern public/scripts/extensions/memory/index.js (defaultPrompt)",
        ("ignore previous instructions. summarize the most important facts and events in the story so far",),
    ),
    Rule(
        "SillyTavern",
        "SillyTavern/SillyTavern public/scripts/extensions/memory/index.js (defaultPrompt)",
        ("ignore previous instructions. summarize the most important facts and events in the story so far",),
        where="system",
    ),
    Rule(
        "Cherry Studio",
        "CherryHQ/cherry-studio src/renderer/src/config/prompts.ts (SUMMARIZE_PROMPT)",
        (
            "you are an assistant skilled in conversation. you need to summarize the user's conversation into a title",
            "你是一名擅长会话的助理，你需要将用户的会话总结为",
        ),
        where="system",
    ),
    Rule(
        "LobeChat",
        "lobehub/lobe-chat src/chains/summaryTitle.ts",
        ("you are a professional conversation summarizer. generate a concise title",),
        where="system",
    ),
    Rule(
        "Hugging Face chat-ui",
        "huggingface/chat-ui src/lib/server/textGeneration/title.ts",
        ("you are a chat thread titling assistant",),
        where="system",
    ),
    Rule(
        "big-AGI",
        "enricoros/big-AGI src/modules/aifn/autotitle/autoTitle.ts",
        ("you are an ai conversation titles assistant",),
        where="system",
    ),
    Rule(
        "opencode",
        "sst/opencode packages/opencode/src/agent/prompt/title.txt",
        ("you are a title generator. you output only a thread title",),
        where="system",
    ),
)


def find_aside(
    headers: Mapping[str, str],
    metadata: Mapping[str, Any] | None,  # Any: JSON of a client
    instructions: str | None,
    messages: Sequence[Message],
) -> str | None:
    """Whose side request this is; None when it is none.

    Args:
        headers: of the request, names in lower case.
        metadata: of its body.
        instructions: its system message.
        messages: the others.
    """
    if headers.get(TASK_HEADER, "").strip().lower() not in _NO_TASK:
        return "Open WebUI"
    if (metadata or {}).get("task") in _TASKS:
        return "Open WebUI"
    said = next((message.text for message in reversed(messages) if message.role == "user"), "")
    texts = {"user": said, "system": instructions or ""}
    heads = {name: " ".join(text[:LONGEST_OPENING].split()).lower() for name, text in texts.items()}
    for rule in RULES:
        if heads[rule.where].startswith(rule.openings) and _holds(texts[rule.where], rule.also):
            return rule.client
    return None


def _holds(text: str, phrases: tuple[str, ...]) -> bool:
    if not phrases:
        return True
    text = " ".join(text.split()).lower()
    return all(phrase in text for phrase in phrases)
