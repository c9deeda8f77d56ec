"""The command line as `python -m adaptx.cli`, where the script `adaptx` is not on the path."""

from adaptx.cli.app import main

if __name__ == "__main__":
    main()
