"""Run the command line as `python -m adaptx.cli`, for example if the script `adaptx` is not on the PATH."""

from adaptx.cli.app import main

if __name__ == "__main__":
    main()
