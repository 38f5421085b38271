"""In what runs differ besides their results: keys, machines, code, data, tuned values."""
