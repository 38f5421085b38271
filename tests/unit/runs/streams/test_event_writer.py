"""TensorBoard must never stop a run, and must read what is written."""

import io

import pytest
from PIL import Image as PillowImage
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.util import tensor_util

from bnexp.runs.streams.tensorboard import EventWriter
from bnexp.runs.streams.tensorboard_events import (
    GraphNode,
    Image,
    encode_event_file,
    graph_event,
    image_event,
    scalars_event,
    session_end_event,
    session_start_event,
    text_event,
)


def read_events(path):
    """Reads an event file as TensorBoard does, checksums included."""
    return list(LegacyEventFileLoader(str(path)).Load())


def draw_png(width, height):
    file = io.BytesIO()
    PillowImage.new("RGB", (width, height), "red").save(file, format="PNG")
    return file.getvalue()


def test_a_folder_that_cannot_be_written_is_warned_of_once(tmp_path):
    (tmp_path / "file").write_text("in the way")
    warnings = []

    writer = EventWriter(tmp_path / "file", warnings.append)
    writer.write(scalars_event, 1, 0.0, {"train/loss": 1.0})
    writer.write(session_start_event, "cell", {"a": 1}, 0.0)
    writer.write(image_event, "samples", Image(draw_png(2, 1)), "", 0.0)
    writer.write(graph_event, [GraphNode("input", "Input", ())], 0.0)
    writer.write(session_end_event, "finished", 0.0)
    writer.flush()
    writer.close()

    assert len(warnings) == 1
    assert "the run continues without them" in warnings[0]
    assert f"warning: TensorBoard events cannot be written to {tmp_path / 'file'} (" in warnings[0]


def test_a_disk_that_fails_later_is_warned_of_once(tmp_path, monkeypatch):
    warnings = []
    writer = EventWriter(tmp_path, warnings.append)

    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    writer.close()
    monkeypatch.setattr(writer, "_file", Full())
    for step in range(3):
        writer.write(scalars_event, step, 0.0, {"train/loss": 1.0})

    assert len(warnings) == 1
    assert "No space left on device" in warnings[0]


def test_tensorboard_reads_the_file_and_its_checksums(tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(encode_event_file([scalars_event(7, 3.5, {"a": 0.1, "b": 2.0})], 3.0))

    first, event = read_events(path)

    assert (first.file_version, first.wall_time) == ("brain.Event:2", 3.0)
    assert (event.step, event.wall_time) == (7, 3.5)
    values = {value.tag: value.simple_value for value in event.summary.value}
    assert values == {"a": pytest.approx(0.1), "b": 2.0}


def test_a_text_is_a_string_tensor_of_the_text_plugin(tmp_path):
    value = text_event("table", "| ü |", 0.0).summary.value[0]

    assert value.metadata.plugin_data.plugin_name == "text"
    assert tensor_util.make_ndarray(value.tensor).item().decode() == "| ü |"


def test_an_image_carries_its_size_and_its_bytes():
    png = draw_png(5, 3)

    value = image_event("figure", Image(png), "what it shows", 0.0).summary.value[0]

    assert value.metadata.plugin_data.plugin_name == "images"
    assert value.metadata.summary_description == "what it shows"
    assert tensor_util.make_ndarray(value.tensor).tolist() == [b"5", b"3", png]


def test_a_graph_holds_operations_with_inputs_and_shapes():
    nodes = [GraphNode("input", "Input", (), (2, 3)), GraphNode("a/sum", "sum", ("input",))]

    graph = GraphDef.FromString(graph_event(nodes, 0.0).graph_def)

    assert [(node.name, node.op, list(node.input)) for node in graph.node] == [
        ("input", "Input", []),
        ("a/sum", "sum", ["input"]),
    ]
    (shape,) = graph.node[0].attr["_output_shapes"].list.shape
    assert [size.size for size in shape.dim] == [2, 3]
    assert "_output_shapes" not in graph.node[1].attr
