"""Shows what a trained GAN that starts from noise makes, and what it has learned.

    python scripts/generate.py --run_dir=runs/dcgan --output=out                    # samples
    python scripts/generate.py --run_dir=runs/cgan --output=out --classes=red,blue
    python scripts/generate.py --run_dir=runs/matching_cgan --output=out \\
        --tags "red hair, green eyes; blue hair"
    python scripts/generate.py ... --mode=interpolate             # from one sample to another
    python scripts/generate.py ... --arithmetic "0+3+7 - 1+4+9 + 2+5+6"
    python scripts/generate.py ... --mode=probe                   # a linear classifier on D
    python scripts/generate.py ... --mode=filters                 # what D responds to
    python scripts/generate.py --run_dir=runs/infogan --output=out --mode=codes

It needs only the run folder; `probe` also needs the data of the run. `gans/commands/generate.py`
lists what each mode writes. It takes a few seconds after TensorFlow's import; the probe of MNIST
takes about two minutes on 2 cores.
"""

from gans.command_line import cli
from gans.commands.generate import generate

if __name__ == "__main__":
    cli.run(generate)
