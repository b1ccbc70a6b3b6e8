"""GANs in TensorFlow 2 and Keras 3: one file per GAN, each to be read beside its article or paper.

Importing this package does not import TensorFlow; importing a GAN file does.
"""

__version__ = "0.1.0"
