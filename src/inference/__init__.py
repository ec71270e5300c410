"""The trained model as others use it: images of any kind in, calibrated class probabilities out."""
