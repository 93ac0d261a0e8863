"""Training on a device that is not the CPU, on machines that have none: what is left behind on the CPU is an error."""
