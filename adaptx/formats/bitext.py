"""Nearest neighbour among sentence embeddings (Tatoeba): each query's closest candidate by cosine."""

from adaptx.backbones.batching import encode_texts
from adaptx.data.examples import Examples
from adaptx.formats.interface import Format, Forward, Predicted, TrainedHead
from adaptx.metrics.search import top_k
from adaptx.specs import Task

SIDES = ("query", "candidate")


def predict(examples: Examples, _task: Task, _head: TrainedHead | None, forward: Forward) -> Predicted:
    """Index of the nearest candidate for each query; the first of equal ones. The gold is the query's own row."""
    reading = forward.reading
    sides = [
        encode_texts(reading.tokenizer, examples.columns[side], None, reading.hidden.prefix, reading.max_length)
        for side in SIDES
    ]
    queries_QD, candidates_ND = (forward.vectors(side) for side in sides)
    nearest_Q1 = top_k(queries_QD, candidates_ND, 1, unit=True, centred=reading.hidden.centred).indices
    # Only the other language's sentences say something about that language.
    texts = list(examples.columns["candidate"])
    golds = list(range(len(examples)))
    return Predicted(nearest_Q1[:, 0].tolist(), golds, examples.rows, sides[1:], texts)


BITEXT = Format(predict)
