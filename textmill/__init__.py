"""The front door: `import textmill` for Python, `textmill` for the command line."""
