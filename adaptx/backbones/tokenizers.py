"""Loading of a checkpoint's tokenizer exactly as its files define it, with checks against config.json."""

from pathlib import Path
from typing import Any

from adaptx.errors import UserError
from adaptx.sources.checkpoint_files import CONFIG, check_rows, read_settings
from adaptx.specs.architectures import ARCHITECTURES


def read_tokenizer(folder: Path) -> Any:
    """Return the tokenizer in a checkpoint's folder.

    Raises:
        UserError: the tokenizer cannot be read, has tokens for which the embeddings have no row, or, in architectures
            that count positions from the padding id, has another padding id than config.json.
    """
    try:
        tokenizer = _read_as_stored(folder)
    # tokenizers and transformers raise plain `Exception` for files that they cannot read.
    except Exception as error:
        why = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"{folder}: its tokenizer cannot be read ({type(error).__name__}: {why}); copy or download tokenizer.json "
            "and tokenizer_config.json again"
        ) from error
    settings = read_settings(folder / CONFIG)
    if isinstance(rows := settings.get("vocab_size"), int):
        check_rows(tokenizer.get_vocab(), rows, folder)
    architecture = ARCHITECTURES.get(settings.get("model_type", ""))
    if architecture is not None and architecture.positions_after_padding:
        padding = settings.get("pad_token_id", 1)
        if padding != tokenizer.pad_token_id:
            raise UserError(
                f"{folder}: config.json has pad_token_id {padding}, but the tokenizer's padding token is "
                f"{tokenizer.pad_token!r} with id {tokenizer.pad_token_id}. This architecture counts positions from "
                "that id, so every text would be read at wrong positions. Use the tokenizer and the config.json with "
                "which the weights were trained"
            )
    return tokenizer


def _read_as_stored(folder: Path) -> Any:
    # transformers 5 reads only the vocabulary from tokenizer.json and builds the other parts from its tokenizer class
    # (its issue 45701). A checkpoint with a different normalizer then silently gets other tokens than under
    # transformers 4. transformers 5 also leaves out the type ids of pairs if the checkpoint names no tokenizer class,
    # or names RemBERT's.
    import transformers
    from tokenizers import Tokenizer

    file, name = folder / "tokenizer.json", str(folder)
    auto = transformers.AutoTokenizer
    if transformers.__version__.startswith("4.") or not file.is_file():
        return auto.from_pretrained(name, local_files_only=True, trust_remote_code=False)
    stored = Tokenizer.from_file(str(file))
    tokenizer: Any = auto.from_pretrained(name, tokenizer_object=stored, local_files_only=True, trust_remote_code=False)
    tokenizer.backend_tokenizer.post_processor = stored.post_processor
    untyped = (transformers.PreTrainedTokenizerFast, transformers.RemBertTokenizerFast)
    if type(tokenizer) in untyped and "model_input_names" not in tokenizer.init_kwargs:
        tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return tokenizer
