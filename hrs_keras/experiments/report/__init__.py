"""Reports of experiments: pages of tables, curves and pictures."""
