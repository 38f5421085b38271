"""What a run measured beside its metrics: diagnostics, predictions and confusions."""
