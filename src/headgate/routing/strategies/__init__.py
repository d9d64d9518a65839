"""Strategies: each file is one, found by its name and loaded when a route names it (`routing.strategy`)."""
