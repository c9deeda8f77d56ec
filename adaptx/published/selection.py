"""Find the linear maps that a peft config selects for LoRA, by peft's rules (its `check_target_module_exists`).

The config's regular expressions come from someone else's file, and some could take practically forever. Matching
therefore has a time limit.
"""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from adaptx.errors import UserError

MOST_SECONDS = 5.0
"""Time limit for matching all patterns of one module."""
ALL_LINEAR = "all-linear"
_PLAIN_NAME = re.compile(r"[\w.]+")


class Matcher:
    """A matcher for the regular expressions of one config. All its matches together may take `MOST_SECONDS`."""

    def __init__(self) -> None:
        self._until = time.monotonic() + MOST_SECONDS
        self._compiled: dict[tuple[str, str], Any] = {}

    def match(self, pattern: str, text: str, whole: bool = False, frame: str = "{}") -> str | None:
        """Return the text of the pattern's group `idx`, or "" if it has no such group; None if the pattern does not
        match.

        whole: whether the pattern must match the whole text instead of its beginning. frame: the expression to match,
        in which `{}` is replaced by `pattern`.

        Raises:
            UserError: the pattern is not a regular expression, or takes too long.
        """
        # Imported here, because planning without published modules does not need it.
        import regex

        try:
            if (pattern, frame) not in self._compiled:
                self._compiled[pattern, frame] = regex.compile(frame.replace("{}", pattern))
            compiled = self._compiled[pattern, frame]
            match = compiled.fullmatch if whole else compiled.match
            found = match(text, timeout=max(0.001, self._until - time.monotonic()))
        except regex.error as error:
            raise UserError(f"its config has {pattern!r}, which is not a regular expression ({error})") from error
        except TimeoutError as error:
            raise UserError(
                f"its config has the pattern {pattern!r}, which takes more than {MOST_SECONDS:g} s to match; write the "
                "names of modules instead (adapter_config.json: target_modules, rank_pattern, alpha_pattern)"
            ) from error
        return None if found is None else found.groupdict().get("idx") or ""


def is_selected(config: Mapping[str, Any], path: str, matcher: Matcher) -> bool:
    """Return whether the config selects the linear map at that path for LoRA."""
    excluded = config.get("exclude_modules")
    if isinstance(excluded, str) and excluded:
        if matcher.match(excluded, path, whole=True) is not None:
            return False
    elif excluded and _is_named(path, excluded):
        return False
    wanted: Any = config.get("target_modules")
    if isinstance(wanted, str):
        return wanted.lower() == ALL_LINEAR or matcher.match(wanted, path, whole=True) is not None
    return _is_named(path, wanted or ()) and _is_in_selected_layers(config, path, matcher)


def patterned(config: Mapping[str, Any], pattern: str, default: str, path: str, matcher: Matcher) -> float:
    """Return the rank or alpha of the linear map at `path`: the first value in `config[pattern]` whose key matches the
    end of `path`.

    pattern: `rank_pattern` or `alpha_pattern`. default: the setting that applies if no key matches, `r` or
    `lora_alpha`.
    """
    patterns: Mapping[str, float] = config.get(pattern) or {}
    found = (
        value
        for key, value in patterns.items()
        if _may_match_end(path, key) and matcher.match(key, path, frame=r"(.*\.)?({})$") is not None
    )
    return next(found, config[default])


def _may_match_end(path: str, key: str) -> bool:
    # Plain names that cannot match are ruled out here, to save time.
    return not _PLAIN_NAME.fullmatch(key) or path.endswith(key[key.rfind(".") + 1 :])


def _is_named(path: str, names: Sequence[str]) -> bool:
    return path in names or any(path.endswith(f".{name}") for name in names)


def _is_in_selected_layers(config: Mapping[str, Any], path: str, matcher: Matcher) -> bool:
    layers: Any = config.get("layers_to_transform")
    if layers is None or layers == []:
        return True
    named: Any = config.get("layers_pattern") or ()
    names = [named] if isinstance(named, str) else cast(Sequence[str], named)
    # Without layers_pattern, peft requires a name in front of the name of the layers.
    frame = r"(?:^|.*?\.){}\.(?P<idx>\d+)\." if names else r".*?\.{}\.(?P<idx>\d+)\."
    found = next((number for name in names or [r"[^.]*"] if (number := matcher.match(name, path, frame=frame))), None)
    return found is not None and int(found) in ([layers] if isinstance(layers, int) else layers)
