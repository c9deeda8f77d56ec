"""Words about gains for a caption: with how many comparisons they are corrected, and whether they are exploratory."""

from collections.abc import Sequence

from adaptx.catalog.languages import language_name
from adaptx.report.gains.contrasts import CONTRASTS
from adaptx.report.gains.gain import SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains.quantities import DIFFERENCE

MOST_NAMED = 6
"""Maximum number of languages or variants that a caption names."""
PRIMARY = "primary"
LANGUAGES = "languages"
_WORDS = {
    ZERO_SHOT: "in the zero-shot average",
    SOURCE: "in the source languages",
    LANGUAGES: "in single languages",
    PRIMARY: "that the recipe declares as primary, over all of its tasks",
    CONTRASTS: "that are contrasts of the recipe",
}


def correction(shown: Sequence[Gain], by_variant: bool) -> str:
    """Return sentences that say with which comparisons the p-values of a table are corrected.

    One sentence is about the largest family. The others are about tests that also stand in another table.

    shown: the gains of the table. by_variant: whether these are named by their variant, and not by their quantity.
    """
    families: dict[str, list[Gain]] = {}
    for gain in shown:
        if gain.holm_p is not None:
            families.setdefault(gain.family, []).append(gain)
    if not families:
        return ""
    (first, _), *others = sorted(families.items(), key=lambda each: -len(each[1]))
    said = [f"Holm: corrected for {_counted(first, families[first])}."]
    for name, gains in others:
        names = dict.fromkeys(gain.variant if by_variant else language_name(gain.quantity) for gain in gains)
        more = len(names) - MOST_NAMED
        listed = ", ".join(list(names)[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        said.append(f"{listed}: corrected for {_counted(name, gains)}, where the same test stands.")
    return " ".join(said)


def standing(shown: Sequence[Gain]) -> str:
    """Return a sentence for a caption if none of the tested gains is a primary comparison; empty otherwise."""
    tested = [gain for gain in shown if gain.holm_p is not None]
    if not tested or any(gain.standing == "primary" for gain in tested):
        return ""
    return "Exploratory: the recipe does not declare these as the comparisons that answer its question."


def _counted(family: str, gains: Sequence[Gain]) -> str:
    sizes = sorted({gain.family_size for gain in gains})
    number = " or ".join(map(str, sizes))
    is_difference = family.startswith(DIFFERENCE)
    of_classes = f"that are differences by {family.removeprefix(DIFFERENCE)}" if is_difference else f"by {family}"
    return f"the {number} comparison{'' if sizes == [1] else 's'} {_WORDS.get(family, of_classes)}"
