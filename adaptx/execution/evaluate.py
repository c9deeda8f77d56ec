"""Carry out evaluations: predict the rows of a task in one language, and store predictions, scores and gold answers."""

import contextlib
import logging
import time
from collections.abc import Callable, Generator
from dataclasses import replace

from adaptx.catalog.languages import language_name
from adaptx.composition.mixing_record import MixingRecord
from adaptx.evaluation.evaluator import Evaluator, scores
from adaptx.evaluation.text_statistics import text_statistics
from adaptx.execution.building import FinishedModel, finished_model, head_name
from adaptx.execution.environment import environment
from adaptx.execution.workshop import Workshop
from adaptx.formats.interface import Predictions, reading_of
from adaptx.metrics.one_class import one_class_notes, sentences
from adaptx.planning.framings import evaluation_framing
from adaptx.planning.identity import evaluation_precision, golds_digest
from adaptx.planning.lineage import answering_training, head_task, task_used
from adaptx.planning.naming import factors, fused_names
from adaptx.planning.plan import Node, stage_record
from adaptx.profiling.peak_memory import PeakMemory, peak_memory
from adaptx.specs import Evaluate, Fuse, ModelSpec, Published, Text, Train
from adaptx.store.mixing import MIXING_FILE, FusedModule, MixingWeights
from adaptx.store.record_json import to_json
from adaptx.store.records import SCORES_FILE, Golds, Scores
from adaptx.store.store import json_bytes, write_json
from adaptx.store.writing import written_whole
from adaptx.training.progress import Progress, noting

_log = logging.getLogger(__name__)

HEADLESS_MAX_LENGTH = 512


@contextlib.contextmanager
def evaluating(shop: Workshop, progress: Progress) -> Generator[Callable[[Node], None]]:
    """Yield a function that carries out one evaluation per call, all of the same model, which is loaded only once.

    If loading fails, every evaluation fails with the same error.
    """
    with peak_memory(shop.device) as peak:
        models: list[FinishedModel] = []
        failures: list[Exception] = []

        def loaded(stage: Evaluate) -> FinishedModel:
            if failures:
                raise failures[0]
            if not models:
                try:
                    models.append(finished_model(stage.model, shop, evaluation_precision(stage)))
                except Exception as error:  # the libraries below raise errors of any kind
                    failures.append(error)
                    raise
            return models[0]

        def execute(node: Node) -> None:
            stage = node.stage
            assert isinstance(stage, Evaluate)
            _store_scores(node, *evaluate(node, loaded(stage), shop, progress, peak), shop)

        yield execute


def _store_scores(node: Node, result: Scores, mixing: MixingWeights | None, shop: Workshop) -> None:
    with shop.store.building(stage_record(node), result.golds_file) as folder:
        write_json(folder / SCORES_FILE, to_json(result))
        model = node.stage.model
        if mixing is not None and isinstance(model, Train):
            fused = [
                None if isinstance(each, Published) else shop.fingerprint_of(each) for each in model.module_sources
            ]
            modules = tuple(map(FusedModule, fused_names(model), fused))
            write_json(folder / MIXING_FILE, to_json(replace(mixing, modules=modules)))


def evaluate(
    node: Node, model: FinishedModel, shop: Workshop, progress: Progress, peak: PeakMemory
) -> tuple[Scores, MixingWeights | None]:
    """Predict an evaluation's rows. Return the scores, and the mixing weights if the model is a fusion (else None)."""
    stage = node.stage
    assert isinstance(stage, Evaluate)
    rows = stage.task.rows_in(stage.language)
    examples = shop.rows.rows(rows, stage.task.format, stage.limit)
    used = head_task(stage)
    head = None
    if used is not None and not isinstance(stage.model, ModelSpec):
        # A task that was trained as text has no head.
        head = model.heads.get(head_name(answering_training(stage.model), used))
    fused = isinstance(stage.model, Train) and isinstance(stage.model.start, Fuse)
    evaluator = make_evaluator(stage, model, shop, progress, node.name)
    evaluator.record = MixingRecord(model.backbone) if fused else None
    began = time.perf_counter()
    with evaluator.record or contextlib.nullcontext():
        predicted = evaluator.predict(examples, stage.task, head)
    seconds = time.perf_counter() - began
    one_class = one_class_notes(stage.task.format, predicted.predictions, predicted.golds or [])
    for sentence in sentences(one_class, len(predicted.predictions)):
        place = f"{factors(stage).label}, {stage.task.name} in {language_name(stage.language)}"
        noting(progress, _log, logging.WARNING)(f"{place}: {sentence}")
    statistics = text_statistics(predicted.inputs.texts, predicted.inputs.encoded, model.tokenizer)
    result = Scores(
        task=stage.task.name,
        language=stage.language,
        metrics=scores(stage.task, predicted, stage.language),
        predictions=predicted.predictions,
        golds_file=keep_golds(stage, predicted, examples.clusters, shop),
        details=predicted.details,
        one_class=one_class,
        rows_used=len(predicted.rows),
        rows_expected=rows.expected,
        left_out=(*examples.left_out, *evaluator.pool_left_out),
        tokens_per_word=statistics.tokens_per_word,
        unknown_share=statistics.unknown_share,
        truncated_share=statistics.truncated_share,
        seconds=seconds,
        # This peak covers loading the model and all sets of the group up to this one.
        peak_memory_bytes=peak.peak_bytes,
        memory_measure=peak.measure,
        environment=environment(shop.device),
    )
    return result, evaluator.record.means(predicted.inputs.encoded) if evaluator.record is not None else None


def make_evaluator(stage: Evaluate, model: FinishedModel, shop: Workshop, progress: Progress, name: str) -> Evaluator:
    """Return an evaluator that reads texts with the evaluation's framing.

    Texts are cut to the `max_length` of the model's training if that training used the same framing, or if the model
    answers as text. Otherwise, and for bare checkpoints, texts are cut to at most 512 tokens.
    """
    framing = evaluation_framing(stage)
    length = min(HEADLESS_MAX_LENGTH, model.backbone.most_tokens)
    if not isinstance(stage.model, ModelSpec) and (isinstance(framing, Text) or task_used(stage) is not None):
        length = answering_training(stage.model).config.max_length
    reading = reading_of(stage.checkpoint, model.tokenizer, framing, length)
    precision = evaluation_precision(stage)
    return shop.evaluator(model.backbone, reading, precision, stage.limit, model.memory, progress, name)


def keep_golds(stage: Evaluate, predicted: Predictions, clusters: tuple[int, ...], shop: Workshop) -> str:
    """Write the gold answers of an evaluation set to a file, if that file does not exist yet, and return its name.

    All evaluations on the set share the file. An existing file with other content is damaged, and is set aside.

    clusters: the index of each row's cluster (`adaptx.data.clusters`); empty if the format has no clusters.
    """
    rows = stage.task.rows_in(stage.language)
    digest = golds_digest(stage.task, rows, stage.limit, shop.sources)
    file = shop.store.golds_file(stage.task.name, stage.language, digest)
    assert predicted.golds is not None
    golds = Golds(
        task=stage.task.name,
        language=stage.language,
        golds=predicted.golds,
        rows=tuple(predicted.rows),
        clusters=clusters,
    )
    content = json_bytes(to_json(golds))
    if file.exists() and not (file.is_file() and file.read_bytes() == content):
        # Another run may have set it aside at the same moment.
        with contextlib.suppress(FileNotFoundError):
            shop.store.set_aside(file)
    if not file.exists():
        with written_whole(file) as part:
            part.write_bytes(content)
    return file.name
