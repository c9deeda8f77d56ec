"""Which tags the metrics of spans read, held against seqeval, and which are refused with the scheme's name."""

import json
import subprocess

import pytest
import seqeval.metrics
import seqeval.scheme
from support import tiny

from adaptx.catalog import E5_MINI
from adaptx.catalog.local import local_task
from adaptx.data.reading import read_training
from adaptx.errors import UserError
from adaptx.metrics import METRICS
from adaptx.metrics.cases import read_case, score_case
from adaptx.planning.plan import make_plan
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Lora, Recipe, Tagging, Train, TrainConfig
from adaptx.specs.tag_schemes import foreign_scheme, scheme_fault

READ = {
    "BIO": ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"),
    "IOB1": ("O", "I-PER", "B-PER"),
    "IOB1 without B": ("I-PER", "I-LOC", "O"),
    "IOBES": ("O", "B-PER", "I-PER", "E-PER", "S-PER"),
    "spans without types": ("O", "B", "I"),
    "types with hyphens": ("O", "B-A-B", "I-A-B"),
    "another word for outside": ("OTHER", "B-PER", "I-PER"),
    "parts of speech": ("NOUN", "VERB", "X", "_"),
    "morphology": ("N-SG", "N-PL", "V-PAST", "O"),
    "categories": ("S[dcl]\\NP", "NP", "-LRB-"),
}
REFUSED = {
    "BILOU": (("O", "B-PER", "I-PER", "L-PER", "U-PER", "B-LOC", "I-LOC", "L-LOC", "U-LOC"),
              r"the tags are BILOU \(L-LOC, L-PER, U-LOC, U-PER\)\. Write the tags as BIO, U- as B- and L- as I-"),
    "BILOU without inner words": (("O", "B-PER", "L-PER", "U-PER"), r"the tags are BILOU \(L-PER, U-PER\)"),
    "BMES": (("O", "B-PER", "M-PER", "E-PER", "S-PER"), r"the tags are BMES \(M-PER\)\. .* S- \(W-\) as B- and M- and"),
    "two schemes": (("O", "B-PER", "I-PER", "E-PER", "S-PER", "L-PER", "U-PER"), "L-PER, U-PER belong to no"),
    "small letters": (("O", "b-per", "i-per"), "the prefixes of b-per, i-per are lower-case"),
    "no type": (("O", "B-", "I-PER"), "B- lack a type after the hyphen; write for example B-PER"),
    "a small o": (("o", "B-PER", "I-PER"), "the tags o have no prefix, so they would count as spans; write O"),
    "a mark for padding": (("O", "X", "B-PER", "I-PER"), "the tags X have no prefix"),
    "an unknown letter": (("O", "B-PER", "I-PER", "Q-PER"), "Q-PER belong to no known scheme"),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_schemes_that_are_read(name: str) -> None:
    assert scheme_fault(READ[name]) is None
    assert foreign_scheme(READ[name]) is None


@pytest.mark.parametrize("name", REFUSED)
def test_schemes_that_are_refused_when_planning(tmp_path, name: str) -> None:
    labels, said = REFUSED[name]
    file = tmp_path / "ner.conll"
    file.write_text("".join(f"word-{label}\t{label}\n" for label in labels))
    task = local_task("ner", Tagging(labels), {"en": file}, evaluation={"en": file})
    assert task.metrics == ("entity_f1", "token_accuracy")
    train = Train(E5_MINI, task, Lora(), TrainConfig(learning_rate=1e-3, max_steps=1, batch_size=1))
    with pytest.raises(UserError, match=f"entity_f1' counts spans of BIO, IOB1 or IOBES tags, but {said}"):
        make_plan(Recipe("r", (Evaluate(train, task, "en"),)), Sources("sample"))
    counted = local_task("ner", Tagging(labels), {"en": file}, evaluation={"en": file}, metrics=("token_accuracy",))
    assert read_training(counted, Sources(None)).columns["tags"] == [list(labels)], "words alone are counted right"


def test_default_metrics_see_every_scheme_of_spans() -> None:
    for labels in (*(READ[name] for name in ("BIO", "IOB1", "IOB1 without B", "IOBES")), REFUSED["small letters"][0]):
        assert Tagging(labels).default_metrics == ("entity_f1", "token_accuracy")
    for name in ("parts of speech", "morphology", "categories"):
        assert Tagging(READ[name]).default_metrics == ("token_accuracy",)


GOLDS = {
    "BIO": ["B-PER", "I-PER", "O", "B-PER", "B-PER", "B-LOC"],
    "IOB1": ["I-PER", "I-PER", "O", "I-PER", "B-PER", "I-LOC"],
    "IOBES": ["B-PER", "E-PER", "O", "S-PER", "S-PER", "S-LOC"],
}


@pytest.mark.parametrize("scheme", GOLDS)
def test_the_schemes_that_are_read_keep_seqevals_numbers(scheme: str) -> None:
    gold = GOLDS[scheme]
    for place in range(len(gold)):
        predicted = [*gold[:place], "O", *gold[place + 1 :]]
        expected = seqeval.metrics.f1_score([gold], [predicted])
        assert METRICS["entity_f1"].score([predicted], [gold], "en") == pytest.approx(expected)


BILOU = {
    "metric": "tagging_ner",
    "inputs": {"languages": {"en": {
        "labels": [["U-PER", "U-PER", "O"], ["B-PER", "I-PER", "L-PER", "O"], ["U-LOC", "U-LOC", "U-LOC"]],
        "predictions": [["U-PER", "U-PER", "O"], ["B-PER", "I-PER", "L-PER", "O"], ["U-LOC", "U-LOC", "O"]],
    }}},
}  # fmt: skip


def test_given_predictions_in_bilou_are_refused_and_right_as_bio(tmp_path) -> None:
    """seqeval's default mode gives 66.7 % for these, its strict mode for BILOU 90.9 %, as do they as BIO."""
    file = tmp_path / "case.json"
    file.write_text(json.dumps(BILOU))
    with pytest.raises(
        UserError, match=r"languages\.en\.labels are BILOU \(L-PER, U-LOC, U-PER\)\. Write the tags as BIO"
    ):
        score_case(read_case(file))
    ended = tiny.adaptx("score", file, check=2)
    assert "BILOU" in ended.stderr
    assert "Traceback" not in ended.stderr
    file.write_text(json.dumps(BILOU).replace("U-", "B-").replace("L-", "I-"))
    rows = BILOU["inputs"]["languages"]["en"]
    strict = seqeval.metrics.f1_score(rows["labels"], rows["predictions"], mode="strict", scheme=seqeval.scheme.BILOU)
    assert score_case(read_case(file))["seqeval_1.2.2"]["en"]["f1"] == pytest.approx(100 * strict)
    assert round(100 * strict, 1) == 90.9


def test_the_command_in_the_message_turns_bilou_into_bio(tmp_path) -> None:
    file = tmp_path / "ner.conll"
    file.write_text("U-Boot\tU-PER\nsank L-PER\n\nUS\tU-LOC\nx\tO\n")
    scheme = foreign_scheme(REFUSED["BILOU"][0])
    assert scheme is not None
    command = scheme[scheme.index("sed -E") :].rstrip(")")
    made = subprocess.run(f"{command} {file}", shell=True, check=True, capture_output=True, text=True).stdout
    assert made == "U-Boot\tB-PER\nsank I-PER\n\nUS\tB-LOC\nx\tO\n"


# --- tags and labels by number, by name, as bools


def tags_of(tmp_path, tags: str, labels: tuple[str, ...]) -> list[str]:
    file = tmp_path / "rows.jsonl"
    file.write_text(f'{{"tokens": ["a", "b"], "tags": {tags}}}\n')
    (found,) = read_training(local_task("t", Tagging(labels), {"en": file}), Sources(None)).columns["tags"]
    return found


@pytest.mark.parametrize(
    ("tags", "labels", "expected"),
    [
        ("[1, 0]", ("0", "1"), ["1", "0"]),
        ('["1", "0"]', ("0", "1"), ["1", "0"]),
        ("[1.0, 0.0]", ("0", "1"), ["1", "0"]),
        ('["1.0", 0]', ("0", "1"), ["1", "0"]),
        ("[3, 1]", ("1", "2", "3"), ["3", "1"]),
        ("[1, 0]", ("O", "B-X"), ["B-X", "O"]),
        ('["1", "0"]', ("O", "B-X"), ["B-X", "O"]),
        ("[true, false]", ("true", "false"), ["true", "false"]),
        ("[true, false]", ("False", "True"), ["True", "False"]),
        ('["TRUE", "false"]', ("False", "True"), ["True", "False"]),
        ("[-1, 1]", ("-1", "1"), ["-1", "1"]),
        ("[0.5, 2]", ("0.5", "2.0"), ["0.5", "2.0"]),
    ],
)
def test_tags_follow_the_rule_of_labels(tmp_path, tags: str, labels: tuple[str, ...], expected: list[str]) -> None:
    assert tags_of(tmp_path, tags, labels) == expected


@pytest.mark.parametrize(
    ("tags", "labels", "said"),
    [
        ("[2, 0]", ("0", "1"), r"tags\[0\] is 2 \(for 'a'\), which is not in the tag set \(0, 1\)"),
        ("[0, 2]", ("O", "B-X"), r"tags\[1\] is 2 "),
        ("[0, 1]", ("0.5", "1.5"), r"tags\[0\] is 0 "),
        ("[0, 1]", ("true", "false"), r"tags\[0\] is 0 "),
        ("[-1, 0]", ("O", "B-X"), r"tags\[0\] is -1 "),
        ("[true, false]", ("O", "B-X"), r"tags\[0\] is True "),
        ("[0.5, 0]", ("O", "B-X"), r"tags\[0\] is 0\.5 "),
        ("[null, 0]", ("O", "B-X"), r"tags\[0\] is None "),
        ('[["O"], 0]', ("O", "B-X"), r"tags\[0\] is \['O'\] "),
        ('[{"O": 1}, 0]', ("O", "B-X"), r"tags\[0\] is \{'O': 1\} "),
        ('["b-x", 0]', ("O", "B-X"), r"tags\[0\] is 'b-x' .*\(is 'B-X' meant\?\); correct"),
        ('["U-X", 0]', ("O", "B-X", "I-X"), r"tags\[0\] is 'U-X' .*; the row's tags are BILOU \(U-X\)\. Write"),
        ('["B-X", 0]', ("B-X", "O"), r"tags holds labels by name \('B-X'\) and by number \(0, which would be 'B-X'\)"),
        ("0", ("O", "B-X"), "2 tokens, but tags: 0"),
    ],
)  # fmt: skip
def test_tags_that_are_none_are_refused(tmp_path, tags: str, labels: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        tags_of(tmp_path, tags, labels)
