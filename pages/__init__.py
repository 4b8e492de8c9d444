"""The pages of the app: what a person sees. No mathematics here."""
