"""Loading of a peft folder into a network in memory."""

from pathlib import Path
from typing import Any

from adaptx.methods.quantised import without_notes


def read_peft(network: Any, folder: Path) -> Any:
    """Return a PeftModel that consists of a bare network and the module in a peft folder, in evaluation mode."""
    with without_notes():
        from peft import PeftModel

    return PeftModel.from_pretrained(network, str(folder)).eval()
