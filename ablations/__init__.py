"""Declared experiments, one YAML file per table or figure."""
