"""FinePOSE (Xu et al., arXiv:2405.05216, CVPR 2024): ``model`` begins with a map of where its parts are."""
