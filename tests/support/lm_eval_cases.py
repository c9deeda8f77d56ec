"""Rows of multiple choice, and their scores by the lm-evaluation-harness with untrained checkpoints of the tiny world.

Run as a program, with lm_eval installed, it records the harness's own log-likelihoods in tests/recorded/lm_eval.json.
"""

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adaptx.data.examples import Examples
from support import tiny

CASES = Path(__file__).parents[1] / "recorded" / "lm_eval.json"
RECORDED = ("qwen3", "llama")
TEMPLATE = "{text} {question} answer:"


def rows(count: int = 24) -> Examples:
    """Return rows with two to five choices of very different lengths. Some are equal, or begin with one another."""
    draw = random.Random("lm-eval")
    words = [tiny.word("en", index) for index in range(tiny.NUM_WORDS)]

    def some(least: int, most: int) -> str:
        return " ".join(draw.choices(words, k=draw.randint(least, most)))

    choices = [[some(1, draw.choice((1, 3, 9))) for _ in range(draw.randint(2, 5))] for _ in range(count)]
    choices[3][1] = f"{choices[3][0]} {words[7]}"
    choices[5][1] = choices[5][0]
    columns: dict[str, list[Any]] = {
        "text": [some(1, 12) for _ in range(count)],
        "question": [some(1, 4) for _ in range(count)],
        "choices": choices,
        "label": [draw.randrange(len(each)) for each in choices],
    }
    return Examples(rows=tuple(range(count)), columns=columns)


def requests(examples: Examples) -> list[list[tuple[str, str]]]:
    """Return (context, continuation) of each choice of each row, as the harness's tasks build them."""
    columns = examples.columns
    return [
        [(TEMPLATE.format(text=text, question=question), f" {choice}") for choice in choices]
        for text, question, choices in zip(columns["text"], columns["question"], columns["choices"], strict=True)
    ]


def log_likelihood(network: Any, tokenizer: Any, context: str, continuation: str) -> float:
    """Return the log-likelihood of a continuation, by transformers alone.

    Spaces at the end of the context belong to the continuation. No end token counts.
    """
    spaces = len(context) - len(context.rstrip())
    context, continuation = context[: len(context) - spaces], context[len(context) - spaces :] + continuation
    before: list[int] = tokenizer.encode(context)
    with torch.no_grad():
        if network.config.is_encoder_decoder:
            answer: list[int] = tokenizer.encode(continuation, add_special_tokens=False)
            start = torch.tensor([[network.config.decoder_start_token_id, *answer[:-1]]])
            logits = network(input_ids=torch.tensor([before]), decoder_input_ids=start).logits[0]
        else:
            answer = tokenizer.encode(context + continuation)[len(before) :]
            logits = network(input_ids=torch.tensor([[*before, *answer][:-1]])).logits[0, -len(answer) :]
    return float(logits.float().log_softmax(dim=-1)[torch.arange(len(answer)), torch.tensor(answer)].sum())


def chosen(scores: list[float], choices: list[str]) -> tuple[int, int]:
    """Return the choices that the harness's `acc` and `acc_norm` compare with the label."""
    lengths = np.array([float(len(choice)) for choice in choices])
    return int(np.argmax(scores)), int(np.argmax(np.array(scores) / lengths))


def record() -> None:
    import lm_eval  # pyright: ignore[reportMissingImports]
    from lm_eval.api.instance import Instance  # pyright: ignore[reportMissingImports]
    from lm_eval.models.huggingface import HFLM  # pyright: ignore[reportMissingImports]

    from support import checkpoints
    from support.text_bench import LETTERS, WORDS

    examples = rows()
    found: dict[str, list[list[float]]] = {}
    for architecture in RECORDED:
        with tempfile.TemporaryDirectory() as folder:
            checkpoints.write_checkpoint(Path(folder), architecture, WORDS, LETTERS)
            model = HFLM(pretrained=folder, device="cpu", dtype="float32", batch_size=1)
            found[architecture] = [
                [
                    float(value)
                    for value, _ in model.loglikelihood([Instance("loglikelihood", {}, pair, 0) for pair in each])
                ]
                for each in requests(examples)
            ]
    source = f"lm-evaluation-harness {lm_eval.__version__}, HFLM.loglikelihood"
    CASES.write_text(json.dumps({"source": source, "log_likelihoods": found}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
