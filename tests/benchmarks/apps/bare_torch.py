"""As little as a Streamlit app with torch can be: imported, and one line on the page."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import streamlit as st
import torch

st.set_page_config(page_title="Bare", layout="wide")
st.markdown(f"torch {torch.__version__}")
