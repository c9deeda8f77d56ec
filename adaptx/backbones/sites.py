"""Where the sites of `adaptx.specs.method.SITES` lie in each architecture of transformers.

A tensor of a backbone is keyed by (layer, site, tensor): layer None is outside the layers; site is a shared name
where one exists, else the parameter's own path.
"""

from dataclasses import dataclass

Key = tuple[int | None, str, str]


@dataclass(frozen=True)
class Sites:
    """`layer` is the path of one transformer layer, with `{}` for its number; `paths` those of the sites below it."""

    layer: str
    paths: dict[str, str]

    def module(self, layer: int, site: str) -> str:
        """Dotted path of a site's linear map."""
        return f"{self.layer.format(layer)}.{self.paths[site]}"

    def key(self, parameter: str) -> Key:
        """The key of a parameter by its dotted name in the network."""
        path, tensor = parameter.rsplit(".", 1)
        before, after = self.layer.split("{}")
        if not path.startswith(before) or not path[len(before) :].split(".", 1)[0].isdigit():
            return (None, path, tensor)
        number, inner = path[len(before) :].split(".", 1)
        inner = inner.removeprefix(after.lstrip("."))
        names = {site_path: site for site, site_path in self.paths.items()}
        return (int(number), names.get(inner, inner), tensor)


_BERT = Sites(
    "encoder.layer.{}",
    {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "output": "attention.output.dense",
        "up": "intermediate.dense",
        "down": "output.dense",
    },
)

SITES_OF: dict[str, Sites] = {"bert": _BERT, "xlm-roberta": _BERT}
"""A config.json's `model_type` -> its sites."""
