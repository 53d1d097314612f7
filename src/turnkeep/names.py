"""Names and places in a text, found by Presidio with a spaCy model that is installed: the extra `names`.

Presidio would fetch a model that is missing, and its recogniser of addresses fetches a list of domains at
first use. So a model that is missing is refused before Presidio is asked for it, and of its recognisers the
model's alone is there. What the patterns of privacy/ find comes before what is found here.

Loading takes seconds and hundreds of megabytes, and a text some milliseconds: for who wants it.
"""

import functools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from .errors import MissingExtra, UsageError
from .privacy.kinds import NAME, PLACE, Found

INSTALL = "Finding names and places needs Presidio. Install it with: pip install 'turnkeep[names]'"
_KINDS = {"PERSON": NAME, "LOCATION": PLACE}  # what Presidio calls them
_LANGUAGE = "xx"  # Presidio's key for the one model; which language that speaks is its own affair
_LABELS = {
    "PER": "PERSON",
    "PERSON": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
}  # spaCy's


@dataclass(frozen=True, slots=True)
class Names:
    """Finds names and places. One text at a time: spaCy's pipelines are not made for several threads.

    model: name of a spaCy model that is installed, such as "en_core_web_sm", or the folder of one.

    Raises:
        MissingExtra: Presidio is not installed.
        UsageError: there is no such model here.
    """

    model: str
    late: ClassVar[bool] = True
    kinds: ClassVar[tuple[str, ...]] = (NAME, PLACE)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        load_analyzer(self.model)

    def find(self, text: str) -> Iterator[Found]:
        """Yield names and places, in whatever order."""
        if not text.strip():
            return
        with self._lock:
            results = load_analyzer(self.model).analyze(
                text=text, language=_LANGUAGE, entities=sorted(_KINDS)
            )
        for one in results:
            if one.entity_type in _KINDS and text[one.start : one.end].strip():
                yield Found(one.start, one.end, _KINDS[one.entity_type])


def load_names(model: str | None) -> tuple[Names, ...]:
    """What finds names, as a rule beside patterns; none where no model is named. Raises as `Names`."""
    return () if model is None else (Names(model),)


@functools.cache
def load_analyzer(model: str) -> Any:  # Any: Presidio's analyzer, which need not be installed
    """Load Presidio with one model, once. Raises as `Names`."""
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
    except ImportError as error:
        raise MissingExtra(INSTALL) from error
    if not model or not (spacy.util.is_package(model) or Path(model).is_dir()):
        raise UsageError(
            f"There is no spaCy model {model!r} here, and none is fetched by itself: "
            f"run `python -m spacy download {model}`, or name another with privacy.names."
        )
    configuration = NerModelConfiguration(model_to_presidio_entity_mapping=dict(_LABELS))
    engine = SpacyNlpEngine(
        models=[{"lang_code": _LANGUAGE, "model_name": model}], ner_model_configuration=configuration
    )
    try:
        engine.load()
    except (
        OSError,
        ValueError,
    ) as error:  # spaCy's words for a folder that holds no model, or one for another version
        raise UsageError(
            f"The spaCy model {model!r} cannot be loaded ({error}): install it again."
        ) from error
    labels = {label for given in engine.nlp[_LANGUAGE].pipe_labels.values() for label in given}
    if not labels & _LABELS.keys():
        raise UsageError(f"The spaCy model {model!r} knows neither names nor places: choose another one.")
    configuration.labels_to_ignore = sorted(
        labels - _LABELS.keys()
    )  # else each is a warning in the log, each time
    registry = RecognizerRegistry(supported_languages=[_LANGUAGE])
    registry.add_nlp_recognizer(nlp_engine=engine)  # and no other: they find less than privacy/ does
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[_LANGUAGE])
