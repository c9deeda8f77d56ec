"""A number that others published, to set beside one's own."""

from adaptx.specs.checked import spec
from adaptx.specs.ranges import NotNegative, Word


@spec(kw_only=True)
class PublishedScore:
    """A mean over a task's languages, as a share. task, metric: by the names they have here. model: the checkpoint's
    short name. with_intermediate: after the intermediate task that was best for this task, else without one.
    band: how far apart two runs of the same may lie.
    """

    model: Word
    task: Word
    metric: Word
    with_intermediate: bool
    value: float
    source: str
    band: NotNegative
