"""MLflow: a store's finished stages as runs that a person compares in its UI.

    address.py    where runs are recorded; checked before work starts, shown without its password
    records.py    what each finished stage is as an MLflow run: plain data, read from the store
    markers.py    which of them are recorded already
    writer.py     one such run, written to MLflow
    process.py    the process that writes them while the stages go on
    recorder.py   what a command calls: it starts that process, and waits for it at the end for a limited time
    bench.py      a bench's cells as runs
    ui.py         the MLflow UI on a store

Everything recorded is read back from the store, so nothing is lost while a server is away: the next command records
what is missing. Runs are found by fingerprint, so recording twice makes no second one.
"""
