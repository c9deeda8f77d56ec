"""Exported folders compute the same in peft, adapters and transformers, in a process that cannot import adaptx."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support import needs, tiny
from support.outside import outside

from adaptx.backbones.batching import collate, encode_texts
from adaptx.errors import UserError
from adaptx.execution.building import finished_model
from adaptx.exporting.export import export_stage
from adaptx.exporting.holding import Library, find_library, holding_refusal
from adaptx.exporting.own_model import CODE_FILE
from adaptx.exporting.script import SCRIPT_FILE
from adaptx.planning.lineage import answering_training
from adaptx.specs import (
    Attention,
    Bottleneck,
    Full,
    Fuse,
    Gate,
    Hidden,
    Ia3,
    KeptHeadOf,
    Linear,
    Lora,
    Merge,
    Merged,
    Mixture,
    ModelSpec,
    ModuleStage,
    NoHead,
    Pooling,
    Pretrained,
    Sequential,
    Stack,
    TaskArithmetic,
    Ties,
    Train,
)
from adaptx.store.store import Store

PLAIN = ModelSpec("tiny/bert")
LORA, WIDE, DOWN = Lora(4, 8), Lora(6, 24, sites=("query", "key", "output")), Lora(3, 6, sites=("down", "up"))
BIASED = Lora(4, 8, 0.0, ("query", "up"), True, (("up", 6),), (("query", 12),))
IA3, MORE_IA3 = Ia3(), Ia3(("query", "key", "up", "down"))
ADAPTER, GELU = Bottleneck(4), Bottleneck(2, "gelu")
SETTING = tiny.config(learning_rate=2e-2, max_steps=4, batch_size=16)
TEXTS = ["bato", "dino bafu fego", "", "kobo gufa lego bato dino", "gufa", "xyz dino", " ".join(["dino", "kobo"] * 90)]
OURS = "adaptx"


def nli(method: Any, start: Any = None, task: Any = tiny.NLI, model: ModelSpec = PLAIN, **more: Any) -> Train:
    return tiny.train(model, task, method, setting=SETTING, start=start or Pretrained(), keep=True, **more)


def topic(method: Any, start: Any = None, **more: Any) -> Train:
    return nli(method, start, tiny.TOPIC, **more)


def build(case: str, model: ModelSpec) -> ModuleStage:
    def on(method: Any) -> Train:
        return topic(method, model=model)

    merges: dict[str, tuple[Any, Any, Any]] = {
        "merged-lora": (LORA, WIDE, Ties(0.5)),
        "merged-biased": (LORA, BIASED, TaskArithmetic(0.7)),
        "merged-full": (Full(), Full(), Linear((0.75, 0.25))),
        "merged-ia3": (IA3, IA3, TaskArithmetic(0.7)),
        "merged-bottleneck": (ADAPTER, ADAPTER, Linear()),
    }
    if case in merges:
        one, other, rule = merges[case]
        return Merge((nli(one, model=model), on(other)), rule, KeptHeadOf(0), keep=True)
    starts: dict[str, tuple[Any, Any]] = {
        "lora": (LORA, None),
        "biased": (BIASED, None),
        "biased-stack": (BIASED, Stack((on(BIASED), on(LORA)))),
        "lora-over-down": (WIDE, Sequential(on(DOWN))),
        "lora-stack": (LORA, Stack((on(LORA), on(WIDE)))),
        "lora-over-full": (LORA, Sequential(on(Full()))),
        "full": (Full(), None),
        "full-over-lora": (Full(), Sequential(on(LORA))),
        "ia3": (IA3, None),
        "ia3-stack": (IA3, Stack((on(IA3), on(MORE_IA3)))),
        "ia3-over-lora": (MORE_IA3, Sequential(on(LORA))),
        "lora-over-ia3": (LORA, Sequential(on(IA3))),
        "full-over-ia3": (Full(), Sequential(on(MORE_IA3))),
        "bottleneck-over-ia3": (ADAPTER, Sequential(on(IA3))),
        "bottleneck": (GELU, None),
        "bottleneck-stack": (ADAPTER, Stack((on(GELU), on(ADAPTER)))),
        "bottleneck-fuse": (ADAPTER, Fuse((on(ADAPTER), nli(ADAPTER, model=model)))),
        "bottleneck-over-lora": (ADAPTER, Sequential(on(LORA))),
        "lora-over-bottleneck": (LORA, Sequential(on(ADAPTER))),
        "bottleneck-over-full": (ADAPTER, Sequential(on(Full()))),
        "lora-over-merged": (LORA, Merged(Merge((on(LORA), on(DOWN)), Linear(), NoHead()))),
    }
    method, start = starts[case]
    # The first token's state in one case, and an inner layer's in another, under which no class of the libraries reads.
    framing = {"lora": Hidden(pooling=Pooling.FIRST), "full": Hidden(layer=1, prefix="bato ")}.get(case)
    return nli(method, start, model=model, framing=framing)


HELD: dict[str, tuple[Library, ...]] = {
    "lora": (Library.PEFT, Library.TRANSFORMERS),
    "lora-over-down": (Library.PEFT, Library.TRANSFORMERS),
    "lora-stack": (Library.PEFT, Library.TRANSFORMERS),
    "lora-over-full": (Library.TRANSFORMERS,),
    "full": (Library.TRANSFORMERS,),
    "full-over-lora": (Library.TRANSFORMERS,),
    "ia3": (Library.PEFT, Library.TRANSFORMERS),
    "ia3-stack": (Library.PEFT, Library.TRANSFORMERS),
    "ia3-over-lora": (Library.TRANSFORMERS,),
    "lora-over-ia3": (Library.TRANSFORMERS,),
    "full-over-ia3": (Library.TRANSFORMERS,),
    "merged-ia3": (Library.PEFT, Library.TRANSFORMERS),
    "bottleneck-over-ia3": (Library.ADAPTERS,),
    "bottleneck": (Library.ADAPTERS,),
    "bottleneck-stack": (Library.ADAPTERS,),
    "bottleneck-fuse": (Library.ADAPTERS,),
    "bottleneck-over-lora": (Library.ADAPTERS,),
    "lora-over-bottleneck": (Library.ADAPTERS,),
    "bottleneck-over-full": (Library.ADAPTERS,),
    "merged-lora": (Library.PEFT, Library.TRANSFORMERS),
    "biased": (Library.PEFT, Library.TRANSFORMERS),
    "biased-stack": (Library.PEFT, Library.TRANSFORMERS),
    "merged-biased": (Library.PEFT, Library.TRANSFORMERS),
    "merged-full": (Library.TRANSFORMERS,),
    "merged-bottleneck": (Library.ADAPTERS,),
    "lora-over-merged": (Library.PEFT, Library.TRANSFORMERS),
}
CASES = [case for case in HELD if needs.HAS_ADAPTERS or "bottleneck" not in case]


@pytest.fixture(scope="module")
def store(world, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    stages = tuple(
        tiny.Evaluate(build(case, model), tiny.NLI, "xa") for model in world.models.values() for case in CASES
    )
    _, _, summary = tiny.execute(world, folder, stages, keep=True)
    assert summary.complete, summary.failed
    return folder


def shop_of(world: Any, store: Path, *stages: ModuleStage) -> Any:
    return tiny.workshop(world, store, tuple(tiny.Evaluate(stage, tiny.TATOEBA, "xa") for stage in stages))[1]


def folder_name(world: Any, store: Path, stage: ModuleStage) -> str:
    shop = shop_of(world, store, stage)
    return shop.entry(stage).folder.name


def ids_of(encoded: Any) -> list[dict[str, list[int]]]:
    types = encoded.types or [None] * len(encoded)
    return [
        {"input_ids": ids, **({"token_type_ids": kinds} if kinds is not None else {})}
        for ids, kinds in zip(encoded.ids, types, strict=True)
    ]


def here(world: Any, store: Path, stage: ModuleStage) -> tuple[Any, list[torch.Tensor], list[torch.Tensor]]:
    """Sequences, with adaptx' own last hidden states and logits of each."""
    finished, train = finished_model(stage, shop_of(world, store, stage), "fp32"), answering_training(stage)
    framing = train.framing or train.model.framing
    encoded = encode_texts(finished.tokenizer, TEXTS, TEXTS[::-1], framing.prefix, train.config.max_length)
    (head,) = finished.heads.values()
    hidden, logits = [], []
    with torch.no_grad():
        for index in range(len(encoded)):
            batch = collate(encoded, [index], torch.device("cpu"))
            hidden.append(finished.backbone.hidden(batch)[: len(encoded.ids[index])])
            logits.append(head.module(finished.backbone.pooled(batch, framing))[0])
    return encoded, hidden, logits


def imports(script: Path, package: str) -> bool:
    lines = (line.split() for line in script.read_text().splitlines() if line.startswith(("import ", "from ")))
    return package in [words[1].partition(".")[0] for words in lines]


def assert_equal(found: list[Any], expected: list[torch.Tensor]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(expected, found, strict=True):
        torch.testing.assert_close(torch.tensor(theirs), ours, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_exported_folders_compute_the_same_without_adaptx(world, store, architecture, tmp_path):
    """Last hidden states by the library's own loading, and logits by its class or predict.py, to 1e-5 in fp32."""
    jobs, expected = list[dict[str, Any]](), list[Any]()
    for case in CASES:
        train = build(case, world.models[architecture])
        encoded, hidden, logits = here(world, store, train)
        for library in HELD[case]:
            folder = tmp_path / f"{case}-{library.value}"
            name = folder_name(world, store, train)
            written = export_stage(Store(store), world.sources, name, library, folder)
            rows = [list(pair) for pair in zip(TEXTS, TEXTS[::-1], strict=True)]
            job = {"folder": str(folder), "library": library.value, "base": f"tiny/{architecture}",
                   "ids": ids_of(encoded), "rows": rows}  # fmt: skip
            if library is Library.TRANSFORMERS:
                own = json.loads((folder / "config.json").read_text())["model_type"] == OURS
                # The library's class reads the first token of the last layer.
                assert own == (case != "lora")
                assert (CODE_FILE in written.files) == own
                job |= {"auto_class": "AutoModelForSequenceClassification", "own": own, "kind": "text"}
                if case == "full" and architecture == "xlm-roberta":
                    # This tokenizer makes a token of its own of the prefix's last space, which the card tells.
                    assert "An empty text is read without the token" in (folder / "README.md").read_text()
                    kept = [place for place, row in enumerate(rows) if all(row)]
                    job["rows"], logits = [rows[place] for place in kept], [logits[place] for place in kept]
            else:
                job["closed_to"] = ["AutoModelForSequenceClassification"] if library is Library.PEFT else []
                assert {"README.md", "predict.py", "head.safetensors", "tokenizer.json"} <= set(written.files)
            code = CODE_FILE if job.get("own") else "predict.py"
            assert job.get("own") is False or not imports(folder / code, "adaptx")
            jobs.append(job)
            expected.append((case, library, hidden, logits))
    bare = tiny.bare(world, architecture)
    batch = tiny.token_batch(world, architecture)
    for found, (case, library, hidden, logits) in zip(
        outside(jobs, tmp_path, world.folder / "models"), expected, strict=True
    ):
        try:
            assert found["wrongly_loaded"] == []
            assert_equal(found["hidden"], hidden)
            assert_equal(found["logits"], logits)
        except AssertionError as error:
            raise AssertionError(f"{case} to {library.value}: {error}") from error
    trained = finished_model(build(CASES[0], world.models[architecture]),
                             shop_of(world, store, build(CASES[0], world.models[architecture])), "fp32")  # fmt: skip
    difference = tiny.hidden_states(trained.backbone.network, batch) - tiny.hidden_states(bare, batch)
    assert difference.abs().max() > 0.02, "the module does nothing, so equality would prove nothing"


@pytest.mark.parametrize("case", HELD)
def test_what_a_folder_cannot_hold_is_refused_naming_one_that_can(case):
    for library in Library:
        reason = holding_refusal(library, build(case, PLAIN))
        if library in HELD[case]:
            assert reason is None
        else:
            assert reason is not None
            named = [each for each in Library if f"--to {each.value}" in reason]
            assert named
            assert set(named) <= set(HELD[case])


def test_a_method_that_cannot_be_folded_and_is_no_librarys_is_held_by_no_folder(monkeypatch):
    train = build("lora", PLAIN)
    monkeypatch.setattr(Lora, "fold_refusal", "they multiply")
    assert "cannot be merged into linear weights; use --to peft" in str(holding_refusal(Library.TRANSFORMERS, train))
    monkeypatch.setattr(Lora, "library", None)
    for library in (Library.TRANSFORMERS, Library.PEFT):
        assert "use `adaptx predict STAGE FILE`" in str(holding_refusal(library, train))


def test_fusion_over_lora_is_held_by_no_library():
    train = nli(LORA, Fuse((topic(LORA), nli(LORA))))
    for library in Library:
        assert "no library can load a fusion of Lora modules" in str(holding_refusal(library, train))


@pytest.mark.parametrize("mixing", [Gate(), Attention(rank=4)], ids=["gate", "attention of low rank"])
def test_mixing_rules_that_the_adapters_library_has_not_are_refused(mixing):
    adapter = Bottleneck(4)
    train = nli(adapter, Fuse((topic(adapter), nli(adapter)), mixing))
    for library in (Library.ADAPTERS, Library.TRANSFORMERS):
        assert "train Fuse with Attention()" in str(holding_refusal(library, train))


def test_a_library_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(UserError, match=r"--to onnx: choose one of peft, adapters, transformers"):
        find_library("onnx")


def test_the_peft_folder_names_what_it_changes(world, store, tmp_path):
    """Whole paths, so that a class which holds the network under another name does not take the module."""
    found = {}
    trains = {case: build(case, world.bert) for case in ("lora", "lora-over-down", "lora-stack", "biased")}
    trains["down"] = trains["lora-over-down"].inputs[0]
    for case, train in trains.items():
        name = folder_name(world, store, train)
        export_stage(Store(store), world.sources, name, Library.PEFT, tmp_path / case)
        found[case] = json.loads((tmp_path / case / "adapter_config.json").read_text())
    plain, patterned, stacked = (found[case] for case in ("lora", "lora-over-down", "lora-stack"))
    layers = r"encoder\.layer\.\d+\."
    assert plain["target_modules"] == rf"{layers}attention\.self\.query|{layers}attention\.self\.value"
    assert (plain["r"], plain["lora_alpha"], plain["rank_pattern"], plain["alpha_pattern"]) == (4, 8, {}, {})
    assert plain["base_model_name_or_path"] == "tiny/bert"
    assert set(found["down"]["target_modules"].split("|")) == {
        rf"{layers}output\.dense", rf"{layers}intermediate\.dense"
    }  # fmt: skip
    assert patterned["r"] == 6
    assert patterned["rank_pattern"]["encoder.layer.0.output.dense"] == 3
    assert patterned["alpha_pattern"]["encoder.layer.0.output.dense"] == 6
    # Two of rank 4 and one of rank 6 on the queries.
    assert stacked["r"] == 14
    biased = found["biased"]
    assert (biased["r"], biased["lora_alpha"], biased["lora_bias"], biased["bias"]) == (6, 8, True, "none")
    assert biased["rank_pattern"]["encoder.layer.1.attention.self.query"] == 4
    assert biased["alpha_pattern"]["encoder.layer.1.attention.self.query"] == 12


def test_the_card_says_what_was_trained_and_how_it_scored(world, store, tmp_path):
    train = build("lora", world.bert)
    shop = shop_of(world, store, train)
    entry = shop.entry(train)
    export_stage(Store(store), world.sources, entry.fingerprint[:12], Library.PEFT, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    (scored,) = [e for e in shop.store.entries().values() if e.record.inputs == (entry.fingerprint,)
                 and e.kind == "evaluate"]  # fmt: skip
    shown = f"{100 * scored.scores.metrics['accuracy']:.1f}"
    for line in (
        "library_name: peft",
        "base_model: tiny/bert",
        "| task | nli |",
        "lora-r4: `Lora(rank=4, alpha=8",
        f"| nli | xa | accuracy | {shown} | 30 / ? |",
        "| training rows (used / expected) | 60 / ? |",
        "first token, layer last",
        "in the precision of the training (fp32)",
        "base = AutoModel.from_pretrained('tiny/bert')",
        'model = PeftModel.from_pretrained(base, "DIR").eval()',
        "data of nli: not recorded",
        f"from the stage `{entry.folder.name}`",
    ):
        assert line in card, line


def test_the_card_of_a_merge_says_what_was_merged_and_how(world, store, tmp_path):
    name = folder_name(world, store, build("merged-lora", world.bert))
    export_stage(Store(store), world.sources, name, Library.PEFT, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    for line in (
        "# nli+topic · lora-r10",
        "| merged from | nli (seed 1), topic (seed 1) |",
        "| rule | `Ties(density=0.5)` |",
        "| head | `KeptHeadOf(place=0)`, of nli |",
        "| nli | xa | accuracy |",
        "data of topic: not recorded",
        f"from the stage `{name}`",
    ):
        assert line in card, line
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["r"] == 10


def test_a_merge_without_a_head_is_refused_with_what_can_be_exported(world, store, tmp_path):
    train = build("lora-over-merged", world.bert)
    assert isinstance(train, Train)
    (merge,) = train.inputs
    name = folder_name(world, store, merge)
    with pytest.raises(UserError, match=r"merged with NoHead\(\), but topic needs a head.*KeptHeadOf\(place\)"):
        export_stage(Store(store), world.sources, name, Library.PEFT, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_is_left_alone(world, store, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    name = folder_name(world, store, build("lora", world.bert))
    with pytest.raises(UserError, match="is not empty"):
        export_stage(Store(store), world.sources, name, Library.PEFT, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_weights_that_were_removed_are_refused_with_the_command_that_brings_them_back(world, tmp_path):
    train = tiny.train(world.bert, tiny.NLI, Full(), setting=SETTING)
    _, shop, summary = tiny.execute(world, tmp_path / "store", (tiny.Evaluate(train, tiny.NLI, "xa"),))
    assert summary.complete
    with pytest.raises(UserError, match=r"removed.*adaptx run RECIPE --keep"):
        export_stage(shop.store, world.sources, shop.entry(train).folder.name, Library.TRANSFORMERS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_head_of_a_mixture_is_chosen_by_name(world, tmp_path):
    train = tiny.train(world.bert, Mixture((tiny.NLI, tiny.TOPIC)), LORA, setting=SETTING)
    _, shop, summary = tiny.execute(world, tmp_path / "store", (tiny.Evaluate(train, tiny.NLI, "xa"),))
    assert summary.complete
    name = shop.entry(train).folder.name
    with pytest.raises(UserError, match=r"several tasks.*--task NAME among nli, topic"):
        export_stage(shop.store, world.sources, name, Library.PEFT, tmp_path / "out")
    with pytest.raises(UserError, match=r"--task sib: it was not trained on this task.*nli, topic"):
        export_stage(shop.store, world.sources, name, Library.PEFT, tmp_path / "out", "sib")
    export_stage(shop.store, world.sources, name, Library.PEFT, tmp_path / "out", "topic")
    assert repr(list(tiny.TOPICS)) in (tmp_path / "out" / SCRIPT_FILE).read_text()


def test_the_command_line_exports_and_the_script_answers(world, store, tmp_path):
    name = folder_name(world, store, build("lora", world.bert))
    ended = tiny.adaptx("export", name, tmp_path / "out", "--to", "peft", "--store", store, "--data", world.folder)
    assert "files in" in ended.stdout
    refused = tiny.adaptx(
        *("export", name, tmp_path / "other", "--to", "adapters", "--store", store, "--data", world.folder), check=2
    )
    assert "use --to peft or --to transformers" in " ".join(refused.stderr.split())
    (tmp_path / "rows.tsv").write_text("bato dino\tgufa\nkobo\n")
    command = [sys.executable, str(tmp_path / "out" / SCRIPT_FILE), str(tmp_path / "rows.tsv")]
    cwd = world.folder / "models"
    answered = subprocess.run(command, env=tiny.environment(), cwd=cwd, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in answered.stdout.splitlines()]
    assert [set(line) for line in lines] == [{"label", "logits"}] * 2
    assert all(line["label"] in tiny.LABELS for line in lines)
