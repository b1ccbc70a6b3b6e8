"""Who meets all modes: GAN, PacGAN and WGAN-GP on eight and on twenty-five Gaussians, and what is
published of that.

    python scripts/compare_modes.py            # about an hour on 2 cores
    python scripts/compare_modes.py --paper    # 400,000 steps, 10 runs: days

A run is a plain training command in a folder of its own below --out: stopped, the comparison goes
on where it was, and asked for more seeds it makes only those. It writes `table.md`, `table.csv` and
`picture.png`.
"""

from gans.command_line import cli
from gans.commands.compare_modes import compare

if __name__ == "__main__":
    cli.run(compare)
