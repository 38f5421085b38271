"""A run's network as it was trained, with what turns pictures into its inputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bnexp.config.experiment import ExperimentConfig
from bnexp.config.load import restore_spec
from bnexp.errors import BnexpError, UsageError
from bnexp.runs import CheckpointError, RunDir, RunRecord
from bnexp.runs.seal import Seal
from bnexp.training.machine.memory_format import set_memory_format
from bnexp.training.machine.precision import autocast
from bnexp.training.saving.checkpoint import restore_network
from bnexp.training.saving.progress import CheckpointMetadata, NetworkFrame


class TrainedNetwork(nn.Module):
    """Turns pictures into logits: normalises them as in training, at the run's precision.

    It is made in evaluation mode, so that batch norm uses its running statistics.
    """

    def __init__(self, network: nn.Module, frame: NetworkFrame, config: ExperimentConfig) -> None:
        super().__init__()
        self.network = network
        """Takes normalised images; its state dict is the checkpoint's."""
        self.config = config
        self.frame = frame
        std = torch.tensor(frame.std)
        # In one multiplication and addition per pixel, as in training, so that no bit differs.
        self._scale = 1 / (255 * std)
        self._shift = -torch.tensor(frame.mean) / std
        self.eval()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the logits."""
        return self.frame.class_names

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits `(N, num_classes)` in float32.

        Args:
            images: `(N, C, H, W)`; uint8, or floats in [0, 1].

        Raises:
            ValueError: They have another shape than those of the training.
        """
        height, width, channels = self.frame.image_shape
        if images.dim() != 4 or images.shape[1:] != (channels, height, width):
            raise ValueError(
                f"images must be (N, {channels}, {height}, {width}), not {tuple(images.shape)}"
            )
        pixels = images if images.dtype == torch.uint8 else images * 255
        rows = pixels.permute(0, 2, 3, 1).to(torch.float32)
        scale, shift = self._scale.to(rows.device), self._shift.to(rows.device)
        inputs = torch.addcmul(shift, rows, scale).permute(0, 3, 1, 2)
        with autocast(inputs.device, self.config.train.precision):
            logits: Tensor = self.network(inputs)
        return logits.float()

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """Returns the probabilities `(N, num_classes)` of `images`, as `forward` takes them."""
        probabilities: Tensor = self(images).softmax(1)
        return probabilities


def load_network(record: RunRecord, device: str = "cpu") -> TrainedNetwork:
    """Returns the network of a run as its last checkpoint has it.

    Raises:
        UsageError: The run has no checkpoint, or an earlier version of bnexp wrote it.
        BnexpError: The checkpoint is damaged, or from another network than the run's config.
    """
    spec = restore_spec(record)
    frame, tensors = read_checkpoint(record)
    torch.manual_seed(0)  # what is drawn here is replaced
    network = spec.config.model.build(frame.image_shape, len(frame.class_names))
    put_tensors(record, tensors, network)
    set_memory_format(network, spec.config.train.memory_format)
    return TrainedNetwork(network, frame, spec.config).to(device)


def read_checkpoint(record: RunRecord) -> tuple[NetworkFrame, bytes]:
    """Returns what stands around a run's network, and the content of its tensor file.

    Raises:
        UsageError: The run has no checkpoint, or an earlier version of bnexp wrote it.
        BnexpError: The checkpoint, or the run itself, is damaged.
    """
    if record.is_damaged:
        raise BnexpError(f"{record.problems[0]}; bnexp check names all that is wrong")
    files = RunDir(record.path).checkpoints
    found = files.find()
    if not found:
        raise UsageError(f"{record.path} has no checkpoint; train it first")
    try:
        metadata = CheckpointMetadata.read(files.read_metadata(found[0]))
        tensors = files.read_tensors(found[0])
    except CheckpointError as error:
        raise BnexpError(f"{found[0]} {error}") from error
    if record.summary and (problem := Seal(record.path).find_problem(found[0].name, tensors)):
        raise BnexpError(problem)
    if metadata.frame is None:
        raise UsageError(
            f"{found[0]} was written by an earlier version of bnexp, which did not note its "
            "classes; train the run again"
        )
    return metadata.frame, tensors


def put_tensors(record: RunRecord, tensors: bytes, network: nn.Module) -> None:
    """Loads the tensors of a run's checkpoint into its network.

    Raises:
        BnexpError: They are another network's.
    """
    try:
        restore_network(tensors, network)
    except CheckpointError as error:
        raise BnexpError(f"{RunDir(record.path).checkpoints.newest} {error}") from error
