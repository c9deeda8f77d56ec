"""Methods, one per file: which parameters of the backbone a training changes."""

from adaptx.specs.methods.bottleneck import Bottleneck
from adaptx.specs.methods.full import Full
from adaptx.specs.methods.ia3 import Ia3
from adaptx.specs.methods.lora import Lora
from adaptx.specs.methods.method import Method

METHODS: tuple[type[Method], ...] = (Full, Lora, Bottleneck, Ia3)
"""Every method, in the order in which they are listed."""
