"""Write the inputs of recipes/t5_sample.py: a random mT5 with its own tokenizer, and rows of made-up tasks.

    python benchmarks/small_mt5.py DIR --data MIRROR    # a local mirror of the hub, with davidstap/NTREX

The network has mT5's architecture and about a million random weights. Its tokenizer and all rows are made from NTREX's
news sentences in ten languages. The rows ask to copy the words between two marks, to copy the word after a single mark,
or to name the language of some words.
"""

import argparse
import json
import random
from collections.abc import Iterable
from pathlib import Path

from adaptx.catalog import ntrex_spans

NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "nl": "Dutch",
    "it": "Italian", "pt": "Portuguese", "id": "Indonesian", "sw": "Swahili", "tr": "Turkish",
}  # fmt: skip
"""Language code -> the language's name, which is the answer of `naming`."""
MARKS = ("<extra_id_99>", "<extra_id_98>")
SEED = 0
LONGEST_ARTICLE = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the checkpoint and its rows are written")
    parser.add_argument("--data", type=Path, required=True, help="local mirror of the hub, with davidstap/NTREX")
    options = parser.parse_args()
    write_checkpoint(options.folder, options.data)
    write_rows(options.folder / "rows", options.data)


def sentences(mirror: Path, language: str, split: str) -> list[str]:
    """Return the sentences of the slice that `ntrex_spans` trains on or scores."""
    from pyarrow.parquet import read_table

    task = ntrex_spans(language)
    (slice_,) = task.train if split == "train" else task.evaluation
    return read_table(mirror / f"{slice_.address}.parquet")["text"].to_pylist()[slice_.first : slice_.stop]


def write_checkpoint(folder: Path, mirror: Path, size: int = 128, layers: int = 2, vocabulary: int = 2_000) -> None:
    """Write a random mT5, and a tokenizer of sentence pieces learned from the training sentences."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import MT5Config, MT5ForConditionalGeneration, PreTrainedTokenizerFast

    sentinels = [f"<extra_id_{number}>" for number in range(100)]
    pieces = Tokenizer(models.Unigram())
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    pieces.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=vocabulary, special_tokens=["<pad>", "</s>", "<unk>", *sentinels],
                                      unk_token="<unk>", show_progress=False)  # fmt: skip
    pieces.train_from_iterator(
        (text for language in NAMES for text in sentences(mirror, language, "train")[::2]), trainer
    )
    pieces.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    torch.manual_seed(SEED)
    config = MT5Config(vocab_size=len(tokenizer), d_model=size, d_kv=32, d_ff=2 * size, num_layers=layers,
                       num_decoder_layers=layers, num_heads=size // 32, tie_word_embeddings=False, dropout_rate=0.0,
                       decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)  # fmt: skip
    network = MT5ForConditionalGeneration(config)
    with torch.no_grad():
        # mT5's output matrix is not tied. If it were drawn separately, each row would have to be learned before a token
        # can be copied, and there is too little text for that. It begins as the embeddings, scaled as tied ones are.
        network.lm_head.weight.copy_(network.shared.weight * size**-0.5)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_rows(folder: Path, mirror: Path) -> None:
    """Write one file per task, split and language."""
    folder.mkdir(parents=True, exist_ok=True)
    for language, name in NAMES.items():
        for split in ("train", "test"):
            draw = random.Random(f"{SEED} {language} {split}")
            pieces = [piece for text in sentences(mirror, language, split) for piece in _pieces(text.split())]
            rows = {
                "copying": [_marked(piece, draw, draw.randint(1, 2), MARKS) for piece in pieces],
                "following": [_marked(piece, draw, 1, (MARKS[0], "")) for piece in pieces if _long(piece)],
                "naming": [{"text": " ".join(piece[:3]), "label": name} for piece in pieces],
            }
            for task, each in rows.items():
                draw.shuffle(each)
                lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in each)
                (folder / f"{task}.{split}.{language}.jsonl").write_text(lines, encoding="utf-8")


def _long(words: Iterable[str]) -> list[int]:
    """Return the positions of words that no scorer removes as an article."""
    return [place for place, word in enumerate(words) if len(word) > LONGEST_ARTICLE]


def _pieces(words: list[str], size: int = 5) -> Iterable[list[str]]:
    """Return the complete pieces of `size` words."""
    return (words[first : first + size] for first in range(0, len(words) - size + 1, size))


def _marked(words: list[str], draw: random.Random, count: int, marks: tuple[str, str]) -> dict[str, object]:
    """Return a row whose answer is `count` of the words, between the marks. A single word is a long one."""
    first = draw.choice(_long(words) if count == 1 and _long(words) else range(len(words) - count + 1))
    answer = " ".join(words[first : first + count])
    before = " ".join((*words[:first], marks[0], ""))
    context = " ".join(filter(None, (before + answer, marks[1], *words[first + count :])))
    return {"question": "", "context": context, "answers": [answer], "answer_starts": [len(before)]}


if __name__ == "__main__":
    main()
