"""Contexts that silence other libraries while adaptx calls them. At all other times their loggers stay unchanged."""

import logging
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def quiet(*names: str) -> Generator[None]:
    """Let the loggers with these names pass only errors inside the `with` block."""
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
    """Silence transformers' load report and progress bar inside the `with` block. `check_whole` reads the report."""
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
