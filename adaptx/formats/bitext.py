"""Bitext retrieval (Tatoeba): for each query, find the candidate sentence whose embedding has the highest cosine."""

from adaptx.backbones.batching import encode_texts
from adaptx.data.examples import Examples
from adaptx.formats.interface import Answers, Format, Inputs, Predictions, Reading, embedded
from adaptx.metrics.search import top_k
from adaptx.specs import Bitext

SIDES = ("query", "candidate")


def encode(examples: Examples, _format: Bitext, reading: Reading) -> Inputs:
    """Encode the queries and the candidates, which are then embedded.

    Token statistics cover only the candidates, because the queries are English.
    """
    sides = [
        encode_texts(reading.tokenizer, examples.columns[side], None, reading.hidden.prefix, reading.max_length)
        for side in SIDES
    ]
    return Inputs(tuple(map(embedded, sides)), sides[1:], list(examples.columns["candidate"]))


def decode(answers: Answers) -> Predictions:
    """Predict, for each query, the index of its nearest candidate.

    Among equally near candidates, the first is predicted. The gold answer is the query's own index.
    """
    queries_QD, candidates_ND = answers.values
    nearest_Q1 = top_k(queries_QD, candidates_ND, 1, unit=True, centred=answers.reading.hidden.centred).indices
    golds = list(range(len(answers.examples)))
    return Predictions(
        predictions=nearest_Q1[:, 0].tolist(), golds=golds, rows=answers.examples.rows, inputs=answers.inputs
    )


BITEXT = Format(encode, decode)
