"""Benchmarks: their tasks, in the groups and the order of their papers."""

from adaptx.catalog.tasks import (
    BUCC,
    LAREQA,
    MEWSLIX,
    MLQA,
    PANX,
    PAWSX,
    TATOEBA,
    TATOEBA_R,
    TYDIQA,
    UDPOS,
    UDPOS_R,
    WIKIANN,
    XCOPA,
    XNLI,
    XQUAD,
    XQUAD_12,
)
from adaptx.specs import Group, Suite

XTREME = Suite(
    "xtreme",
    (
        Group("classification", (XNLI, PAWSX)),
        Group("tagging", (UDPOS, PANX)),
        Group("qa", (XQUAD, MLQA, TYDIQA)),
        Group("retrieval", (BUCC, TATOEBA)),
    ),
)
"""XTREME (Hu et al. 2020, arXiv:2003.11080, table 1)."""

XTREME_R = Suite(
    "xtreme-r",
    (
        Group("classification", (XNLI, XCOPA)),
        Group("tagging", (UDPOS_R, WIKIANN)),
        Group("qa", (XQUAD_12, MLQA, TYDIQA)),
        Group("retrieval", (MEWSLIX, LAREQA, TATOEBA_R)),
    ),
)
"""XTREME-R (Ruder et al. 2021, arXiv:2104.07412, table 1)."""

SUITES: dict[str, Suite] = {suite.name: suite for suite in (XTREME, XTREME_R)}
