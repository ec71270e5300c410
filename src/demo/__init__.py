"""The demonstration: generated trees to train on, and how the embedded weights were made. The core needs none of it."""
