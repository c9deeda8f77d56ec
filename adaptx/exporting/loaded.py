"""A stored training or merge as a Python object, which predicts, and gives its network or a peft model."""

import tempfile
import warnings
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from adaptx.backbones.loading import load_network
from adaptx.data.containers import container_table, index_of
from adaptx.errors import UserError
from adaptx.execution.building import FinishedModel, finished_model, head_name
from adaptx.execution.serving import predict_table, readable_task
from adaptx.execution.workshop import Workshop
from adaptx.exporting.base import base_name
from adaptx.exporting.composed import composed
from adaptx.exporting.holding import Library, holding_refusal
from adaptx.exporting.peft_folder import write_peft
from adaptx.methods.peft_model import read_peft
from adaptx.planning.lineage import answering_training
from adaptx.planning.naming import path_of_tasks
from adaptx.specs import ModuleStage
from adaptx.specs.sites import sites_of
from adaptx.store.entry import Entry

if TYPE_CHECKING:
    import pandas as pd


class LoadedModel:
    """A stored training or merge. Its weights are read from the store when they are first needed.

    stage: the spec of the training or merge.
    """

    def __init__(self, entry: Entry, stage: ModuleStage, shop: Workshop) -> None:
        self.stage = stage
        self._entry, self._shop = entry, shop

    def __repr__(self) -> str:
        return f"<LoadedModel {self._entry.folder.name}: {path_of_tasks(self.stage)} on {self._shop.device}>"

    @property
    def network(self) -> Any:
        """The checkpoint's network with all modules in it, without the heads."""
        return self._finished.backbone.network

    @property
    def tokenizer(self) -> Any:
        return self._finished.tokenizer

    @property
    def heads(self) -> dict[str, nn.Module]:
        """The trained heads by task name. Tasks that are answered as text or by comparing embeddings have no head."""
        train, found = answering_training(self.stage), self._finished.heads
        named = {task.name: found.get(head_name(train, task)) for task in train.tasks}
        return {name: head.module for name, head in named.items() if head is not None}

    def predict(self, rows: Any, language: str | None = None) -> "pd.DataFrame":
        """Return one prediction per row, with the format's details (probabilities or a score).

        Args:
            rows: a list of texts; a list of pairs of texts, in the order of the format's roles; or a list of dicts, a
                pandas.DataFrame or a datasets.Dataset, with the task's columns or the format's roles as names.
            language: code of the rows' language; needed if the prompt depends on it and the task has several languages.

        Raises:
            UserError: the rows have another form, columns are missing, a row does not fit the format, or the task is
                not answered row by row.
        """
        import pandas as pd

        task = readable_task(self._entry, self.stage)
        table = container_table(rows, "the given rows", task)
        records = predict_table(self._finished, self.stage, task, self._shop, table, language, warnings.warn)
        index = index_of(rows, [record.pop("row") for record in records])
        return pd.DataFrame(records, index=index)

    def to_peft(self) -> Any:
        """Return a new peft.PeftModel in memory, without a head, whose outputs equal those of `network`.

        Raises:
            UserError: the network has other parts than the checkpoint and LoRA or IA3 modules. The message names them.
        """
        stage, shop = self.stage, self._shop
        if (reason := holding_refusal(Library.PEFT, stage)) is not None:
            raise UserError(
                f"{self._entry.folder.name} cannot become a peft model: {reason} (--to is an option of `adaptx export`)"
            )
        network: Any = load_network(stage.model, shop.sources)
        base = base_name(stage.model, shop.sources)
        with tempfile.TemporaryDirectory() as folder:
            write_peft(composed(stage, shop).merged, sites_of(network), stage.model, base, Path(folder))
            return read_peft(network, Path(folder)).to(shop.device)

    @cached_property
    def _finished(self) -> FinishedModel:
        return finished_model(self.stage, self._shop, answering_training(self.stage).config.precision)
