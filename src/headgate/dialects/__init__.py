"""The wire formats clients and providers speak: pure functions between bytes and `core.chat` types."""
