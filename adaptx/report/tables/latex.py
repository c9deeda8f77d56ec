"""Tables as LaTeX for a paper. After correction, a gain or a loss is bold, and an undecided gain is grey."""

import re
from collections.abc import Sequence

from adaptx.report.tables.table import Table, TableCell

PREAMBLE = "% Needs \\usepackage{booktabs}, \\usepackage[table]{xcolor}, \\usepackage{amssymb} and UTF-8 input.\n"
_ESCAPED = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "→": r"$\rightarrow$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "<": "$<$",
    ">": "$>$",
    "¹": r"\textsuperscript{1}",
    "²": r"\textsuperscript{2}",
    # After the end of a row (`\\`), LaTeX would read these as options of the line break, even after a space.
    "[": "{[}",
    "*": "{*}",
}


def latex(tables: Sequence[Table], name: str = "adaptx") -> str:
    """Return the text of a LaTeX file with every table as a `table` environment, with captions and labels.

    name: the recipe's name, with which labels begin: `tab:quickstart-1`.
    """
    return PREAMBLE + "\n".join(_table(table, label(name, number)) for number, table in enumerate(tables, start=1))


def label(name: str, which: int | str) -> str:
    """Return the LaTeX label of a table. It begins with the recipe's name, so that a paper can show several reports."""
    return f"tab:{re.sub(r'[^A-Za-z0-9.-]+', '-', name)}-{which}"


def escaped(text: str) -> str:
    """Return the text with LaTeX's special characters escaped."""
    return "".join(_ESCAPED.get(character, character) for character in text)


def _table(table: Table, own_label: str) -> str:
    alignment = "".join("l" if column.words else "r" for column in table.columns)
    headers = " & ".join(_stacked(header) for header in table.headers)
    rows = "\n".join(" & ".join(_cell(cell) for cell in row) + r" \\" for row in table.rows)
    caption = " ".join(part for part in (f"{table.title}.", table.caption) if part)
    return (
        "\\begin{table}\n\\centering\n\\small\n"
        f"\\caption{{{escaped(caption)}}}\n\\label{{{own_label}}}\n"
        f"\\begin{{tabular}}{{{alignment}}}\n\\toprule\n{headers} \\\\\n\\midrule\n{rows}\n\\bottomrule\n"
        "\\end{tabular}\n\\end{table}\n"
    )


def _cell(cell: TableCell) -> str:
    text = _stacked(cell.text)
    if cell.sign:
        return f"\\textbf{{{text}}}"
    return f"\\textcolor{{gray}}{{{text}}}" if cell.is_uncertain else text


def _stacked(text: str) -> str:
    """Return a text of several lines as a small nested table, which needs no LaTeX package."""
    lines = [escaped(line) for line in text.split("\n") if line.strip()]
    if len(lines) < 2:
        return lines[0] if lines else ""
    return "\\begin{tabular}[b]{@{}l@{}}" + r" \\ ".join(lines) + "\\end{tabular}"
