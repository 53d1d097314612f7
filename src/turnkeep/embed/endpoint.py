"""An engine's /v1/embeddings, for people who name one.

Never taken unasked: the engine of a chat may have to put the chat's model aside for it.
"""

import math
from collections.abc import Mapping, Sequence

from ..engine.client import EngineClient, Json
from ..errors import EngineProtocolError
from .base import UNRELATED, measure_baseline, pack_vector

MOST_CHARACTERS = 2_000  # of a text: embedding models read 256 to 512 tokens, and some refuse more
USUAL_BASELINE = 0.4  # of larger models, until it is measured
MOST_TEXTS = 16  # a request, so that no engine's batch is too large
_ADVICE = "name an embedding model there, as in --embeddings URL#MODEL."


class EndpointEmbedder:
    """An embedding model behind an OpenAI-style API.

    Args:
        client: reaches it.
        model: its name there; None takes what is served.
    """

    def __init__(self, client: EngineClient, *, model: str | None = None) -> None:
        self._client = client
        self._model = model
        self._baseline = USUAL_BASELINE
        self._served = model or ""  # what answered last, where no model was named
        self._dimensions = ""  # of its vectors

    @property
    def name(self) -> str:
        """Address, model and form of the vectors, as they were last.

        Complete with the first answer: an engine may serve another model tomorrow, and then these are
        other vectors.
        """
        return f"{self._client.url}#{self._served}:{self._dimensions}int8"

    @property
    def baseline(self) -> float:
        """The mean cosine of texts that have nothing in common; a guess until `prepare` has measured it."""
        return self._baseline

    async def prepare(self) -> None:
        """Have it load its model, and see what it gives for texts that have nothing in common."""
        self._baseline = measure_baseline(await self.embed(UNRELATED))

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Make the vector of each text."""
        found: list[bytes] = []
        for start in range(0, len(texts), MOST_TEXTS):
            found += await self._ask([text[:MOST_CHARACTERS] for text in texts[start : start + MOST_TEXTS]])
        if len({len(vector) for vector in found}) > 1:
            raise EngineProtocolError(f"{self._client.name} gives vectors of several lengths: {_ADVICE}")
        return found

    async def embed_whole(self, texts: Sequence[str]) -> list[list[float]]:
        """Make the vector of each text as the model gives it, for who wants more than to compare; texts are not cut."""
        found: list[list[float]] = []
        for start in range(0, len(texts), MOST_TEXTS):
            found += await self._ask_values(texts[start : start + MOST_TEXTS])
        return found

    async def _ask(self, texts: Sequence[str]) -> list[bytes]:
        return [pack_vector(values) for values in await self._ask_values(texts)]

    async def _ask_values(self, texts: Sequence[str]) -> list[list[float]]:
        body: dict[str, object] = {"input": list(texts), "encoding_format": "float"}
        if self._model is not None:
            body["model"] = self._model
        answer = await self._client.post("/v1/embeddings", body)
        vectors = _read_vectors(answer)
        if vectors is None or len(vectors) != len(texts):
            raise EngineProtocolError(
                f"{self._client.name} does not answer /v1/embeddings with a vector for each text: {_ADVICE}"
            )
        self._note(answer, len(vectors[0]))
        return vectors

    def _note(self, answer: Json, dimensions: int) -> None:
        """Keep what tells these vectors from others."""
        before = self.name
        if self._model is None and isinstance(answer, Mapping):
            self._served = str(answer.get("model") or "")
        self._dimensions = f"{dimensions}:"
        if self.name != before:
            self._baseline = USUAL_BASELINE

    async def close(self) -> None:
        """Let go of the connections that are kept between calls."""
        await self._client.close()


def _read_vectors(answer: Json) -> list[list[float]] | None:
    """The vectors of an answer, in the order of the texts; None where it holds something else."""
    rows = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list):
        return None
    try:
        ordered = sorted(rows, key=lambda row: int(row.get("index", 0)))
        values = [[float(value) for value in row["embedding"]] for row in ordered]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if not all(row and all(map(math.isfinite, row)) for row in values):
        return None
    return values
