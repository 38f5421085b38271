"""What diagnostics measured inside the networks: heat maps of layers, lines over the steps."""
