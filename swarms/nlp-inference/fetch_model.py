"""Fetches magika.onnx and magika.labels.txt again: python fetch_model.py

Both come from the package magika of PyPI (Apache-2.0). pip fetches its wheel, and installs nothing.
"""
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

MODEL = "magika/models/standard_v3_3"
SHA256 = "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c"

here = pathlib.Path(__file__).parent
with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder, "magika==1.0.3"], check=True)
    (wheel,) = pathlib.Path(folder).glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        model = files.read(f"{MODEL}/model.onnx")
        labels = json.loads(files.read(f"{MODEL}/config.min.json"))["target_labels_space"]
if hashlib.sha256(model).hexdigest() != SHA256:
    sys.exit("The wheel has another model than the one that this swarm was tested with")
(here / "magika.onnx").write_bytes(model)
(here / "magika.labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
