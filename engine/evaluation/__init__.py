"""Whole data sets: readers, runners, tables and the published figures."""
