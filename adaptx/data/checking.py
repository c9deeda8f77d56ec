"""Check examples against their format before any work starts. Every error message names the row."""

from collections.abc import Sequence

from adaptx.data.examples import Examples
from adaptx.data.origin import Origin
from adaptx.errors import UserError
from adaptx.specs import TaskFormat

# Published sets hold a few rows with a wrong answer position. A larger share means that positions count something else.
MIXED_UP_SHARE = 0.1


def check(examples: Examples, task_format: TaskFormat, where: Origin) -> None:
    """Check that every row fits the format.

    Roles without a column are skipped, such as the labels of rows that are only predicted.

    Raises:
        UserError: a row does not fit the format, or there is no column for a role that it needs.
    """
    roles = list(examples.columns)
    if missing := _missing_roles(roles, task_format):
        raise UserError(
            f"{where}: there is no column for the role {' and for the role '.join(missing)}. Every row of a "
            f"{type(task_format).__name__} task needs one, and these rows have {', '.join(roles) or 'no roles'}; name "
            "the column in Rows(columns=...)"
        )
    for row, values in zip(examples.rows, zip(*examples.columns.values(), strict=True), strict=True):
        message = task_format.fault(dict(zip(roles, values, strict=True)))
        if message is not None:
            raise UserError(f"{where.at(row)}: {message}")


def _missing_roles(roles: Sequence[str], task_format: TaskFormat) -> list[str]:
    """Return the needed roles without a column, answers aside; of several kinds of rows, those of the nearest kind."""
    missing = [
        [role for role in kind.needed if role not in roles and role not in task_format.gold_roles]
        for kind in task_format.row_kinds
    ]
    return min(missing, key=len)


def trainable_answers(examples: Examples, where: Origin) -> Examples:
    """Return the question answering rows whose first answer is at the position that the row gives.

    The other rows cannot be trained on and are recorded in `left_out`. SQuAD's and BERT's scripts also leave them out.

    Raises:
        UserError: the rows have no answer positions, or more than a tenth of the positions are wrong, which
            suggests that they count bytes or words instead of characters.
    """
    columns = examples.columns
    if "answer_starts" not in columns:
        raise UserError(
            f"{where}: there is no column for the role answer_starts, and training needs to know where each answer "
            "begins; name the column in Rows(columns=...)"
        )
    rows = list(zip(columns["context"], columns["answers"], columns["answer_starts"], strict=True))
    wrong = [index for index, (context, answers, starts) in enumerate(rows) if _is_misplaced(context, answers, starts)]
    if len(wrong) > MIXED_UP_SHARE * len(rows):
        context, answers, starts = rows[wrong[0]]
        raise UserError(
            f"{where}: {len(wrong)} of {len(rows)} rows give a wrong position for their answer. The first is "
            f"{where.at(examples.rows[wrong[0]])}: {answers[0]!r} should begin at {starts[0]}, but the context "
            f"continues there with {context[max(starts[0], 0) :][:30]!r}. Correct answer_starts: positions count "
            "characters (not bytes) from 0"
        )
    return examples.without(wrong, "the answer is not at the position in answer_starts", where)


def _is_misplaced(context: str, answers: list[str], starts: list[int]) -> bool:
    return bool(answers) and (starts[0] < 0 or not context.startswith(answers[0], starts[0]))
