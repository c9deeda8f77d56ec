"""Hold examples against their format before any work starts; every message names the row."""

from adaptx.data.examples import Examples
from adaptx.data.origin import Origin
from adaptx.errors import UserError
from adaptx.specs import TaskFormat

MIXED_UP_SHARE = 0.1


def check(examples: Examples, task_format: TaskFormat, where: Origin) -> None:
    """Check every row; roles that the examples lack (labels, of rows to predict) are not looked at.

    Raises:
        UserError: a row does not fit the format.
    """
    roles = list(examples.columns)
    for row, values in zip(examples.rows, zip(*examples.columns.values(), strict=True), strict=True):
        message = task_format.fault(dict(zip(roles, values, strict=True)))
        if message is not None:
            raise UserError(f"{where.at(row)}: {message}")


def trainable_answers(examples: Examples, where: Origin) -> Examples:
    """Question answering rows that can be trained on: those whose first answer stands where they say.

    The scripts of SQuAD and BERT leave the others out, too. They are recorded in `left_out`.

    Raises:
        UserError: there are no starts, or so many are wrong that they must count something else than characters.
    """
    columns = examples.columns
    if "answer_starts" not in columns:
        raise UserError(
            f"{where}: training needs where each answer begins (role answer_starts); name its column in "
            "Rows(columns=...)"
        )
    rows = list(zip(columns["context"], columns["answers"], columns["answer_starts"], strict=True))
    wrong = [index for index, (context, answers, starts) in enumerate(rows) if _misplaced(context, answers, starts)]
    if len(wrong) > MIXED_UP_SHARE * len(rows):
        context, answers, starts = rows[wrong[0]]
        raise UserError(
            f"{where}: in {len(wrong)} of {len(rows)} rows the answer does not stand where the row says: at "
            f"{where.at(examples.rows[wrong[0]])}, {answers[0]!r} should begin at {starts[0]}, where "
            f"{context[max(starts[0], 0) :][:30]!r} stands. Starts count characters (not bytes) from 0: correct them"
        )
    return examples.without(wrong, "the answer does not stand where the row says", where)


def _misplaced(context: str, answers: list[str], starts: list[int]) -> bool:
    """Whether the first answer does not stand where the row says."""
    return bool(answers) and (starts[0] < 0 or not context.startswith(answers[0], starts[0]))
