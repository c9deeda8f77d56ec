"""Tokenizers of a few words and letters, each of the kind and class that an architecture's checkpoints have."""

from collections.abc import Callable, Sequence
from typing import Any

Words = Sequence[str]
PAD, BEGIN, END, UNKNOWN, MASK = "<pad>", "<s>", "</s>", "<unk>", "<mask>"


def distilbert(words: Words, letters: Words) -> Any:
    """Return a WordPiece tokenizer like BERT's, without token types."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import DistilBertTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [prefix + letter for letter in letters for prefix in ("", "##")]
    vocabulary = {token: index for index, token in enumerate([*special, *words, *pieces])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    around = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=around
    )
    return DistilBertTokenizerFast(tokenizer_object=tokenizer, do_lower_case=False, strip_accents=False)


def deberta(words: Words, letters: Words) -> Any:
    from transformers import DebertaV2TokenizerFast

    return DebertaV2TokenizerFast(tokenizer_object=_unigram_between_marks(words, letters))


def rembert(words: Words, letters: Words) -> Any:
    from transformers import RemBertTokenizerFast

    return RemBertTokenizerFast(
        tokenizer_object=_unigram_between_marks(words, letters), pad_token="[PAD]", unk_token="[UNK]"
    )


def _unigram_between_marks(words: Words, letters: Words) -> Any:
    """Return a Unigram tokenizer with BERT's special tokens and token types."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    tokenizer = Tokenizer(models.Unigram([*_scored(special, words, letters), ("[MASK]", 0.0)], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer


def modernbert(words: Words, _letters: Words) -> Any:
    """Return a BPE tokenizer over bytes with BERT's special tokens."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = _byte_level(words, ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    names = {
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "unk_token": "[UNK]",
        "mask_token": "[MASK]",
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], **names
    )


def t5(words: Words, letters: Words) -> Any:
    """Return a Unigram tokenizer like T5's and mT5's: an end token, no beginning token and no mask."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import T5TokenizerFast

    special = [PAD, END, UNKNOWN]
    tokenizer = Tokenizer(models.Unigram(_scored(special, words, letters), unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=[(END, 1)]
    )
    return T5TokenizerFast(tokenizer_object=tokenizer, extra_ids=20, pad_token=PAD, eos_token=END, unk_token=UNKNOWN)


def mbart(words: Words, letters: Words) -> Any:
    """Return a Unigram tokenizer with an end and a language token after a text, and no separator between two texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import MBartTokenizerFast

    special = [BEGIN, PAD, END, UNKNOWN]
    tokenizer = Tokenizer(models.Unigram([*_scored(special, words, letters), (MASK, 0.0)], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return MBartTokenizerFast(tokenizer_object=tokenizer)


def xglm(words: Words, letters: Words) -> Any:
    """Return a Unigram tokenizer whose end token begins a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import XGLMTokenizerFast

    tokenizer = Tokenizer(models.Unigram(_scored([BEGIN, PAD, END, UNKNOWN], words, letters), unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", pair=f"{END} $A {END} {END} $B", special_tokens=[(END, 2)]
    )
    return XGLMTokenizerFast(tokenizer_object=tokenizer)


def _scored(special: Words, words: Words, letters: Words) -> list[tuple[str, float]]:
    pieces = [(token, 0.0) for token in special] + [(f"▁{word}", -4.0) for word in words]
    return pieces + [(letter, -6.0) for letter in ["▁", *letters]]


def _byte_level(words: Words, special: Words) -> Any:
    """Return a BPE tokenizer over bytes; a known word with the space before it is one token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*special, *alphabet])}
    merges = _merges(words, "Ġ", vocabulary)
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def qwen(words: Words, _letters: Words) -> Any:
    """Return a BPE tokenizer like Qwen's: no special tokens around a text."""
    from tokenizers import processors
    from transformers import Qwen2TokenizerFast

    tokenizer = _byte_level(words, ["<|endoftext|>"])
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False)
    return Qwen2TokenizerFast(tokenizer_object=tokenizer)


def llama3(words: Words, _letters: Words) -> Any:
    """Return a BPE tokenizer like Llama 3's: a beginning token and no padding token."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    begin, end = "<|begin_of_text|>", "<|end_of_text|>"
    tokenizer = _byte_level(words, [begin, end])
    template = processors.TemplateProcessing(
        single=f"{begin} $A", pair=f"{begin} $A {begin} $B:1", special_tokens=[(begin, 0)]
    )
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), template])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=begin, eos_token=end, model_input_names=["input_ids", "attention_mask"]
    )


def bloom(words: Words, _letters: Words) -> Any:
    """Return a BPE tokenizer over bytes, without special tokens around a text."""
    import transformers
    from tokenizers import processors

    tokenizer = _byte_level(words, [UNKNOWN, BEGIN, END, PAD])
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=True)
    # transformers 5 has no class for it.
    if hasattr(transformers, "BloomTokenizerFast"):
        return transformers.BloomTokenizerFast(tokenizer_object=tokenizer)
    names = {"bos_token": BEGIN, "eos_token": END, "unk_token": UNKNOWN, "pad_token": PAD}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def mistral(words: Words, letters: Words) -> Any:
    """Return a BPE tokenizer like sentencepiece's, with bytes for unknown characters and a mark at the beginning."""
    from tokenizers import decoders, normalizers
    from transformers import LlamaTokenizerFast

    tokenizer = _characters(words, letters, [UNKNOWN, BEGIN, END])
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([tokenizer.decoder, decoders.Strip(" ", 1, 0)])
    return LlamaTokenizerFast(tokenizer_object=tokenizer, legacy=True)


def gemma(words: Words, letters: Words) -> Any:
    """Return a BPE tokenizer like Mistral's, without the mark, and with a token for a newline."""
    from tokenizers import normalizers
    from transformers import GemmaTokenizerFast

    tokenizer = _characters(words, [*letters, "\n"], ["<pad>", "<eos>", "<bos>", "<unk>"])
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    return GemmaTokenizerFast(tokenizer_object=tokenizer)


def _characters(words: Words, letters: Words, special: Words) -> Any:
    from tokenizers import Tokenizer, decoders, models

    vocabulary = {token: index for index, token in enumerate([*special, *(f"<0x{byte:02X}>" for byte in range(256))])}
    for letter in ["▁", *letters]:
        vocabulary[letter] = len(vocabulary)
    merges = _merges(words, "▁", vocabulary)
    unknown = next(token for token in special if "unk" in token)
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def _merges(words: Words, space: str, vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """Return the merges of every word with the space before it, letter by letter; their results join the vocabulary."""
    merges: list[tuple[str, str]] = []
    for word in words:
        built = space
        for letter in word:
            if built + letter not in vocabulary:
                vocabulary[built + letter] = len(vocabulary)
                merges.append((built, letter))
            built += letter
    return merges


Make = Callable[[Words, Words], Any]
