"""CoNLL columns and CoNLL-U, the latter held against the conllu package; every line is a word or counted."""

import gzip
from pathlib import Path

import conllu
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adaptx.errors import UserError
from adaptx.files.tagged import read_tagged

WORD = st.text(st.sampled_from("ab#é-\xa0\u2028\x0b\x85\u3000"), min_size=1, max_size=4)
TAGS = st.sampled_from(["O", "B-PER", "I-PER"])
SENTENCES = st.lists(st.lists(st.tuples(WORD, TAGS), min_size=1, max_size=4), min_size=1, max_size=4)


def written(folder: Path, text: str, name: str = "rows.conll") -> Path:
    file = folder / name
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return file


@given(
    SENTENCES, st.sampled_from(["\t", " ", "\tX\tY\t", "  x "]), st.sampled_from(["\n", "\r\n"]),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_every_line_is_a_word_or_counted(tmp_path_factory, sentences, between, end, comments, marks) -> None:
    lines: list[str] = []
    for number, sentence in enumerate(sentences):
        if marks:
            lines += [f"-DOCSTART-{between}O"]
        if comments:
            lines += [f"# sent_id = {number}", "# text = ..."]
        lines += [f"{word}{between}{tag}" for word, tag in sentence]
        lines += [""] * (1 + number % 2)
    if comments and marks:
        lines.append("#end document")
    # A file of nothing but words `#` with spaces behind them looks like one of nothing but comments.
    assume("\t" in between or any(word != "#" for sentence in sentences for word, _ in sentence))
    # Sentences of one repeated word are read as names of sentences.
    assume(any(len({word for word, _ in s}) > 1 for s in sentences) or sum(map(len, sentences)) < 4)
    found = read_tagged(written(tmp_path_factory.getbasetemp(), end.join(lines)), ("O", "B-PER", "I-PER"))
    assert found.sentences == [([word for word, _ in s], [tag for _, tag in s]) for s in sentences]
    counted = sum(each.count for each in found.left_out)
    assert counted + sum(len(words) for words, _ in found.sentences) == sum(bool(line) for line in lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # A mark need not have a blank line behind it, and comments may stand anywhere.
        ("-DOCSTART- -X- O\nJo NN B-PER\n# a comment here now\nran VB O\n", [["Jo", "ran"]]),
        ("Jo\tO\n-DOCSTART-\nRay\tO\n", [["Jo"], ["Ray"]]),
        ("-DOCSTART- (1 EU)\n\nEU\tO\n", [["EU"]]),
        # A word `#` is a word where its line looks like one.
        ("# O\n1 O\nJo B-PER\n", [["#", "1", "Jo"]]),
        ("#\tO\nJo\tB-PER\n", [["#", "Jo"]]),
        ("#1\tNEW\nJo\tO\n", [["#1", "Jo"]]),
        ("# text = x\nJo O\n", [["Jo"]]),
        ("# newdoc\nJo O\n", [["Jo"]]),
        # Words alone; spaces and separators of other kinds stay within a word.
        ("Jo\n#\nran\n\nyes\n", [["Jo", "#", "ran"], ["yes"]]),
        ("New York\tB-PER \n10\xa0000\tO\n", [["New York", "10\xa0000"]]),
        ("  Jo   O  \n \t \nran O\n", [["Jo"], ["ran"]]),
        ("#begin document (x); part 0\nJo O\n#end document\n", [["Jo"]]),
        ("Jo O", [["Jo"]]),
    ],
)
def test_words_of_conll_columns(tmp_path, text: str, expected: list[list[str]]) -> None:
    assert [words for words, _ in read_tagged(written(tmp_path, text)).sentences] == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Jo\tB-PER\nran\n", r"line 2: 'ran' has 1 column, but line 1 has 2; write the same columns in every"),
        ("Jo NNP B-PER\nran O\n", r"line 2: 'ran O' has 2 columns, but line 1 has 3"),
        ("Jo\tB-PER\nran O\n", r"line 2: 'ran O' has 1 column, but line 1 has 2"),
        ("the cat sat here\nand slept\n", r"line 2: 'and slept' has 2 columns, but line 1 has 4"),
        ("\nword\ttag\nJo\tO\n", r"line 2: it names columns \(word, tag\).*remove the line"),
        ("1\tJo\tB-PER\n2\tran\tO\n\n1\tYes\tO\n", r"its first column numbers the words .*cut -f 2- < .*conll"),
        ("0 Jo O\n1 ran O\n", "its first column numbers the words of each sentence"),
    ],
)
def test_what_is_refused_of_conll_columns(tmp_path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_tagged(written(tmp_path, text))


# --- CoNLL-U

# The conllu package takes two spaces for a tab.
FORM = st.text(st.sampled_from("ab#.é-_ \xa0\u2028"), min_size=1, max_size=4).filter(
    lambda form: form == form.strip(" ") and "  " not in form
)
UPOS = st.sampled_from(["NOUN", "VERB", "PUNCT", "X"])


@st.composite
def treebanks(draw: st.DrawFn) -> tuple[str, int]:
    """A file, and how many of its lines are no words."""
    lines: list[str] = []
    others = 0
    for number in range(draw(st.integers(1, 3))):
        comments = draw(
            st.lists(st.sampled_from(["# newdoc", f"# sent_id = {number}", "# text = a\tb", "#"]), max_size=3)
        )
        lines += comments
        others += len(comments)
        for place in range(1, draw(st.integers(1, 4)) + 1):
            if place == 1 and draw(st.booleans()):
                lines.append("0.1\tgone" + "\t_" * 8)
                others += 1
            if draw(st.booleans()):
                lines.append(f"{place}-{place + 1}\tboth" + "\t_" * 8)
                others += 1
            lines.append(f"{place}\t{draw(FORM)}\tlemma\t{draw(UPOS)}\tE\tA=b|C=d\t0\troot\t_\tSpaceAfter=No")
            if draw(st.booleans()):
                lines.append(f"{place}.1\tgone" + "\t_" * 8)
                others += 1
        lines.append("")
    return "\n".join([*lines, ""]), others


@given(treebanks(), st.sampled_from(["conllu", "conll", "txt", "tsv", "conllu.gz"]))
def test_conllu_is_read_as_the_conllu_package_reads_it(tmp_path_factory, treebank, ending) -> None:
    text, others = treebank
    found = read_tagged(written(tmp_path_factory.getbasetemp(), text, f"generated.{ending}"))
    reference = [[token for token in sentence if isinstance(token["id"], int)] for sentence in conllu.parse(text)]
    assert found.sentences == [([t["form"] for t in s], [t["upos"] for t in s]) for s in reference]
    assert sum(each.count for each in found.left_out) == others


CASE = """# sent_id = made-1
# text = Vado dal mare.
1\tVado\tandare\tVERB\tV\t_\t0\troot\t_\t_
2-3\tdal\t_\t_\t_\t_\t_\t_\t_\t_
2\tda\tda\tADP\tE\t_\t4\tcase\t_\t_
3\til\til\tDET\tRD\t_\t4\tdet\t_\t_
4\tmare\tmare\tNOUN\tS\t_\t1\tobl\t_\tSpaceAfter=No
4.1\tvado\tandare\tVERB\tV\t_\t_\t_\t1:conj\t_
5\t.\t.\tPUNCT\tFS\t_\t1\tpunct\t_\t_

"""


def test_what_conllu_leaves_out_is_counted_by_kind(tmp_path) -> None:
    found = read_tagged(written(tmp_path, CASE, "ud.conllu"))
    assert found.sentences == [(["Vado", "da", "il", "mare", "."], ["VERB", "ADP", "DET", "NOUN", "PUNCT"])]
    assert [(each.reason, each.count, each.first, each.unit) for each in found.left_out] == [
        ("comments (#)", 2, 1, "line"), ("multiword tokens (2-3)", 1, 4, "line"), ("empty nodes (4.1)", 1, 8, "line"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            CASE.replace("\t_\n5", "\n5"),
            r"line 8: '4\.1.* has 9 columns and begins with '4\.1'; a line of CoNLL-U has ten",
        ),
        (CASE.replace("5\t.", "x\t."), r"line 9: 'x.* has 10 columns and begins with 'x'"),
        (
            CASE.strip() + "\n" + CASE,
            r"line 12: the word 'Vado' has the number 1 instead of 6; .* blank line between",
        ),
        ("# global.columns = ID FORM UPOS\n" + CASE, r"line 1: its columns are ID FORM UPOS; write CoNLL-U's ten"),
        (CASE.replace("\t", " "), "line 3: .* has 1 columns"),
    ],
)
def test_what_is_refused_of_conllu(tmp_path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_tagged(written(tmp_path, text, "ud.conllu"))
