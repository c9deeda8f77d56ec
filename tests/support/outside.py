"""Compute with exported folders in a process that cannot import adaptx: hidden states, logits and pipelines' answers.

`python outside.py JOBS.json` reads a list of jobs and writes a list of answers to JOBS.json.out. Keys of a job:
folder, library, base: what to load. ids: sequences whose last hidden states are computed, with the folder loaded by the
library. rows: rows whose logits are computed. auto_class, own: the class with the head, and whether it is the folder's
own code; without a class, predict.py gives the logits. kind: how a row is passed to that class. spaced: whether words
are joined by spaces. pipeline: [task, options, inputs]. closed_to: classes that must not load the folder.
"""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any


class Blocked:
    """An import hook that finds no module of adaptx."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name.partition(".")[0] == "adaptx":
            raise ModuleNotFoundError("adaptx is not to be imported here")


def load(job: dict[str, Any]) -> Any:
    """Return the network, loaded as the library's documentation says; a model with a head is loaded whole."""
    import transformers
    from transformers import AutoModel

    folder = job["folder"]
    match job["library"]:
        case "transformers":
            if job.get("auto_class"):
                trust = {"trust_remote_code": True} if job["own"] else {}
                return getattr(transformers, job["auto_class"]).from_pretrained(folder, **trust)
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

    auto_class = job.get("auto_class")
    # If no sequences are given, only the script is tested.
    network = load(job).eval() if job["ids"] or auto_class else None
    rows = [{name: torch.tensor([ids]) for name, ids in row.items()} for row in job["ids"]]
    below = network.base_model if auto_class else network
    with torch.no_grad():
        hidden = [below(**row).last_hidden_state[0].tolist() for row in rows]
    if auto_class:
        tokenizer = load_tokenizer(job)
        with torch.no_grad():
            logits = [logits_of(network, tokenizer, job, row).tolist() for row in job["rows"]]
    else:
        functions = runpy.run_path(str(Path(job["folder"]) / "predict.py"))
        found = [functions["logits" if "logits" in functions else "vector"](*row) for row in job["rows"]]
        logits = [(each[0] if isinstance(each, tuple) else each).tolist() for each in found]
    return {"hidden": hidden, "logits": logits, **piped(job), **refused(job)}


def load_tokenizer(job: dict[str, Any]) -> Any:
    """Return the tokenizer, loaded without permission to run the folder's code, which it does not need."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(job["folder"], trust_remote_code=False)


def logits_of(model: Any, tokenizer: Any, job: dict[str, Any], row: list[Any]) -> Any:
    """Return the logits of a row as the model card says: of its text or choices, of its words, or of every token."""
    import torch

    options = {"return_tensors": "pt", "truncation": True}
    match job["kind"]:
        case "choice":
            text, question, *choices = row
            second = [f"{question} {choice}" if question else choice for choice in choices]
            read = tokenizer([text] * len(choices), second, padding=True, **options)
            return model(**{name: tensor.unsqueeze(0) for name, tensor in read.items()}).logits[0]
        case "tagging":
            words = row[0]
            if job["spaced"]:
                read = tokenizer(" ".join(words), return_offsets_mapping=True, **options)
                ends = read.pop("offset_mapping")[0, :, 1].tolist()
                # The space before a word is part of its first token, or is that token.
                begins = [len(" ".join(words[:place])) for place in range(len(words))]
                firsts = [next(at for at, end in enumerate(ends) if end > begin) for begin in begins]
            else:
                read = tokenizer(words, is_split_into_words=True, **options)
                ids = read.word_ids(0)
                firsts = [ids.index(place) for place in range(len(words))]
            return model(**read).logits[0, firsts]
        case "span":
            found = model(**tokenizer(*row, **options))
            return torch.stack([found.start_logits[0], found.end_logits[0]], dim=-1)
        case _:
            # In lists, because outside of a list the library treats an empty second text as no text.
            return model(**tokenizer(*([text] for text in row), **options)).logits[0]


def piped(job: dict[str, Any]) -> dict[str, Any]:
    """Return a pipeline's answer to each input."""
    from transformers import pipeline

    if "pipeline" not in job:
        return {}
    task, options, inputs = job["pipeline"]
    trust = {"trust_remote_code": True} if job["own"] else {}
    ask: Any = pipeline(task, model=job["folder"], **options, **trust)
    return {"piped": [ask(each) for each in inputs], "piped_together": ask(inputs, batch_size=len(inputs))}


def refused(job: dict[str, Any]) -> dict[str, Any]:
    """Return the classes that load a folder but must not: without permission for its code, or with a random head."""
    import transformers

    names = ["AutoModel", job["auto_class"]] if job.get("own") else job.get("closed_to", [])
    loaded = []
    for name in names:
        try:
            getattr(transformers, name).from_pretrained(job["folder"])
        except ValueError:
            continue
        loaded.append(name)
    return {"wrongly_loaded": loaded}


def outside(jobs: list[dict[str, Any]], place: Path, cwd: Path | None = None) -> list[Any]:
    """Return the answers of a new process. A hub id can be a path relative to `cwd`."""
    from support import tiny

    file = place / "jobs.json"
    file.write_text(json.dumps(jobs))
    command = [sys.executable, __file__, str(file)]
    ended = subprocess.run(
        command, env=tiny.environment(), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(file.with_suffix(".out").read_text())


if __name__ == "__main__":
    sys.meta_path.insert(0, Blocked())  # pyright: ignore[reportArgumentType]
    jobs = Path(sys.argv[1])
    jobs.with_suffix(".out").write_text(
        json.dumps([answer(job) for job in json.loads(jobs.read_text())], default=float)
    )
    assert not [name for name in sys.modules if name.partition(".")[0] == "adaptx"]
