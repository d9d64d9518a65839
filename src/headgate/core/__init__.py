"""The ground floor: frozen types, errors and ports. Imports nothing but the standard library and msgspec."""
