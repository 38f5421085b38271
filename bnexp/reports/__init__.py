"""Turns a comparison into a terminal table, Markdown, CSV, JSON and figures."""
