"""Learned routing: features of a request, the classifier that a `model` artifact holds, its training and evaluation."""
