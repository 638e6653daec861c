"""Images and videos that come in, and pictures that go out."""
