"""What a run trains on: device, precision, and the conditions that decide its bits."""
