"""The prompts that the reader was trained on are those that turnkeep sends."""

from models.reader.shapes import BEGIN, CHAT_TEMPLATE, END, digest_shapes, render_pieces, render_prompt

from turnkeep.context.view import RECALLED_HEADER
from turnkeep.conversation.items import Item, Note, Recalled, assistant, user

TRAINED_ON = "0dd40e974c597600"


def test_the_prompts_are_those_that_the_reader_was_trained_on():
    assert digest_shapes() == TRAINED_ON, (
        "turnkeep's prompts have changed (headers, marks, the request for a summary or the chat template): the "
        "built-in model reads them less well until it is trained again with scripts/train-model. Then write the "
        f"new digest here: {digest_shapes()}"
    )


def test_a_prompt_is_laid_out_by_turnkeep_and_rendered_as_the_template_does():
    items: list[Item] = [Recalled(("user: My dog is called Rex.",), (1,)), user("What is my dog called?")]
    assert render_prompt("Be brief.", items) == (
        f"{BEGIN}system\nBe brief.{END}\n"
        f"{BEGIN}user\n{RECALLED_HEADER}\n- user: My dog is called Rex.\n\nWhat is my dog called?{END}\n"
        f"{BEGIN}assistant\n"
    )
    assert BEGIN in CHAT_TEMPLATE
    assert END in CHAT_TEMPLATE


def test_only_what_the_assistant_says_weighs_anything():
    items: list[Item] = [user("Hello!"), assistant("Your dog is called Rex."), Note(op="remember", text="x"), user("Bye!"), assistant("Okay.")]  # fmt: skip
    replies = [[("Your dog is called", 0.5), (" Rex", 3.0), (".", 0.5)], [("Okay.", 0.25)]]
    pieces = list(render_pieces("", items, replies))
    assert "".join(text for text, _ in pieces) == render_prompt("", items).removesuffix(f"{BEGIN}assistant\n")
    assert [text for text, weight in pieces if weight] == [
        "Your dog is called",
        " Rex",
        ".",
        END,
        "Okay.",
        END,
    ]
