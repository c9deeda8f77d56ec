"""Scores from papers, which a report prints next to measured ones."""

from adaptx.specs.checked import spec
from adaptx.specs.ranges import NotNegative, Word


@spec(kw_only=True)
class PublishedScore:
    """A published score: the mean over a task's languages, as a share in [0, 1].

    Attributes:
        model: short name of the checkpoint in adaptx.
        task: name of the task in adaptx.
        metric: name of the metric in adaptx.
        with_intermediate: True for the score after the intermediate task that was best for this task, False for the
            score without an intermediate task.
        value: the score.
        source: where it was published.
        band: largest difference at which a measured score counts as a reproduction.
    """

    model: Word
    task: Word
    metric: Word
    with_intermediate: bool
    value: float
    source: str
    band: NotNegative
