"""Known checkpoints, in `encoders`, `encoder_decoders` and `decoders`."""

from adaptx.catalog.models.decoders import *  # noqa: F403
from adaptx.catalog.models.encoder_decoders import *  # noqa: F403
from adaptx.catalog.models.encoders import *  # noqa: F403
from adaptx.catalog.models.finding import MODELS as MODELS
from adaptx.catalog.models.finding import find_model as find_model
from adaptx.catalog.models.finding import from_config as from_config
