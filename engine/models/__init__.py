"""Networks: cards, architectures and weights."""
