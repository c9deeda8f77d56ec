"""What exported folders compute in a process that cannot import adaptx: hidden states and a script's logits.

`python outside.py JOBS.json` reads a list of {"folder", "library", "base", "ids", "rows"} and writes a list of
{"hidden", "logits"} to JOBS.json.out. hidden: of each sequence of `ids`, by the folder's own loading; logits: what the
folder's predict.py or the library's class for the head says of each row.
"""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any


class Blocked:
    """No module of adaptx is found."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name.partition(".")[0] == "adaptx":
            raise ModuleNotFoundError("adaptx is not to be imported here")


def load(job: dict[str, Any]) -> Any:
    """The network as the library's documentation says."""
    from transformers import AutoModel

    folder = job["folder"]
    match job["library"]:
        case "transformers":
            return AutoModel.from_pretrained(folder)
        case "peft":
            from peft import PeftModel

            return PeftModel.from_pretrained(AutoModel.from_pretrained(job["base"]), folder)
        case _:
            import adapters

            base = Path(folder) / "base"
            network = AutoModel.from_pretrained(base if base.is_dir() else job["base"])
            adapters.init(network)
            if (Path(folder) / "adapter_setup.json").is_file():
                network.load_adapter_setup(folder, set_active=True)
            else:
                network.load_adapter(folder, set_active=True)
            return network


def answer(job: dict[str, Any]) -> dict[str, Any]:
    import torch
    import transformers

    # Where no sequences are asked for, the script alone is.
    network = load(job).eval() if job["ids"] else None
    rows = [{name: torch.tensor([ids]) for name, ids in row.items()} for row in job["ids"]]
    with torch.no_grad():
        hidden = [network(**row).last_hidden_state[0].tolist() for row in rows]
    script = Path(job["folder"]) / "predict.py"
    logits: list[Any] = []
    if script.is_file():
        functions = runpy.run_path(str(script))
        for row in job["rows"]:
            found = functions["logits" if "logits" in functions else "vector"](*row)
            logits.append((found[0] if isinstance(found, tuple) else found).tolist())
    elif job.get("auto_class"):
        whole = getattr(transformers, job["auto_class"]).from_pretrained(job["folder"]).eval()
        with torch.no_grad():
            found = [whole(**row) for row in rows]
        logits = [
            (
                each.logits[0] if "logits" in each else torch.stack([each.start_logits[0], each.end_logits[0]], -1)
            ).tolist()
            for each in found
        ]
    return {"hidden": hidden, "logits": logits}


def outside(jobs: list[dict[str, Any]], place: Path, cwd: Path | None = None) -> list[Any]:
    """The answers of a new process; under `cwd` a hub id may be a path."""
    import tiny

    file = place / "jobs.json"
    file.write_text(json.dumps(jobs))
    command = [sys.executable, __file__, str(file)]
    ended = subprocess.run(command, env=tiny.environment(), cwd=cwd, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return json.loads(file.with_suffix(".out").read_text())


if __name__ == "__main__":
    sys.meta_path.insert(0, Blocked())  # pyright: ignore[reportArgumentType]
    jobs = Path(sys.argv[1])
    jobs.with_suffix(".out").write_text(json.dumps([answer(job) for job in json.loads(jobs.read_text())]))
    assert not [name for name in sys.modules if name.partition(".")[0] == "adaptx"]
