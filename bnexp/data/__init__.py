"""Datasets and the batch pipeline that keeps them on the device."""
