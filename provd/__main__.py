"""``python -m provd`` is the command line."""

from provd.cli import main

if __name__ == "__main__":
    main()
