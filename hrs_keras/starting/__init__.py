"""From folders of images and labels to a recipe for them: ``hrs init``."""
