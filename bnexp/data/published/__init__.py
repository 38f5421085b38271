"""Datasets that are published as files of known content: fetched, verified and decoded."""
