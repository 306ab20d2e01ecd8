"""From run records to tables, figures and pages."""
