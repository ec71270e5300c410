"""Backbones and their weights, what of them trains, and the network around them."""
