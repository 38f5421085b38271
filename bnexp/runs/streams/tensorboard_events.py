"""TensorBoard's events, and the file that holds them, made without TensorFlow.

Only TensorBoard's protocol buffers are imported. Its record writer would add 0.3 s to
`bnexp compare`, its event writer writes from a thread, in which nobody can catch an error, and
its summary functions for text, images and layouts import TensorFlow.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from bnexp.foreign_text import visible
from bnexp.runs.record import Scalar, State
from bnexp.runs.streams.metrics_log import Histogram

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.plugins.custom_scalar.layout_pb2 import Chart

EVENTS = "events.out.tfevents."
"""What the name of every event file begins with."""

RUN_COLOURS = r"([^/]+)/[^/]+$"
"""Gives the seeds of a cell, and its mean, low and high curves, the same color.

TensorBoard groups runs whose names have equal captured groups: here the second-to-last
folder.
"""

_POLYNOMIAL = 0x82F63B78
"""CRC-32C's, its bits in reverse. Source: RFC 3720, section B.4."""
_MASK_DELTA = 0xA282EAD8


@dataclass(frozen=True)
class Image:
    """A picture to show: the bytes of a PNG file."""

    png: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as its header states them."""
        width, height = struct.unpack(">II", self.png[16:24])
        return width, height


@dataclass(frozen=True)
class GraphNode:
    """An operation of a network: the names of its inputs, and its output's shape if known.

    Slashes in the name nest it into boxes that open and close.
    """

    name: str
    operation: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...] | None = None


def scalars_event(step: int, wall_time: float, scalars: Mapping[str, float]) -> Event:
    """Returns one point for each tag; `wall_time` is in seconds since 1970."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    values = [Summary.Value(tag=visible(tag), simple_value=value) for tag, value in scalars.items()]
    return _event(wall_time, step=step, summary=Summary(value=values))


def histograms_event(step: int, wall_time: float, histograms: Mapping[str, Histogram]) -> Event:
    """Returns a histogram for each tag, for the pages Histograms and Distributions."""
    from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

    values = []
    for tag, one in histograms.items():
        bins = max(len(one.counts), 1)
        edges = [one.low + (one.high - one.low) * (place + 1) / bins for place in range(bins)]
        centres = [edge - (one.high - one.low) / bins / 2 for edge in edges]
        pairs = [*zip(one.counts, centres, strict=False)]
        histogram = HistogramProto(
            min=one.low,
            max=one.high,
            num=sum(one.counts),
            sum=sum(count * centre for count, centre in pairs),
            sum_squares=sum(count * centre**2 for count, centre in pairs),
            bucket_limit=edges[: len(one.counts)],
            bucket=one.counts,
        )
        values.append(Summary.Value(tag=visible(tag), histo=histogram))
    return _event(wall_time, step=step, summary=Summary(value=values))


def text_event(tag: str, markdown: str, wall_time: float) -> Event:
    """Returns a text, shown as Markdown on the page Text."""
    from tensorboard.plugins.text.metadata import create_summary_metadata

    tensor = _strings((markdown.encode(),))
    return _tensor_event(tag, create_summary_metadata("", ""), tensor, wall_time)


def image_event(tag: str, image: Image, description: str, wall_time: float) -> Event:
    """Returns a picture for the page Images, with a description in Markdown beside its tag."""
    from tensorboard.plugins.image.metadata import create_summary_metadata

    sizes = (str(size).encode() for size in image.size)
    tensor = _strings((*sizes, image.png), is_vector=True)
    return _tensor_event(tag, create_summary_metadata("", description), tensor, wall_time)


def margin_chart(title: str, value: str, lower: str, upper: str) -> Chart:
    """Returns a line with a band around it, by three tags that one run has."""
    from tensorboard.plugins.custom_scalar.layout_pb2 import Chart, MarginChartContent

    series = MarginChartContent.Series(value=value, lower=lower, upper=upper)
    return Chart(title=title, margin=MarginChartContent(series=[series]))


def line_chart(title: str, tags: Sequence[str]) -> Chart:
    """Returns lines of all runs with a tag that matches one of the regular expressions."""
    from tensorboard.plugins.custom_scalar.layout_pb2 import Chart, MultilineChartContent

    return Chart(title=title, multiline=MultilineChartContent(tag=tags))


def layout_event(categories: Mapping[str, Sequence[Chart]], wall_time: float) -> Event:
    """Returns the charts of the page Custom Scalars, by the title of their category."""
    from tensorboard.plugins.custom_scalar.layout_pb2 import Category, Layout
    from tensorboard.plugins.custom_scalar.metadata import (
        CONFIG_SUMMARY_TAG,
        create_summary_metadata,
    )

    layout = Layout(
        category=[Category(title=title, chart=charts) for title, charts in categories.items()]
    )
    tensor = _strings((layout.SerializeToString(),))
    return _tensor_event(CONFIG_SUMMARY_TAG, create_summary_metadata(), tensor, wall_time)


def graph_event(nodes: Iterable[GraphNode], wall_time: float) -> Event:
    """Returns a network's graph for the page Graphs."""
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef

    graph = GraphDef()
    for node in nodes:
        written = NodeDef(name=node.name, op=node.operation, input=node.inputs)
        if node.shape is not None:
            shape = written.attr["_output_shapes"].list.shape.add()
            for size in node.shape:
                shape.dim.add(size=size)
        graph.node.append(written)
    return _event(wall_time, graph_def=graph.SerializeToString())


def session_start_event(
    group: str, hyperparameters: Mapping[str, Scalar], wall_time: float
) -> Event:
    """Returns a run's hyper-parameters; runs of the same group, the seeds, form one row."""
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    shown = {key: _as_hyperparameter(value) for key, value in hyperparameters.items()}
    summary = hparams_pb(shown, trial_id=group, start_time_secs=wall_time)
    return _event(wall_time, summary=summary)


def experiment_event(
    columns: Mapping[str, Sequence[str] | Sequence[float]], metrics: Sequence[str], wall_time: float
) -> Event:
    """Returns what the page HParams shows: columns with their values, one type each, and metrics.

    TensorBoard takes the first that it finds in any run, in place of a list of its own.
    """
    from tensorboard.plugins.hparams import api_pb2, metadata

    experiment = api_pb2.Experiment(time_created_secs=wall_time)
    for name, values in columns.items():
        distinct = dict.fromkeys(values)
        kind = "STRING" if isinstance(values[0], str) else "FLOAT64"
        info = experiment.hparam_infos.add(name=name, type=f"DATA_TYPE_{kind}")
        info.differs = len(distinct) > 1
        info.domain_discrete.extend(distinct)
    for tag in metrics:
        experiment.metric_infos.add(name=api_pb2.MetricName(tag=tag))
    return _hparams_event(metadata.EXPERIMENT_TAG, wall_time, experiment=experiment)


def restart_event(wall_time: float) -> Event:
    """Returns the event that makes a reader forget the points of a run's earlier files."""
    from tensorboard.compat.proto.event_pb2 import SessionLog

    return _event(wall_time, session_log=SessionLog(status=SessionLog.START))


def session_end_event(state: State, wall_time: float) -> Event:
    """Returns how a run ended."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = {
        "finished": api_pb2.STATUS_SUCCESS,
        "diverged": api_pb2.STATUS_SUCCESS,
        "failed": api_pb2.STATUS_FAILURE,
    }.get(state, api_pb2.STATUS_UNKNOWN)
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=wall_time)
    return _hparams_event(metadata.SESSION_END_INFO_TAG, wall_time, session_end_info=end)


def encode_event_file(events: Iterable[Event], wall_time: float) -> bytes:
    """Returns the content of an event file: a record that names its version, then the events'."""
    return b"".join(map(encode_event, (version_event(wall_time), *events)))


def version_event(wall_time: float) -> Event:
    """Returns the event that every event file begins with."""
    return _event(wall_time, file_version="brain.Event:2")


def encode_event(event: Event) -> bytes:
    """Returns the event as a TFRecord: length and content, each with its checksum.

    Source: TensorFlow's guide "TFRecord and tf.train.Example", section on the format.
    """
    data: bytes = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    return length + _masked_checksum(length) + data + _masked_checksum(data)


def _masked_checksum(data: bytes) -> bytes:
    table = _checksum_table()
    checksum = 0xFFFFFFFF
    for byte in data:
        checksum = table[(checksum ^ byte) & 0xFF] ^ (checksum >> 8)
    checksum ^= 0xFFFFFFFF
    rotated = (checksum >> 15) | (checksum << 17)
    return struct.pack("<I", (rotated + _MASK_DELTA) & 0xFFFFFFFF)


@cache
def _checksum_table() -> tuple[int, ...]:
    """Returns what each value of a byte makes of CRC-32C's remainder."""
    remainders = [*range(256)]
    for _ in range(8):
        remainders = [(one >> 1) ^ (_POLYNOMIAL if one & 1 else 0) for one in remainders]
    return tuple(remainders)


def _event(wall_time: float, **content: Any) -> Event:  # noqa: ANN401 - protocol buffers' fields
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=wall_time, **content)


def _hparams_event(tag: str, wall_time: float, **content: Any) -> Event:  # noqa: ANN401 - as above
    """Returns a message to the page HParams, which is in its metadata alone."""
    from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
    plugin = SummaryMetadata.PluginData(
        plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString()
    )
    described = SummaryMetadata(plugin_data=plugin)
    return _tensor_event(tag, described, metadata.NULL_TENSOR, wall_time)


def _tensor_event(
    tag: str, metadata: SummaryMetadata, tensor: TensorProto, wall_time: float
) -> Event:
    from tensorboard.compat.proto.summary_pb2 import Summary

    value = Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
    return _event(wall_time, summary=Summary(value=[value]))


def _strings(values: Sequence[bytes], is_vector: bool = False) -> TensorProto:
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    tensor = TensorProto(dtype=DT_STRING, string_val=values)
    if is_vector:
        tensor.tensor_shape.dim.add(size=len(values))
    return tensor


def _as_hyperparameter(value: Scalar) -> str | float:
    """Returns numbers as they are and everything else as text, which the page can filter."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return visible(value) if isinstance(value, str) else value
