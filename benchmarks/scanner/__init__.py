"""Precision, recall and speed of the scanner on published projects whose places were labelled by hand."""
