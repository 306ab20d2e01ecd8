"""A file for each figure: a function of records, and perhaps of the arrays beside them, to drawings.

Figures are as wide as one column of a two-column page, or as both. ``reports.build`` draws them in the style of
``reports.figures.style.STYLE``.
"""
