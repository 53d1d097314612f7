"""The built-in model's files, as the package that carries them has installed them."""

import json
from array import array
from base64 import b64decode
from pathlib import Path

from turnkeep.embed.builtin import find_model

_RECORDED = Path(__file__).with_name("vectors.json")


def model_folder() -> Path:
    """The folder of the real model. Tests need it, as they need the stand-in of the chat's engine."""
    folder = find_model()
    assert folder is not None, "the tests need the model: run turnkeep embed install, or ./scripts/test"
    return folder


def recorded_vectors() -> list[tuple[str, list[float]]]:
    """Texts with the vectors that llama.cpp makes of them, from the same weights in 32 bits."""
    return [
        (entry["text"], list(array("f", b64decode(entry["vector"]))))
        for entry in json.loads(_RECORDED.read_text("utf-8"))
    ]
