"""An engine's /v1/embeddings, for people who name one.

Never taken unasked: the engine of a chat may have to put the chat's model aside for it.
"""

from collections.abc import Mapping, Sequence

from ..engine.client import EngineClient
from ..errors import EngineProtocolError
from .base import UNRELATED, measure_baseline, pack_vector

MOST_CHARACTERS = 2_000  # of a text: embedding models read 256 to 512 tokens, and some refuse more
USUAL_BASELINE = 0.4  # of larger models, until it is measured
MOST_TEXTS = 16  # a request, so that no engine's batch is too large


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

    @property
    def name(self) -> str:
        """Address and model, and the form of the vectors."""
        return f"{self._client.url}#{self._model or ''}:int8"

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
        return found

    async def _ask(self, texts: Sequence[str]) -> list[bytes]:
        body: dict[str, object] = {"input": list(texts), "encoding_format": "float"}
        if self._model is not None:
            body["model"] = self._model
        answer = await self._client.post("/v1/embeddings", body)
        rows = answer.get("data") if isinstance(answer, Mapping) else None
        try:
            assert isinstance(rows, list)
            ordered = sorted(rows, key=lambda row: int(row.get("index", 0)))
            vectors = [pack_vector([float(value) for value in row["embedding"]]) for row in ordered]
            assert len(vectors) == len(texts)
            assert len({len(vector) for vector in vectors}) == 1
        except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise EngineProtocolError(
                f"{self._client.name} does not answer /v1/embeddings with a vector for each text: "
                "name an embedding model there, as in --embeddings URL#MODEL."
            ) from error
        return vectors

    async def close(self) -> None:
        """Nothing is held open between calls."""
