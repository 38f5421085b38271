"""TensorBoard must never stop a run."""

from bnexp.runs.tensorboard import EventWriter


def test_a_folder_that_cannot_be_written_is_warned_of_once(tmp_path):
    (tmp_path / "file").write_text("in the way")
    warnings = []

    writer = EventWriter(tmp_path / "file", warnings.append)
    writer.write_scalars(1, 0.0, {"train/loss": 1.0})
    writer.write_session_start("cell", {"a": 1}, 0.0)
    writer.write_session_end("finished", 0.0)
    writer.flush()
    writer.close()

    assert len(warnings) == 1
    assert "the run goes on without them" in warnings[0]


def test_a_disk_that_fails_later_is_warned_of_once(tmp_path, monkeypatch):
    warnings = []
    writer = EventWriter(tmp_path, warnings.append)

    class Full:
        def add_event(self, event):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "_writer", Full())
    for step in range(3):
        writer.write_scalars(step, 0.0, {"train/loss": 1.0})

    assert len(warnings) == 1
    assert "No space left on device" in warnings[0]
