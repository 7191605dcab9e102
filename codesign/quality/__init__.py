"""Quality: what a bitwidth costs in accuracy, and how much of that a design may cost."""
