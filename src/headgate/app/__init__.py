"""The composition root: configuration to a running gateway. The only place that knows providers and stores."""
