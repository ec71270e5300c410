"""Thaw: how much of a pre-trained network should you unfreeze?"""
