"""Measures a trained run, or any folder of images against another.

    python scripts/evaluate.py --run_dir=runs/bicyclegan
    python scripts/evaluate.py --run_dir=runs/cgan --seeds=3
    python scripts/evaluate.py --run_dir=runs/dcgan --metrics=fid,kid,prdc --num_fake=10000
    python scripts/evaluate.py --run_dir=runs/dcgan --metrics=fd,prdc --all_checkpoints
    python scripts/evaluate.py --real=photos --fake=samples --metrics=fid,prdc
    python scripts/evaluate.py --list_metrics

Prints a line per metric, with what it is for real images or by chance, adds it with all that
decides it to `evaluation.jsonl` in the run folder, and writes `evaluation.md`. What fits the GAN
and the data is measured; `gans/evaluation/table.py` is the table of all metrics.

fid, kid and inception_score are by the Inception network, whose weights
`python data_prep/download.py inception` gets, or --weights names. Otherwise features are those of a
classifier of the run's own data, and the names say so: fd_mnist is no FID. Where a classifier is
needed and none is named, one is trained on the labels of the run's data and kept next to the run,
e.g. in runs/classifier_mnist; `scripts/train_classifier.py` is the same alone.

It takes a minute or two on 2 cores at 64x64, a classifier of MNIST two minutes, once, and Inception
30 ms an image.
"""

from gans.command_line import cli
from gans.commands.evaluate import evaluate

if __name__ == "__main__":
    cli.run(evaluate)
