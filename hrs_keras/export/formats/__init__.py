"""The built-in export formats, one file each; see :class:`hrs_keras.export.format.ExportFormat`."""
