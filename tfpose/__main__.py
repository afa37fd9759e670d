"""`python -m tfpose COMMAND`: see `tfpose.cli`."""

from tfpose.cli.commands import main

if __name__ == "__main__":
    main()
