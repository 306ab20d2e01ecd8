"""The harness: experiments, data, protocol, training, measurement, tracking, command line."""
