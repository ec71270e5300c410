"""Images drawn by formulas, and how a backbone is pre-trained on them (docs/formula_weights.md)."""
