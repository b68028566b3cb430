"""A model for programs without textmill."""

from pathlib import Path

import click

from pipeline.exporting.export import export_onnx
from pipeline.scoring import text_steps
from pipeline.train.model import load_model
from textmill.api import model_folder
from textmill.cli.output import print_json
from textmill.report.units import counted


def export_model(name: str, output: Path, store: str, *, as_json: bool) -> None:
    """Nothing; a model lies in the folder `output` as ONNX and as a scorer in plain NumPy."""
    folder = model_folder(name, store)
    model = load_model(folder)
    steps = [step.model_dump(mode="json") for step in text_steps(model, allow_code=True)]
    files = export_onnx(model, output, steps)
    if as_json:
        return print_json({"model": folder.name, "sha256": model.sha256, "folder": str(output), "files": files})
    click.echo(f"{folder.name} is in {output}: {', '.join(files)}")
    if steps:
        click.echo(f"Clean texts first as its job did: {counted(len(steps), 'step')}, in model.json", err=True)
    return None
