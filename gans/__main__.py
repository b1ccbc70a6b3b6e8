"""`python -m gans`: see `gans.commands.app`."""

from gans.commands.app import main

if __name__ == "__main__":
    main()
