"""The sample in the package: real rows and a small pretrained encoder, laid out as a mirror of the hub.

`--data sample` reads it. Rows are in `data/<hub id>/<config>/<split>.parquet`, models in `models/<hub id>/`.
ATTRIBUTION.md names origins and licences.
"""

from pathlib import Path

SAMPLE = Path(__file__).parent
