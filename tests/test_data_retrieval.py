"""Sentences of passages, candidates to rank, and lists to mine."""

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptx.data.reading import read_pool, read_rows, read_training
from adaptx.data.sentences import sentence_breaks
from adaptx.errors import UserError
from adaptx.sources.sources import Sources
from adaptx.specs import BitextMining, Retrieval, Rows, Task

PASSAGE = "A cat sat. It slept! It slept! Then it left."
BREAKS = [[0, 10], [11, 20], [21, 30], [31, 44]]
ROWS = {
    "id": ["q0", "q1", "q2", "q3"],
    "question": ["who?", "what?", "when?", "where?"],
    "passage": [PASSAGE, PASSAGE, "Elsewhere it rains.", PASSAGE],
    "sentence_breaks": [BREAKS, BREAKS, [[0, 19]], BREAKS],
    "starts": [[2], [24], [10], [31, 2]],
}
TRAIN = (
    ("query", "question"),
    ("passage", "passage"),
    ("sentence_breaks", "sentence_breaks"),
    ("answer_starts", "starts"),
)
POOL = (("id", "id"), ("passage", "passage"), ("sentence_breaks", "sentence_breaks"), ("answer_starts", "starts"))


def rows(config: str, columns: tuple, language: str = "en") -> Rows:
    return Rows("owner/set", config, "test", language, columns)


def write(folder: Path, config: str, columns: dict[str, list]) -> Sources:
    file = folder / "owner" / "set" / config / "test.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)
    return Sources(folder)


# --- sentences


def sentences(text: str) -> list[str]:
    return [text[start:stop] for start, stop in sentence_breaks(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One is here. Two is there! Is three?", ["One is here.", "Two is there!", "Is three?"]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        (
            "J. K. Rowling wrote approx. seven of them. No more.",
            ["J. K. Rowling wrote approx. seven of them.", "No more."],
        ),
        ("It cost 3.5 euros. Really", ["It cost 3.5 euros.", "Really"]),
        ("一是。二是！「三？」四", ["一是。", "二是！", "「三？」", "四"]),
        ("ما هذا؟ هذا بيت.", ["ما هذا؟", "هذا بيت."]),
        ("यह एक है। यह दो है।", ["यह एक है।", "यह दो है।"]),
        ("Heading\n\nThe text. More", ["Heading", "The text.", "More"]),
        ("by J.\nNext line", ["by J.", "Next line"]),
        ("  padded.  ", ["padded."]),
        ("... And so on.", ["...", "And so on."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_of_many_scripts(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(alphabet='aB .!?。？」"\n।\t', max_size=60))
def test_sentences_cover_a_text_and_leave_only_white_space_out(text: str) -> None:
    breaks = sentence_breaks(text)
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
    assert all(text[start:stop].strip() == text[start:stop] != "" for start, stop in breaks)
    assert all(before[1] <= after[0] for before, after in pairwise(breaks))


# --- training rows


def test_the_answering_sentence_is_the_candidate(tmp_path) -> None:
    sources = write(tmp_path, "one", ROWS)
    examples = read_training(Task("t", Retrieval(), train=(rows("one", TRAIN),)), sources)
    assert examples.columns == {
        "query": ROWS["question"],
        "candidate": ["A cat sat.", "It slept!", "Elsewhere it rains.", "Then it left."],
        "candidate_context": ROWS["passage"],
    }
    by_rule = tuple(pair for pair in TRAIN if pair[0] != "sentence_breaks")
    ruled = read_training(Task("t", Retrieval(), train=(rows("one", by_rule),)), sources)
    assert ruled.columns == examples.columns


def test_an_answer_between_sentences_belongs_to_the_next_one(tmp_path) -> None:
    sources = write(tmp_path, "one", {**ROWS, "starts": [[10], [20], [0], [43]]})
    examples = read_rows(rows("one", TRAIN), Retrieval(), sources)
    assert examples.columns["candidate"] == ["It slept!", "It slept!", "Elsewhere it rains.", "Then it left."]


def test_rows_without_an_answer_are_left_out_and_counted(tmp_path) -> None:
    sources = write(tmp_path, "one", {**ROWS, "starts": [[2], [], [10], []]})
    examples = read_training(Task("t", Retrieval(), train=(rows("one", TRAIN),)), sources)
    assert examples.rows == (0, 2)
    (left,) = examples.left_out
    assert (left.reason, left.count, left.first) == ("no answer", 2, 1)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"starts": [[2], [24], [99], [31]]}, r"row 2: answer_starts is \[99\], not a list of positions .* 19 char"),
        ({"sentence_breaks": [[["0", "9"]]] * 4}, r"row 0: sentence_breaks holds \['0', '9'\]"),
        ({"sentence_breaks": [BREAKS, BREAKS, [[0, 20]], BREAKS]}, r"row 2: sentence_breaks holds \[0, 20\]"),
        ({"sentence_breaks": [BREAKS, [[5, 9], [0, 3]], BREAKS, BREAKS]}, r"row 1: sentence_breaks holds \[0, 3\]"),
        ({"sentence_breaks": [BREAKS, BREAKS, [], BREAKS]}, r"row 2: sentence_breaks is empty; write \[\[0, 19\]\]"),
        ({"passage": [PASSAGE, None, "x" * 19, PASSAGE]}, "row 1: passage is None, not a text"),
    ],
)
def test_passages_that_do_not_fit(tmp_path, changed: dict, said: str) -> None:
    sources = write(tmp_path, "one", {**ROWS, **changed})
    with pytest.raises(UserError, match=said):
        read_rows(rows("one", TRAIN), Retrieval(), sources)
    without_start = tuple(pair for pair in TRAIN if pair[0] != "answer_starts")
    with pytest.raises(UserError, match="there is no column for the role answer_starts"):
        read_rows(rows("one", without_start), Retrieval(), sources)


# --- pools


def test_a_pool_has_each_sentence_of_each_distinct_passage(tmp_path) -> None:
    """A sentence that stands in its passage twice is two candidates, as in LAReQA's script, and both are right."""
    sources = write(tmp_path, "one", ROWS)
    pool = read_pool(Task("t", Retrieval(), pool=(rows("one", POOL),)), sources)
    assert pool.columns["candidate"] == ["A cat sat.", "It slept!", "It slept!", "Then it left.", "Elsewhere it rains."]
    assert pool.columns["answers"] == [["q0", "q3"], ["q1"], ["q1"], ["q3"], ["q2"]]
    assert pool.columns["id"] == ["en:0:0", "en:0:1", "en:0:2", "en:0:3", "en:2:0"]
    assert pool.columns["candidate_context"] == [*[PASSAGE] * 4, "Elsewhere it rains."]


def test_pools_of_several_languages_share_ids_of_questions_not_of_candidates(tmp_path) -> None:
    write(tmp_path, "one", ROWS)
    sources = write(tmp_path, "two", ROWS)
    pool = read_pool(Task("t", Retrieval(), pool=(rows("one", POOL), rows("two", POOL, "sw"))), sources)
    assert len(set(pool.columns["id"])) == len(pool) == 10
    assert [name for name, ids in zip(pool.columns["id"], pool.columns["answers"], strict=True) if "q2" in ids] == [
        "en:2:0",
        "sw:2:0",
    ]


@given(limit=st.integers(1, 5), wanted=st.sets(st.sampled_from(["q0", "q1", "q2", "q3"])))
def test_a_limited_pool_still_has_what_is_wanted(tmp_path_factory, limit: int, wanted: set[str]) -> None:
    folder = tmp_path_factory.mktemp("pool")
    sources = write(folder, "one", ROWS)
    pool = read_pool(Task("t", Retrieval(), pool=(rows("one", POOL),)), sources, limit, wanted)
    reached = {name for ids in pool.columns["answers"] for name in ids}
    assert reached >= wanted
    assert len(reached) <= limit + len(wanted)
    plain = {"id": [10, 11, 12, 13], "text": list("abcd")}
    write(folder, "plain", plain)
    columns = (("id", "id"), ("candidate", "text"))
    numbers = {str(10 + int(name[1])) for name in wanted}
    task = Task("t", Retrieval(), pool=(rows("plain", columns),))
    ids = set(read_pool(task, sources, limit, numbers).columns["id"])
    drawn = set(read_pool(task, sources, limit).columns["id"])
    assert len(drawn) == min(limit, 4)
    assert ids == drawn | numbers


def test_plain_candidates_are_right_for_their_own_id(tmp_path) -> None:
    columns = (("id", "id"), ("candidate", ("name", "text")))
    sources = write(tmp_path, "plain", {"id": ["Q1", "Q2"], "name": ["a", "b"], "text": ["A", "B"]})
    task = Task("t", Retrieval(), pool=(rows("plain", columns),))
    pool = read_pool(task, sources)
    assert pool.columns == {"id": ["Q1", "Q2"], "candidate": ["a A", "b B"], "answers": [["Q1"], ["Q2"]]}
    sources = write(tmp_path, "plain", {"id": ["Q1", "Q1"], "name": ["a", "b"], "text": ["A", "B"]})
    with pytest.raises(UserError, match=r"have the id 'Q1' twice \(again in row 1\)"):
        read_pool(task, sources)
    sources = write(tmp_path, "plain", {"id": ["Q1", None], "name": ["a", "b"], "text": ["A", "B"]})
    with pytest.raises(UserError, match="row 1: id is None"):
        read_pool(task, sources)
    with pytest.raises(UserError, match="task t has no candidates to rank"):
        read_pool(Task("t", Retrieval()), sources)


# --- mining

MINED = {
    "source": [[f"s{i}" for i in range(1, 9)]],
    "target": [[f"t{i}" for i in range(1, 9)]],
    "gold": [[[2, 7], [5, 3], [8, 8]]],
}


def test_limited_mining_draws_pairs_and_other_sentences(tmp_path) -> None:
    sources = write(tmp_path, "mining", MINED)
    columns = tuple((role, role) for role in MINED)
    assert read_rows(rows("mining", columns), BitextMining(), sources).columns == MINED
    limited = read_rows(rows("mining", columns), BitextMining(), sources, 2).columns
    assert [len(limited[side][0]) for side in ("source", "target")] == [4, 4]
    for side in ("source", "target"):
        assert limited[side][0] == sorted(limited[side][0]), "in the order of the lists"
    pairs = [(limited["source"][0][one - 1], limited["target"][0][two - 1]) for one, two in limited["gold"][0]]
    assert len(pairs) == 2
    assert set(pairs) < {("s2", "t7"), ("s5", "t3"), ("s8", "t8")}
    assert read_rows(rows("mining", columns), BitextMining(), sources, 99).columns == MINED
