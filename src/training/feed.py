"""What a trial's network is fed: the training batches of any epoch, and each split as it is."""

from dataclasses import dataclass

import tensorflow as tf

from src.config import TrialConfig
from src.data.batches import evaluation_batches, steps, training_batches
from src.data.dataset import Dataset
from src.data.listing import Split


@dataclass(frozen=True)
class Feed:
    """Batches of images and one-hot labels, as the trial's seed, batch size and augmentation have them."""

    dataset: Dataset
    trial: TrialConfig

    @property
    def images(self) -> int:
        """Training images."""
        return int(self.dataset.splits.train.size)

    @property
    def steps(self) -> int:
        """Training batches an epoch."""
        return steps(self.images, self.trial.batch_size)

    def training(self, first_epoch: int, epochs: int) -> tf.data.Dataset:
        """`epochs` epochs from epoch `first_epoch` of the trial on; see :func:`training_batches`."""
        trial = self.trial
        return training_batches(self.dataset, trial.augment, trial.batch_size, trial.seed, first_epoch, epochs)

    def evaluation(self, split: Split) -> tf.data.Dataset:
        """The images of `split` once, in their own order; see :func:`evaluation_batches`."""
        return evaluation_batches(self.dataset, split, self.trial.batch_size)
