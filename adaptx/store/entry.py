"""One finished stage of the store, with its records."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from adaptx.errors import UserError
from adaptx.specs import Evaluate, ModuleStage, Stage
from adaptx.specs.plain import from_plain
from adaptx.store.integrity import MODULE_FILE, Seals, foreign
from adaptx.store.mixing import MIXING_FILE, MixingWeights
from adaptx.store.record_json import Unreadable, parse_record, read_record
from adaptx.store.records import (
    RESULT_FILE,
    SCORES_FILE,
    STAGE_FILE,
    STEPS_FILE,
    Golds,
    MergeResult,
    Result,
    Scores,
    StageRecord,
    TrainingStep,
    TrainResult,
)

T = TypeVar("T")

_RESULTS: dict[str, tuple[str, type[Result]]] = {
    "train": (RESULT_FILE, TrainResult),
    "merge": (RESULT_FILE, MergeResult),
    "evaluate": (SCORES_FILE, Scores),
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One finished stage on disk.

    Each file is compared with its digest before it is read, so any property may raise DamagedStage.
    """

    folder: Path
    kind: str
    fingerprint: str
    nominal: str
    seals: Seals = field(repr=False, compare=False)

    @property
    def has_module(self) -> bool:
        """Return whether the stage was stored with weights, and they have not been removed since."""
        return self.has(MODULE_FILE) and (self.folder / MODULE_FILE).is_file()

    @property
    def record(self) -> StageRecord:
        """The stage's name, fingerprints, identity and files."""
        return self.seals.record(self.folder)

    @property
    def stage(self) -> Stage:
        """The spec from which the stage was made."""
        try:
            return from_plain(self.record.spec)
        except (UserError, ValueError, TypeError, KeyError) as error:
            raise foreign(self.folder, self.folder / STAGE_FILE, error) from error

    @property
    def module_stage(self) -> ModuleStage:
        """The spec of this stage, which must be a training or merge."""
        stage = self.stage
        assert not isinstance(stage, Evaluate)
        return stage

    @property
    def result(self) -> Result:
        """The result of the stage: a `TrainResult`, a `MergeResult` or `Scores`."""
        name, record = _RESULTS[self.kind]
        return self._read(record, self.file(name))

    @property
    def train_result(self) -> TrainResult:
        result = self.result
        assert isinstance(result, TrainResult)
        return result

    @property
    def merge_result(self) -> MergeResult:
        result = self.result
        assert isinstance(result, MergeResult)
        return result

    @property
    def scores(self) -> Scores:
        result = self.result
        assert isinstance(result, Scores)
        return result

    @property
    def steps(self) -> tuple[TrainingStep, ...]:
        """All optimiser steps of this stage, in order. The stage must be a training."""
        file = self.file(STEPS_FILE)
        try:
            return tuple(parse_record(TrainingStep, line) for line in file.read_text(encoding="utf-8").splitlines())
        except Unreadable as error:
            raise foreign(self.folder, file, error) from error

    @property
    def mixing(self) -> MixingWeights | None:
        """The mixing weights of this stage, which must be an evaluation; None if its model is not fused."""
        return self._read(MixingWeights, self.file(MIXING_FILE)) if self.has(MIXING_FILE) else None

    @property
    def golds_file(self) -> Path | None:
        """Path of the file with an evaluation's gold answers; None for a training or merge."""
        names = [name for name in self.seals.files(self.folder) if name.startswith("../../golds/")]
        return self.file(names[0]) if names else None

    @property
    def golds(self) -> Golds:
        """The gold answers that the evaluation was scored against."""
        file = self.golds_file
        assert file is not None, f"{self.folder} was stored without golds"
        return self._read(Golds, file)

    def has(self, name: str) -> bool:
        """Return whether the stage was stored with a file of that name."""
        return name in self.seals.files(self.folder)

    def file(self, name: str) -> Path:
        """Return the path of one of the stage's files, after comparing the file with its digest."""
        return self.seals.checked(self.folder, name)

    def checked(self, weights: bool = False) -> Path:
        """Compare all files of the stage with their digests, read its records, and return its folder.

        weights: whether to compare the module's weights as well.
        """
        for name in self.seals.files(self.folder):
            if name != MODULE_FILE or (weights and self.has_module):
                self.file(name)
        self._check_records()
        return self.folder

    def _check_records(self) -> None:
        # A file with the right digest may still come from another version of adaptx.
        _ = self.result
        if self.kind == "train":
            _ = self.steps
        if self.kind == "evaluate":
            _ = self.golds, self.mixing

    def _read(self, record: type[T], file: Path) -> T:
        try:
            return read_record(record, file)
        except Unreadable as error:
            raise foreign(self.folder, file, error) from error
