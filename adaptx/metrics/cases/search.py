"""Exact nearest neighbours in the small embedding sets of case files."""

import numpy as np
from numpy.typing import NDArray

from adaptx.errors import UserError
from adaptx.metrics.mining import Neighbours

Embeddings = NDArray[np.float32]
_BLOCK = 512


def check_dimensions(first_ND: Embeddings, second_MD: Embeddings, place: str) -> None:
    """Check that two sets of embeddings have the same number of dimensions.

    Raises:
        UserError: the numbers differ.
    """
    if len(first_ND) and len(second_MD) and first_ND.shape[1] != second_MD.shape[1]:
        raise UserError(
            f"the embeddings of `{place}` have {first_ND.shape[1]} and {second_MD.shape[1]} numbers, and cannot be "
            "compared; give embeddings that all have the same length"
        )


def normalised(vectors_ND: Embeddings) -> Embeddings:
    """Return the vectors divided by their lengths. A zero vector stays zero."""
    length_N1 = np.linalg.norm(vectors_ND.astype(np.float64), axis=1, keepdims=True)
    return (vectors_ND / np.where(length_N1 > 0, length_N1, 1.0)).astype(np.float32)


def nearest_row(indexed_ND: Embeddings, queries_MD: Embeddings) -> list[int]:
    """Return, for each query, the position of the indexed row at the smallest Euclidean distance.

    Among rows at equal distances, the first is returned. If there are no rows, the position is -1.
    """
    if not len(indexed_ND):
        return [-1] * len(queries_MD)
    rows = indexed_ND.astype(np.float64)
    return [int(((rows - query) ** 2).sum(axis=1).argmin()) for query in queries_MD.astype(np.float64)]


def neighbours(queries_ND: Embeddings, pool_MD: Embeddings, most: int) -> Neighbours:
    """Return, for each query, at most `most` pool rows: those with the largest dot products, best first."""
    count = min(most, len(pool_MD))
    cosines = np.empty((len(queries_ND), count), dtype=np.float32)
    indices = np.empty((len(queries_ND), count), dtype=np.int64)
    for begin in range(0, len(queries_ND) if count else 0, _BLOCK):
        block = slice(begin, begin + _BLOCK)
        products = queries_ND[block] @ pool_MD.T
        indices[block] = np.argsort(-products, axis=1, kind="stable")[:, :count]
        cosines[block] = np.take_along_axis(products, indices[block], axis=1)
    return Neighbours(cosines, indices)
