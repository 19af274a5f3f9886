"""Imports: from any file to profiles, with the truth told beforehand and a way back."""
