"""The metrics, by the names that tasks use. Each metric gives the same score as its official scorer."""

from adaptx.metrics.accuracy import ACCURACY
from adaptx.metrics.masked import MASKED_ACCURACY
from adaptx.metrics.metric import Floats, Metric
from adaptx.metrics.mining import MINING_F1, MINING_PRECISION, MINING_RECALL
from adaptx.metrics.mlqa import MLQA_EXACT_MATCH, MLQA_F1
from adaptx.metrics.ranking import MAP_AT_20, MEWSLIX_MAP_AT_20
from adaptx.metrics.squad import EXACT_MATCH, F1
from adaptx.metrics.squad_v2 import SQUAD_V2_EXACT_MATCH, SQUAD_V2_F1
from adaptx.metrics.tagging import ENTITY_F1, TAG_F1, TOKEN_ACCURACY

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        ACCURACY,
        EXACT_MATCH,
        F1,
        MLQA_EXACT_MATCH,
        MLQA_F1,
        SQUAD_V2_EXACT_MATCH,
        SQUAD_V2_F1,
        ENTITY_F1,
        TAG_F1,
        TOKEN_ACCURACY,
        MINING_F1,
        MINING_PRECISION,
        MINING_RECALL,
        MAP_AT_20,
        MEWSLIX_MAP_AT_20,
        MASKED_ACCURACY,
    )
}

__all__ = ["METRICS", "Floats", "Metric"]
