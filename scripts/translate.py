"""Translates images with a trained GAN: many bags of one sketch, a shoe in the style of a bag.

    python scripts/translate.py --run_dir=runs/bicyclegan --input=sketch.png --output=out
    python scripts/translate.py ... --style=photo.png                 # the style of that photo
    python scripts/translate.py ... --interpolate --samples=16        # from one style to another
    python scripts/translate.py ... --fit                             # a sketch of another scale
    python scripts/translate.py --run_dir=runs/cyclegan ... --direction=b_to_a --reconstruct

It needs only the run folder. For every image NAME the folder `out` gets NAME_1.png, NAME_2.png, ...
of the image's own size, NAME_all.png with the image and all of them side by side, and with
`--interpolate` NAME.gif, there and back. Which flags there are to choose from depends on the GAN:
BicycleGAN has styles, pix2pix noise (if the run left it on), CycleGAN and DiscoGAN two directions.
Images of other than 1 or 3 channels come and go as .npy, and have no NAME_all.png.

An image with a side that the network cannot halve evenly is padded and the pictures are cut back: a
sketch is padded with white, an image of another GAN than BicycleGAN, which may be a photo, with its
border pixels. It takes a second or two per image at 256x256 on 2 cores, after TensorFlow's import.
"""

from gans.command_line import cli
from gans.commands.translate import translate

if __name__ == "__main__":
    cli.run(translate)
