"""The theory of the first GAN as numbers and figures, in seconds.

    python scripts/gan_theory.py
    python scripts/gan_theory.py --out=runs/gan_theory --seed=1

`gans/commands/gan_theory.py` says what each figure shows.
"""

from gans.command_line import cli
from gans.commands.gan_theory import gan_theory

if __name__ == "__main__":
    cli.run(gan_theory)
