"""Images and videos that are read, and pictures, label maps and films that are written."""
