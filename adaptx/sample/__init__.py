"""The embedded sample: real rows and a small real encoder, laid out as a mirror of the hub (`--data sample`).

`data/<hub id>/<config>/<split>.parquet` and `models/<hub id>/`; ATTRIBUTION.md names origins and licences.
"""

from pathlib import Path

SAMPLE = Path(__file__).parent
