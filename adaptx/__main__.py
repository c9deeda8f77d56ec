"""The command line as `python -m adaptx`, where the script `adaptx` is not on the path."""

from adaptx.cli import main

if __name__ == "__main__":
    main()
