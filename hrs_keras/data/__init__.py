"""Finding, checking, decoding, changing and batching labelled images."""
