"""Notes on how a task's score is computed, where other sources publish a different number under the same name."""

from adaptx.catalog.tasks.retrieval import LAREQA_CANDIDATES
from adaptx.specs import Bitext, BitextMining, CandidateText, Retrieval, Task


def how_scored(task: Task) -> str:
    """Return a note for readers who compare a task's score with a published one; empty if there is no difference."""
    match task.format:
        case Bitext():
            return (
                "Accuracy is the share of English sentences whose nearest neighbour is their translation, as XTREME "
                "scores Tatoeba. MTEB's main score there is F1, so the two are not comparable."
            )
        case BitextMining(development_every=every):
            return (
                f"The threshold is chosen on one gold pair in {every} ({1 / every:.0%}) and an equal share of the "
                "other sentences. The remaining sentences are scored. Published scores choose the threshold on BUCC's "
                "own development sentences and score the whole test set, so the rows differ."
            )
        case Retrieval(ranked_as=ranked_as):
            return " ".join(filter(None, (_candidates(task), _read(task, ranked_as))))
        case _:
            return ""


def _candidates(task: Task) -> str:
    if not any(rows.column("passage") for rows in task.pool):
        return ""
    if all(rows.column("sentence_breaks") for rows in task.pool):
        return "Candidates are the sentences that the data set marks."
    return (
        "Candidates are sentences split by a rule of adaptx, because the data set does not mark sentences. LAReQA's "
        f"authors mark {LAREQA_CANDIDATES:,} candidates in eleven languages, so scores differ slightly from scores on "
        "the official candidates."
    )


def _read(task: Task, ranked_as: CandidateText) -> str:
    if not any(rows.column("passage") or rows.column("candidate_context") for rows in task.pool):
        return ""
    if ranked_as is CandidateText.JOINED:
        return "A candidate and its context are read as one text, as in the official script."
    return "A candidate and its context are read as a pair of texts. The official script joins them into one text."
