"""Find changes that make a training step fit into a given memory, the cheapest first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from adaptx.costs.room import fits, halvings, usable_bytes
from adaptx.profiling.cell import Cell
from adaptx.profiling.prediction import Prediction, predict
from adaptx.specs import Lora
from adaptx.specs.quantisation import Quantisation

MOST_REMEDIES = 3
FEW_DIGITS = "frozen weights with fewer bits, slower"


@dataclass(frozen=True)
class Remedy:
    """A changed step that fits.

    what: the change, such as `--precision bf16`. price: its disadvantage, such as `one third more time`.
    """

    what: str
    price: str
    cell: Cell
    prediction: Prediction


def remedies(cell: Cell, memory_bytes: int) -> list[Remedy]:
    """Return at most three changed steps that fit into `memory_bytes`. The first has the smallest disadvantage."""
    found: list[Remedy] = []
    for what, price, changed in _changes(cell):
        fitting = _with_largest_fitting_micro_batch(changed, memory_bytes)
        if fitting is None:
            continue
        narrowed, prediction = fitting
        if narrowed.micro_batch < changed.micro_batch:
            step = f"micro-batches of {narrowed.micro_batch} ({narrowed.micro_batches} per step)"
            what = f"{what}, {step}" if what else step
            price = f"{price}; more forward passes" if price else "more, smaller forward passes; the same result"
        if what:
            found.append(Remedy(what, price, narrowed, prediction))
        if len(found) == MOST_REMEDIES:
            break
    return found


def _changes(cell: Cell) -> Iterator[tuple[str, str, Cell]]:
    """Yield (what, price, changed cell), beginning with the smallest disadvantage.

    The first cell is unchanged: smaller micro-batches alone may make it fit.
    """
    yield "", "", cell
    if not cell.gradient_checkpointing:
        yield (
            "--gradient-checkpointing",
            "one third more time; the same result",
            replace(cell, gradient_checkpointing=True),
        )
    if cell.precision == "fp32":
        yield "--precision bf16", "matrix products with fewer bits", replace(cell, precision="bf16")
    if cell.method.over_quantised and cell.quantised is not Quantisation.NF4:
        few = replace(cell, quantised=Quantisation.NF4, precision="bf16")
        what = "--quantised nf4" + (" --precision bf16" if cell.precision == "fp32" else "")
        yield what, FEW_DIGITS, few
        if not cell.gradient_checkpointing:
            yield (
                f"{what} --gradient-checkpointing",
                f"{FEW_DIGITS}; one third more time",
                replace(few, gradient_checkpointing=True),
            )
    if cell.method.whole:
        lora = replace(cell, method=Lora(), gradient_checkpointing=True, precision="bf16")
        what = "--method lora --precision bf16 --gradient-checkpointing"
        yield what, "fewer parameters are trained", lora
        few = replace(lora, quantised=Quantisation.NF4)
        yield f"{what} --quantised nf4", f"fewer parameters are trained; {FEW_DIGITS}", few


def _with_largest_fitting_micro_batch(cell: Cell, memory_bytes: int) -> tuple[Cell, Prediction] | None:
    """Return the cell with the largest micro-batch that fits, and its prediction; None if not even one sequence fits.

    If the cell's own micro-batch does not fit, only powers of two are tried.
    """
    whole = predict(cell)
    if fits(whole.needed_bytes, memory_bytes):
        return cell, whole
    if cell.micro_batch == 1:
        return None
    one = predict(replace(cell, micro_batch_size=1))
    if not fits(one.needed_bytes, memory_bytes):
        return None
    # Memory grows by nearly the same amount with each sequence, so the first guess is usually right.
    each = max(1.0, (whole.needed_bytes - one.needed_bytes) / (cell.micro_batch - 1))
    size = 1 + int((usable_bytes(memory_bytes) - one.needed_bytes) / each)
    size = 2 ** (max(1, min(size, cell.micro_batch - 1)).bit_length() - 1)
    for fewer in halvings(size, 2):
        narrowed = replace(cell, micro_batch_size=fewer)
        prediction = predict(narrowed)
        if fits(prediction.needed_bytes, memory_bytes):
            return narrowed, prediction
    return replace(cell, micro_batch_size=1), one
