"""Training on a device other than the CPU, on machines that have none; a tensor left on the CPU raises an error."""
