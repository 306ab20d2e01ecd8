"""Figures of trainings."""
