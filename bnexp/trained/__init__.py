"""What was trained, put to use: networks that are loaded, evaluated and asked."""
