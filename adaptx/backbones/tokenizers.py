"""A checkpoint's tokenizer as its files have it, held against the rows of its embeddings."""

from pathlib import Path
from typing import Any

from adaptx.catalog.models.config import SPELLINGS
from adaptx.checkpoint_files import CONFIG, read_settings
from adaptx.errors import UserError

WITHOUT_ROW = {"<image_soft_token>"}
"""Added tokens that stand for no text: Gemma 3's tokenizer has one for images, and its text models no row for it."""


def read_tokenizer(folder: Path) -> Any:
    """Return the fast tokenizer of a checkpoint's folder.

    Raises:
        UserError: it cannot be read, or has tokens for which the embeddings have no row.
    """
    try:
        tokenizer = _read(folder)
    # The libraries raise plain exceptions for files that they cannot read.
    except Exception as error:
        why = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"{folder}: its tokenizer cannot be read ({type(error).__name__}: {why}); copy or download tokenizer.json "
            "and tokenizer_config.json again"
        ) from error
    _check_rows(tokenizer, folder)
    return tokenizer


def _check_rows(tokenizer: Any, folder: Path) -> None:
    """Raises:
    UserError: the tokenizer gives ids that lie beyond the embeddings. More rows than tokens are fine: many checkpoints
        are filled up to a round number.
    """
    settings = read_settings(folder / CONFIG)
    rows = next((settings[name] for name in SPELLINGS["vocabulary"] if name in settings), None)
    if not isinstance(rows, int):
        return
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    beyond = sorted(token for token, number in vocabulary.items() if number >= rows and token not in WITHOUT_ROW)
    if beyond:
        shown = ", ".join(map(repr, beyond[:3])) + (", ..." if len(beyond) > 3 else "")
        raise UserError(
            f"{folder}: its tokenizer numbers {max(vocabulary.values()) + 1:,} tokens, and its embeddings have "
            f"{rows:,} rows, so that {shown} could not be looked up. Take the tokenizer that the weights were trained "
            "with; or, if tokens were added on purpose, add rows and train them: "
            "model.resize_token_embeddings(len(tokenizer)); model.save_pretrained(...)"
        )


def _read(folder: Path) -> Any:
    """Return the tokenizer as its tokenizer.json has it, under every version of transformers.

    transformers 5 takes no more than the vocabulary from the file and builds the rest anew from its own class (its
    issue 45701), so that a checkpoint with another normalizer gets other tokens than under transformers 4, silently;
    and where the checkpoint names no class of its own, it leaves out the type ids of pairs.
    """
    import transformers
    from tokenizers import Tokenizer

    file, name = folder / "tokenizer.json", str(folder)
    auto = transformers.AutoTokenizer
    if transformers.__version__.startswith("4.") or not file.is_file():
        return auto.from_pretrained(name, local_files_only=True, trust_remote_code=False)
    stored = Tokenizer.from_file(str(file))
    tokenizer: Any = auto.from_pretrained(name, tokenizer_object=stored, local_files_only=True, trust_remote_code=False)
    tokenizer.backend_tokenizer.post_processor = stored.post_processor
    if type(tokenizer) is transformers.PreTrainedTokenizerFast and "model_input_names" not in tokenizer.init_kwargs:
        tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return tokenizer
