"""Read all rows of the user's own files as a recipe would, so that a broken row is found before a recipe is written."""

from collections.abc import Sequence
from itertools import groupby

from adaptx.catalog.local import local_task
from adaptx.catalog.local_file import LocalFile
from adaptx.data.reading import read_rows, read_training
from adaptx.errors import UserError
from adaptx.planning.own_recipe.file_names import DEVELOPMENT, EVALUATION, TRAIN
from adaptx.planning.own_recipe.looking import OwnFile, label_set
from adaptx.planning.own_recipe.roles import ANSWERS, TAGGING
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, QuestionAnswering, Tagging, TaskFormat


def check_rows(files: Sequence[OwnFile]) -> list[str]:
    """Read the rows of all files. Return a sentence for each thing that the user should know about them.

    Raises:
        UserError: two files have the same use and language, there are fewer than two labels, or a row does not fit.
    """
    _check_languages(files)
    sets = {
        use: {file.language: LocalFile(file.path, dict(file.columns)) for file in files if file.use == use}
        for use in (TRAIN, DEVELOPMENT, EVALUATION)
    }
    if files[0].task == TAGGING:
        sets = {use: {language: file.path for language, file in each.items()} for use, each in sets.items()}
    task = local_task("own", _format(files), sets[TRAIN], sets[DEVELOPMENT], sets[EVALUATION])
    sources = Sources()
    read = [read_training(task, sources)]
    read += [read_rows(rows, task.format, sources) for rows in (*task.development, *task.evaluation)]
    return [str(left_out) for examples in read for left_out in examples.left_out] + _label_notes(files)


def _check_languages(files: Sequence[OwnFile]) -> None:
    def key(file: OwnFile) -> tuple[str, str]:
        return file.use, file.language

    for (use, language), group in groupby(sorted(files, key=key), key):
        paths = [str(file.path) for file in group]
        if len(paths) > 1:
            raise UserError(
                f"{' and '.join(paths)} are both for {use} in {language}; join them, or say what they are: --language "
                f"{paths[1]}=CODE, or --use {paths[1]}=train (or development, test)"
            )


def _format(files: Sequence[OwnFile]) -> TaskFormat:
    if files[0].task == ANSWERS:
        return QuestionAnswering()
    return Tagging(label_set(files)) if files[0].task == TAGGING else Classification(label_set(files))


def _label_notes(files: Sequence[OwnFile]) -> list[str]:
    """Return a sentence per file whose labels no training row has, and per file whose rows all have one label."""
    trained = {label for file in files if file.use == TRAIN for label in file.labels}
    notes: list[str] = []
    for file in files:
        unknown = sorted(file.labels.keys() - trained)
        if file.use != TRAIN and unknown:
            shown = ", ".join(unknown[:8])
            notes.append(f"{file.path}: no training row has the label {shown}, so no model can learn it")
        if file.use != DEVELOPMENT and len(file.labels) == 1:
            notes.append(
                f"{file.path}: all {file.rows:,} rows have the label {next(iter(file.labels))}, so scores on them say "
                "little; draw rows of all labels (perhaps the file is the beginning of a sorted one)"
            )
    return notes
