"""Replay: recordings in, the same alerts as live out, with a report to read them by."""
