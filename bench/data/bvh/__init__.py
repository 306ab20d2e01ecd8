"""Motion capture in BVH files as a data set."""
