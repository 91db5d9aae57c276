"""`python -m dovetail` is the command line."""

from .cli import main

main()
