"""Write benchmark results as one HTML page with a table and plots, which needs no network and no scripts."""

import base64
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parent / "templates" / "bench.html.j2"
WORDS = ("model", "method", "quantised", "precision", "gradient_checkpointing", "failed")
"""Columns with texts. They come before the columns with numbers."""
PACKAGES = ("adaptx", "torch", "transformers", "peft", "adapters", "bitsandbytes")
GIB = 2**30


def write_page(rows: Sequence[dict[str, Any]], plots: Sequence[Path], path: Path) -> None:
    """Write the page to `path`. rows: as returned by `bench_files.as_row`."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    shown = _without_empty_columns([_texts_by_heading(row) for row in rows])
    page = environment.get_template(TEMPLATE.name).render(
        columns=list(shown[0]),
        words=sum(name in WORDS for name in shown[0]),
        rows=[list(each.values()) for each in shown],
        devices=", ".join(dict.fromkeys(row["device"] for row in rows)),
        versions=_versions(),
        images=[(plot.stem.replace("_", " "), _data_uri(plot)) for plot in plots],
    )
    path.write_text(page, encoding="utf-8")


def _texts_by_heading(row: dict[str, Any]) -> dict[str, str]:
    words = {name: "yes" if row.get(name) is True else str(row.get(name) or "") for name in WORDS}
    numbers = {
        "million parameters": row["parameters"] / 1e6,
        "million trained": _over(row.get("trainable_parameters"), 1e6),
        "batch": row["batch_size"],
        "tokens": row["sequence_length"],
        "GiB": _over(row.get("peak_memory_bytes"), GIB),
        "GiB predicted": _over(row["predicted_memory_bytes"], GIB),
        "GiB reserved": _over(row.get("reserved_bytes"), GIB),
        "step s": row.get("step_seconds_p50"),
        "p95 s": row.get("step_seconds_p95"),
        "examples/s": row.get("examples_per_second"),
        "tokens/s": row.get("tokens_per_second"),
        "% of matmul": _over(row.get("matmul_share"), 0.01),
        "module MiB": _over(row.get("module_bytes"), 2**20),
    }
    return {**words, **{name: _rounded_text(value) for name, value in numbers.items()}}


def _without_empty_columns(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    telling = [name for name in rows[0] if any(row[name] not in ("", "none") for row in rows)]
    return [{name: row[name] for name in telling} for row in rows]


def _over(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit


def _rounded_text(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _versions() -> str:
    found: list[str] = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _data_uri(file: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
