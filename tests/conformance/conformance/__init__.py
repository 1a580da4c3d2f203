"""A conformance suite for programs that follow Earcon's events. See the README next to this package."""
