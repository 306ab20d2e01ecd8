"""FinePOSE (Xu et al., arXiv:2405.05216, CVPR 2024), its three blocks a room each."""
