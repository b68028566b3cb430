"""Kubernetes: the objects that a job is made of there, and handing them over."""
