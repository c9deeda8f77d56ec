"""Tasks with few sets, and the fingerprint of a stage, for the tests of identity."""

import dataclasses

from adaptx.catalog import LAREQA, TATOEBA
from adaptx.catalog import NLI as EVERYWHERE
from adaptx.planning.identity import Identities
from adaptx.sources.sources import Location, Sources
from adaptx.specs import ModelSpec, Rows, Stage

NLI = dataclasses.replace(EVERYWHERE, evaluation=EVERYWHERE.evaluation[:2])
BITEXT = dataclasses.replace(TATOEBA, evaluation=TATOEBA.evaluation[:2])
ANSWERS = dataclasses.replace(LAREQA, evaluation=LAREQA.evaluation[:2], pool=LAREQA.pool[:2])
SMALL_POOL = dataclasses.replace(ANSWERS, pool=ANSWERS.pool[:1])


class OneDigest(Sources):
    """Sources that give everything the same digest, so that stages can differ only by their specs."""

    def rows(self, rows: Rows) -> Location:
        return Location(path=None, digest="sha256:rows", nominal="rows@main")

    def model(self, model: ModelSpec) -> Location:
        return Location(path=None, digest="sha256:weights", nominal="weights@main")


def key(stage: Stage, sources: Sources | None = None) -> str:
    identity = Identities(sources or OneDigest()).of(stage)
    assert identity.resolved
    return identity.fingerprint
