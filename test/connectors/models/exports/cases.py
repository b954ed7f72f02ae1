"""Shared code of the export scripts: each model with requests, and the answers that Python gives."""
import importlib.metadata
import json
import pathlib
import platform

HERE = pathlib.Path(__file__).parent


class Cases:
    """Writes models and `NAME.json`: {"made_with": versions, "cases": [{"model", "spec", "requests": [{"body", "answer"}]}]}."""

    def __init__(self, name, packages):
        self.name = name
        self.made_with = {"python": platform.python_version(), **{package: importlib.metadata.version(package) for package in packages}}
        self.cases = []

    def add(self, model, requests, **spec):
        self.cases.append({"model": model, "spec": spec, "requests": [{"body": body, "answer": answer} for body, answer in requests]})

    def write(self):
        text = json.dumps({"made_with": self.made_with, "cases": self.cases}, indent=1, ensure_ascii=False)
        (HERE / f"{self.name}.json").write_text(text + "\n")


def scored(labels, probabilities, label=None):
    """A classifier's answer for one row."""
    scores = {str(name): float(value) for name, value in zip(labels, probabilities)}
    return {"label": str(label) if label is not None else max(scores, key=scores.get), "scores": scores}
