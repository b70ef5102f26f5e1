"""``python -m finesight``: the command line where the script ``finesight`` is not on the path."""

from finesight.cli import main

if __name__ == "__main__":
    main()
