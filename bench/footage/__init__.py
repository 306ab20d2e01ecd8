"""Own footage: 2D key points of any common tool lifted to 3D, without ground truth."""
