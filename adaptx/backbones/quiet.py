"""Notes of other libraries, silenced only while they do what adaptx asks of them; their loggers are the program's."""

import logging
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def quiet(*names: str) -> Generator[None]:
    """Within the block, let these libraries' loggers pass errors alone."""
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def quiet_loading() -> Generator[None]:
    """Silence transformers' notes on what was loaded, which `check_whole` judges, and its progress bar.

    transformers 5 shows a bar for each loading, in the midst of adaptx's own.
    """
    from transformers.utils import logging as transformers_logging

    level, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()
