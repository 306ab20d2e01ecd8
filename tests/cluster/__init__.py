"""Tests on clusters that are started on this machine; `nox -s cluster` and `nox -s slurm` run them."""
