"""What to know of the network that answered: whose weights they are, how often it is right, what it was trained on."""

import streamlit as st

from engine.models.model import Model


def about(model: Model) -> None:
    """One line below the maps; what it was trained on opens on a click."""
    st.caption(f"{model.title}: {model.weights}. {model.reached}")
    training = model.training.rstrip(".") or "not known"
    with st.expander("Training data", icon=":material/school:"):
        st.caption(f"{training[:1].upper()}{training[1:]}.")
