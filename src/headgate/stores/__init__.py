"""Stores: each file implements ports of the rooms over one engine, and is imported by name where it is wired."""
