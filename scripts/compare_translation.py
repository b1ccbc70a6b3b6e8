"""Trains the variants that a paper compares, measures them, and writes one table and one picture.

    python scripts/compare_translation.py                          # why BicycleGAN exists
    python scripts/compare_translation.py --family=pix2pix_losses  # or one of the others below

    bicyclegan         pix2pix+noise (twice), cVAE-GAN, cLR-GAN, BicycleGAN: who listens to z
    pix2pix_losses     L1, GAN, cGAN, L1+GAN, L1+cGAN: what each loss gives the picture
    patch_sizes        discriminators that see 1, 16, 34 and 70 pixels, the last the whole image
    cycle_ablation     CycleGAN with both cycles, one of them, none
    discogan_ablation  GAN, GAN with reconstruction, DiscoGAN, DiscoGAN with identity loss

`table.md` and `table.csv` have the mean and deviation over the seeds, `picture.png` the same inputs
translated by every variant. On 2 cores a family takes 9 to 18 minutes with 3 seeds;
`docs/experiments.md` shows what comes of it.
"""

from gans.command_line import cli
from gans.commands.compare_translation import compare

if __name__ == "__main__":
    cli.run(compare)
