"""Shapes: how a dialogue looks to the model, by turnkeep's own layout and a plain chat template.

`digest_shapes` tells whether turnkeep still writes its prompts as it did when the model was trained.
"""

import hashlib
from collections.abc import Iterator, Sequence

from turnkeep.context.facts import Fact
from turnkeep.context.instructions import render_instruction
from turnkeep.context.recall import quote_message
from turnkeep.context.view import Line, View, layout_messages, render_base
from turnkeep.conversation.items import Item, Message, Note, Recalled, assistant, user
from turnkeep.conversation.log import Position

BEGIN, END, STOP = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
DATA_VERSION = 2  # goes up with each change after which a model has to be trained again


def render_message(message: Message) -> str:
    """Write a message as the chat template does."""
    return f"{BEGIN}{message.role}\n{message.text}{END}\n"


def render_prompt(base: str, items: Sequence[Item]) -> str:
    """Write a whole prompt as the engine renders it, ready for the reply."""
    return "".join(map(render_message, layout_messages(base, items))) + f"{BEGIN}assistant\n"


def render_pieces(
    base: str, items: Sequence[Item], replies: Sequence[Sequence[tuple[str, float]]]
) -> Iterator[tuple[str, float]]:
    """Write a prompt as pieces with loss weights: 0 for all that the assistant does not say."""
    told = iter(replies)
    for message in layout_messages(base, items):
        if message.role != "assistant":
            yield render_message(message), 0.0
            continue
        reply = next(told)
        assert message.text == "".join(text for text, _ in reply)
        yield f"{BEGIN}assistant\n", 0.0
        yield from reply
        # Where it ends is learnt as well, less where the sentence is a fixed one.
        yield END, min(1.0, 1.2 * reply[-1][1]) if reply[-1][1] < 0.5 else 1.0
        yield "\n", 0.0


def digest_shapes() -> str:
    """A digest of all texts of turnkeep's that the model was trained to read."""
    old = Fact(text="My cat is called Tom.", turn=1, at=Position(1, 1), rank=4, doubt=2, by=Position(1, 2))
    new = Fact(text="My cat is called Kit.", turn=2, at=Position(1, 2), rank=4)
    base = render_base(
        "Be brief.", View(lines=(Line(text="The user's dog is called Rex.", turns=(1, 1)),), facts=(old, new))
    )
    notes = [
        Note(op="remember", text="My name is Ann."),
        Note(op="edit_fact", old="a", text="b"),
        Note(op="edit_line", old="a", text="b"),
        Note(op="remove_fact", old="a", text=""),
        Note(op="remove_line", old="a", text=""),
    ]
    quoted = Recalled((quote_message(user("My dog is called Rex."), said=1.7e9),), (1,))
    items: list[Item] = [user("Hello!"), assistant("Hello!"), *notes, quoted, user("What is my dog called?")]
    texts = (render_prompt(base, items), render_instruction(), render_instruction("My dog is"), CHAT_TEMPLATE)
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
