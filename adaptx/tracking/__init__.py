"""MLflow: the finished stages of a store as runs, which people compare in the MLflow UI.

    address.py    the address at which runs are recorded; checked before work starts, shown without its password
    records.py    the content of each run as plain data, read from the store
    markers.py    which runs are already recorded
    writer.py     writes one run to MLflow
    process.py    the process that writes runs while a command works on stages
    recorder.py   the interface for commands: it starts that process, and at the end waits for it for a limited time
    bench.py      the cells of a benchmark as runs
    ui.py         the MLflow UI on a store

All content comes from the store, so nothing is lost while a server is unreachable: the next command records what is
missing. A run is found by its fingerprint, so recording a stage twice does not create a second run.
"""
