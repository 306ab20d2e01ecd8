"""Denoising diffusion over 3D pose sequences: the process and its denoiser."""
