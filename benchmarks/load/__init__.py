"""The load harness: a mock provider and a load tool in C, and how contestants are started, watched and stopped.

`mock.c` plays OpenAI, Anthropic and Google on one thread for a few microseconds a request, and puts its own clock into
every answer; `lgen.c` loads a gateway, checks every answer, and splits the added latency off by those marks.
"""
