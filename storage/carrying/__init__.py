"""Versions carried out of a store and into another."""
