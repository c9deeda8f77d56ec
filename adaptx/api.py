"""The interface that notebooks and the command line share.

study = adaptx.open("recipes/quickstart.py", data="sample")
study.plan
study.run()
study.gains()
"""

import contextlib
import os
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptx.errors import StagesFailed, UserError
from adaptx.planning.damage import left_out_lines
from adaptx.planning.edits import Edits
from adaptx.planning.naming import stage_name
from adaptx.planning.plan import Plan, make_plan
from adaptx.planning.recipe_file import load_recipe
from adaptx.sources.sources import Resolve, Sources
from adaptx.specs import Evaluate, ModelSpec, ModuleStage, Recipe, Resources
from adaptx.specs.training import PRECISIONS, Precision, precision_refusal
from adaptx.store.store import Store

if TYPE_CHECKING:
    from adaptx.display.plan_table import PlanTable
    from adaptx.display.progress import Watcher
    from adaptx.display.run_progress import RunProgress
    from adaptx.execution.schedule import Summary
    from adaptx.execution.workshop import Workshop
    from adaptx.exporting.loaded import LoadedModel
    from adaptx.report.report import Report
    from adaptx.tracking.address import Address

DEFAULT_STORE = Path("adaptx-store")


def open(  # noqa: A001
    recipe: Recipe | str | os.PathLike[str],
    *,
    store: str | os.PathLike[str] = DEFAULT_STORE,
    data: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    precision: str | None = None,
    settings: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] | None = None,
) -> "Study":
    """Return a study, which plans a recipe and can run it. Opening it uses no network and loads no model.

    Args:
        recipe: a Recipe, or the path of a Python file whose `build()` returns one.
        store: folder of finished stages. It is created when the first stage is stored.
        data: folder of a local mirror of the hub, or `sample` for the rows in the package; None is the hub.
        limit: maximum number of training rows per task, and of scored rows per language. Every run draws the same rows.
        precision: `fp32` or `bf16` for every stage; None keeps the precision of each stage.
        settings: keyword arguments for the file's `build()`. Strings are parsed as on the command line.
        tell: function that is called with a line of text for each damaged stage in the store. None writes the lines to
            standard error.

    Raises:
        UserError: a bad recipe or option, a combination that is refused, or missing rows or weights.
    """
    given = OpenArguments(
        recipe=recipe,
        data=data if data is None else str(data),
        limit=limit,
        precision=_known(precision),
        settings=dict(settings or {}),
    )
    return Study(given, Store(Path(store)), tell or _tell)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _known(precision: str | None) -> Precision | None:
    if precision is not None and (reason := precision_refusal(precision)):
        raise UserError(f"--precision {precision}: {reason}")
    return next((known for known in PRECISIONS if known == precision), None)


@dataclass(frozen=True, kw_only=True)
class OpenArguments:
    """The arguments of `open` that decide which stages a plan contains."""

    recipe: Recipe | str | os.PathLike[str]
    data: str | None
    limit: int | None
    precision: Precision | None
    settings: Mapping[str, Any]

    def plan(self, sources: Sources, store: Store) -> Plan:
        """Return the plan. Learning rates are those that the scores in the store choose.

        Raises:
            UserError: as in `open`.
        """
        if isinstance(self.recipe, Recipe):
            if self.settings:
                raise UserError(
                    f"settings={dict(self.settings)}: settings are arguments of a file's build(), and this recipe is "
                    "not a file; change the recipe itself, or open its file"
                )
            return make_plan(Edits(self.limit, self.precision).recipe(self.recipe), sources, store)
        return make_plan(load_recipe(self.recipe, self.settings, self.limit, self.precision), sources, store)


class Study:
    """A planned recipe with a store. It runs the recipe, returns its scores and gains, and loads its models.

    Attributes:
        store: the folder of finished stages.
        sources: where rows and weights are read.
        dag: the plan as a value. The property `plan` shows it as a table.
    """

    def __init__(self, given: OpenArguments, store: Store, tell: Callable[[str], None]) -> None:
        self.store = store
        self._given, self._tell = given, tell
        self._resolve: Resolve | None = None
        self._make_plan()

    def __repr__(self) -> str:
        return f"<Study of {self.recipe.name}: {len(self.dag.nodes)} stages, in {self.store.root}>"

    @property
    def recipe(self) -> Recipe:
        """The recipe. The `limit` and `precision` given to `open` are already in its stages."""
        return self.dag.recipe

    @property
    def plan(self) -> "PlanTable":
        """The plan as a table: which stages are stored, and the estimated cost of the others."""
        from adaptx.display.plan_table import PlanTable

        self._refresh_store()
        return PlanTable(self.dag, self.store)

    def resolve(self) -> None:
        """Ask the hub for the commits of rows and weights that are not available locally, and plan again.

        Raises:
            UserError: the hub does not answer.
        """
        from adaptx.data.hub import resolve_commit

        if not all(node.identity.resolved for node in (*self.dag.nodes, *self.dag.later)):
            self._resolve = resolve_commit
            self._make_plan()

    def run(
        self,
        *,
        workers: int = 1,
        device: str | None = None,
        keep: bool = False,
        resources: Resources | None = None,
        gpu: str | None = None,
        too_large: bool = False,
        tracking: str | None = None,
        progress: "Watcher | None" = None,
    ) -> "Summary":
        """Run the stages that are not stored, and record their results in the store and in MLflow.

        Return a summary, which a notebook shows as what ran and what gained.

        If the recipe searches for learning rates (`tune`), the searches run first, and then the trainings that use the
        chosen rates. An interrupted run continues from its saved states when `run` is called again.

        Args:
            workers: number of processes that run stages at the same time. Each has a GPU of its own, or an equal share
                of the CPU.
            device: `cpu`, `cuda`, `cuda:1` or `mps`; None is the best available one.
            keep: whether to keep the weights of fully fine-tuned target models after their scores are stored.
            resources: settings that change memory and time but not results, such as the micro-batch size.
            gpu: memory that stages may use on the device, such as `24GiB`; None is all of its memory.
            too_large: whether to run trainings even if they are predicted not to fit into memory.
            tracking: address of MLflow; None is MLFLOW_TRACKING_URI if that is set, and otherwise a database in the
                store.
            progress: object that is informed of progress; None shows it in the terminal or notebook.

        Raises:
            StagesFailed: some stages failed. Stages that do not need them are stored.
            UserError: a bad option, missing rows, or a training that does not fit. Nothing was run.
        """
        from adaptx.costs.run_clock import RunClock
        from adaptx.costs.speeds import stored_speeds
        from adaptx.display.progress import here
        from adaptx.display.run_progress import OverallLine, RunProgress
        from adaptx.execution.too_large import refuse_too_large
        from adaptx.tracking.address import address_of

        address = address_of(tracking, self.store).check()
        self._refresh_store()
        self.resolve()
        shop = self._workshop(resources or Resources(), device)
        if not too_large:
            refuse_too_large(self.dag, self.dag.statuses(self.store, keep), shop, gpu, workers)
        with contextlib.closing(progress or here()) as watcher:
            run = OverallLine(watcher, RunClock(workers, stored_speeds(self.dag, self.store)))
            summary = self._run_all(shop, RunProgress(watcher, run), address, keep, workers)
        if not summary.complete:
            names = {node.fingerprint: node.name for node in self.dag.nodes}
            errors = {names[key]: error for key, error in summary.errors.items()}
            raise StagesFailed({names[key]: cause for key, cause in summary.failed.items()}, errors)
        summary.verdicts = self._verdicts
        return summary

    def _verdicts(self) -> list[str]:
        from adaptx.report.page.verdict_lines import verdict_lines

        self._refresh_store()
        with self._left_out_told_at_end():
            return verdict_lines(self.dag, self.store)

    def _run_all(
        self, shop: "Workshop", progress: "RunProgress", address: "Address", keep: bool, workers: int
    ) -> "Summary":
        """Run the plan, and again for as long as finished searches add stages to it."""
        summary = self._run_recorded(shop, progress, address, keep, workers)
        while summary.complete and self.dag.later:
            made = len(self.dag.choices)
            self._refresh_store()
            assert len(self.dag.choices) > made, "a search is stored, and no learning rate was chosen"
            shop = replace(shop, store=self.store, fingerprint_of=self.dag.fingerprint_of)
            summary += self._run_recorded(shop, progress, address, keep, workers)
        return summary

    def _workshop(self, resources: Resources, device: str | None) -> "Workshop":
        from adaptx.execution.workshop import Workshop, choose_device

        resources = resources if device is None else replace(resources, device=device)
        return Workshop(
            store=self.store,
            sources=self.sources,
            fingerprint_of=self.dag.fingerprint_of,
            resources=resources,
            device=choose_device(resources),
        )

    def _run_recorded(
        self, shop: "Workshop", progress: "RunProgress", address: "Address", keep: bool, workers: int
    ) -> "Summary":
        from adaptx.display.plan import tell_weights_that_go
        from adaptx.display.tuning import tuning_lines
        from adaptx.execution.local import run as run_locally
        from adaptx.planning.unread import unread
        from adaptx.tracking.recorder import Recorder

        weights = () if keep else tell_weights_that_go(self.dag, self.store)
        for line in (*tuning_lines(self.dag), *unread(self.dag), *weights):
            progress.note(line)
        with Recorder(address, self.store, progress.note, self.dag) as recorder, self._left_out_told_at_end():
            return run_locally(self.dag, shop, progress, keep, after=recorder.look, workers=workers, overall=progress)

    def scores(self) -> Any:
        """Return the stored scores as a pandas.DataFrame with one row per variant, task, language, seed and metric.

        `value` is a share in [0, 1]. `.attrs["missing"]` names the evaluations that are not stored.
        """
        from adaptx.report.tables.tidy import tidy

        self._refresh_store()
        with self._left_out_told_at_end():
            return tidy(self.dag, self.store)

    def gains(self, *, by_seed: bool = False) -> Any:
        """Return the gains over the matched baselines as a pandas.DataFrame.

        There is one row per variant, quantity and metric. `gain` is a share, with a 95 % confidence interval from `low`
        to `high` and a two-sided `p`. They account for the variation over test rows and, with three or more seeds
        (`seeds_compared`), over seeds. `holm_p`, `corrected_low` and `corrected_high` are corrected for the comparisons
        of the `family`. If several rows are one test, such as the source languages and English, they have one verdict.

        Args:
            by_seed: whether to return one row per seed, variant, quantity and metric instead, with `score`,
                `baseline_score` and `gain`.
        """
        from adaptx.report.gains.compare import compare
        from adaptx.report.results.measured import measure
        from adaptx.report.tables.tidy import gains_frame, seed_gains_frame

        self._refresh_store()
        with self._left_out_told_at_end():
            if by_seed:
                return seed_gains_frame(measure(self.dag, self.store))
            return gains_frame(compare(self.dag.recipe, measure(self.dag, self.store)).gains)

    def contrasts(self) -> Any:
        """Return the recipe's contrasts as a pandas.DataFrame with one row per contrast.

        `difference` is a share, with a 95 % interval from `low` to `high`. `holm_p`, `corrected_low` and
        `corrected_high` are corrected for all contrasts. A contrast that is also a gain has the verdict of the primary
        one of the two (`family`). `note` says why a contrast has no difference or interval.
        """
        from adaptx.report.gains.compare import compare
        from adaptx.report.results.measured import measure
        from adaptx.report.tables.tidy import contrasts_frame

        self._refresh_store()
        with self._left_out_told_at_end():
            return contrasts_frame(compare(self.dag.recipe, measure(self.dag, self.store)).contrasts)

    def power(self, *, seed_deviation: float | None = None, row_deviation: float | None = None) -> Any:
        """Return the gains that this design can detect, as a pandas.DataFrame.

        There is one row per primary comparison and design: the planned design (`planned`), then designs with other
        numbers of seeds and test rows. A true gain of `detectable` would be found in 4 of 5 experiments. A true gain of
        `corrected` would still be found after correction for `family_size` comparisons. Both are shares. No stage needs
        to be stored.

        Args:
            seed_deviation: standard deviation of a gain over seeds on the same test rows, as a share. None is that of
                the stored scores or, without any, 0.02.
            row_deviation: standard deviation over test rows of the difference between two models. None is that of the
                stored scores or, without any, 0.5.

        Raises:
            UserError: the recipe has nothing to compare, or a set of test rows cannot be read.
        """
        from adaptx.report.power.power import Given, compute_power
        from adaptx.report.power.tables import power_frame

        self._refresh_store()
        given = Given(rows=row_deviation, seeds=seed_deviation)
        with self._left_out_told_at_end():
            return power_frame(compute_power(self.dag, self.store, self.sources, given))

    def report(
        self,
        folder: str | os.PathLike[str] = "adaptx-report",
        *,
        tracking: str | None = None,
        commands: Sequence[str] = (),
        wide_table: bool = False,
    ) -> "Report":
        """Write report.html, tables and plots of the stored results into a folder, and record them in MLflow.

        Args:
            folder: folder to write into.
            tracking: address of MLflow, as in `run`.
            commands: command lines that the page shows under "Reproduce".
            wide_table: whether table-main.tex is as wide as a page of two columns, instead of one column.

        Raises:
            UserError: no evaluation of the recipe is stored.
        """
        from adaptx.report import write_report
        from adaptx.tracking.address import address_of
        from adaptx.tracking.recorder import Recorder
        from adaptx.tracking.records import Records, report_record

        self._refresh_store()
        root = self.store.root
        address = address_of(tracking, self.store)
        # A report can also be written on a store that one may only read, such as a colleague's.
        reads_only = address.own and root.is_dir() and not os.access(root, os.W_OK)
        if not reads_only:
            address.check()
        with self._left_out_told_at_end():
            written = write_report(self.dag, self.store, Path(folder), commands, wide_table)
        if reads_only:
            self._tell(f"{root} cannot be written to, so this report is not recorded in MLflow; name another database "
                       "with --tracking")  # fmt: skip
        else:
            with Recorder(address, self.store, self._tell, self.dag) as recorder:
                for record in Records(self.dag, self.store).with_metrics(written.variant_metrics):
                    recorder.add(record)
                recorder.add(report_record(self.recipe.name, written.fingerprint, written.files, written.metrics))
        return written

    def load(self, stage: ModuleStage | Evaluate | str, *, device: str | None = None) -> "LoadedModel":
        """Return a stored training or merge as a model that predicts.

        Args:
            stage: a training or merge of the recipe, or an evaluation, whose model is then loaded. A string is the name
                of a stage's folder, or a prefix of its fingerprint.
            device: as in `run`.

        Raises:
            UserError: the stage is not stored, or its weights were removed after its scores were stored.
        """
        from adaptx.execution.serving import open_module
        from adaptx.exporting.loaded import LoadedModel

        self._refresh_store()
        with self._left_out_told_at_end():
            name = stage if isinstance(stage, str) else self._stored_name(stage)
            return LoadedModel(*open_module(self.store, self.sources, name, Resources(device)))

    def _stored_name(self, stage: ModuleStage | Evaluate) -> str:
        module = stage.model if isinstance(stage, Evaluate) else stage
        if isinstance(module, ModelSpec):
            raise UserError(
                f"{module.name} is a bare checkpoint and not a stage; load it with transformers, or name a training or "
                "merge"
            )
        edited = self.dag.chosen(Edits(self._given.limit, self._given.precision).module(module))
        fingerprint = self.dag.fingerprint_of(edited)
        if (entry := self.store.find(fingerprint)) is None:
            where = "study.run() makes it" if fingerprint in self.dag.modules else "it is not part of this study"
            raise UserError(f"{stage_name(edited)} is not stored in {self.store.root}; {where}")
        return entry.folder.name

    def _refresh_store(self) -> None:
        # Other processes may have stored or removed stages, and so may have finished a search for learning rates.
        self.store = Store(self.store.root)
        if self.dag.later:
            self._make_plan()

    def _make_plan(self) -> None:
        self.sources = Sources(self._given.data, self.store.root / "digests.json", self._resolve)
        self.dag = self._given.plan(self.sources, self.store)

    @contextlib.contextmanager
    def _left_out_told_at_end(self) -> Generator[None]:
        try:
            yield
        finally:
            for line in left_out_lines(self.store):
                self._tell(line)
