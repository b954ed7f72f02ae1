"""Exports of PyTorch: pip install torch onnx onnxscript; python pytorch.py"""
import onnx
import torch
from torch import nn

from cases import HERE, Cases, scored

cases = Cases("pytorch", ["torch", "onnx", "onnxscript"])
torch.manual_seed(7)
batch = torch.export.Dim("batch")
tokens = torch.export.Dim("tokens")


def export(name, module, inputs, names, outputs, dynamic=None, **options):
    """`dynamic`: by input, {axis: name}. The exporter since PyTorch 2.5 takes it as shapes, and the older exporter as axes."""
    if options.get("dynamo"):
        options |= {"external_data": False, "dynamic_shapes": None if dynamic is None else tuple(dynamic[name] for name in names)}
    elif dynamic is not None:
        axes = {name: {axis: str(dim.__name__) for axis, dim in dims.items()} for name, dims in dynamic.items()}
        options |= {"dynamic_axes": axes | {name: {0: "batch"} for name in outputs}}
    torch.onnx.export(module.eval(), inputs, HERE / name, input_names=names, output_names=outputs, **options)
    # The exporter writes the paths of this machine into each node, as stack traces.
    model = onnx.load(HERE / name)
    for node in model.graph.node:
        del node.metadata_props[:]
    onnx.save(model, HERE / name)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))

    def forward(self, x):
        return self.layers(x)


classifier = Classifier()
x = torch.randn(3, 4)
logits = classifier(x)
labels = ["a", "b", "c"]
answers = [(row.tolist(), scored(labels, values.tolist())) for row, values in zip(x, logits)]
export("torch-classifier.onnx", classifier, (x,), ["x"], ["logits"], {"x": {0: batch}}, dynamo=True)
export("torch-classifier-legacy.onnx", classifier, (x,), ["x"], ["logits"], {"x": {0: batch}}, dynamo=False)
# Without dynamic shapes, the batch size is fixed at the size of the example.
export("torch-batch-of-one.onnx", classifier, (x[:1],), ["x"], ["logits"], dynamo=True)
export("torch-batch-of-two.onnx", classifier, (x[:2],), ["x"], ["logits"], dynamo=True)
for name in ["classifier", "classifier-legacy", "batch-of-one", "batch-of-two"]:
    cases.add(f"torch-{name}.onnx", answers, labels=labels)


class Sentence(nn.Module):
    """Token ids of any length and a weight: two inputs, three outputs, one of them int64."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(40, 4)
        self.last = nn.Linear(5, 2)

    def forward(self, ids, weight):
        vectors = self.embedding(ids)
        scores = torch.softmax(self.last(torch.cat([vectors.mean(1), weight], 1)), 1)
        return scores, ids.sum(1) * 1_000_000_007_000_003, vectors


sentence = Sentence()
sentences = [([[3, 1, 4, 1, 5]], [[0.5]]), ([[9, 2]], [[0.25]]), ([[6, 5, 3, 5, 8]], [[1.0]])]
told = []
for ids, weight in sentences:
    scores, total, vectors = sentence(torch.tensor(ids), torch.tensor(weight))
    value = int(total[0])
    answer = scored(["0", "1"], scores[0].tolist())
    answer["total"] = value if abs(value) < 2**53 else str(value)
    answer["vectors"] = vectors[0].tolist()
    told.append(({"ids": ids[0], "weight": weight[0][0]}, answer))
example = (torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.rand(2, 1))
outputs = ["probabilities", "total", "vectors"]
free = {"ids": {0: batch, 1: tokens}, "weight": {0: batch}}
export("torch-sentence.onnx", sentence, example, ["ids", "weight"], outputs, free, dynamo=True)
export("torch-sentence-legacy.onnx", sentence, example, ["ids", "weight"], outputs, free, dynamo=False)
cases.add("torch-sentence.onnx", told)
cases.add("torch-sentence-legacy.onnx", told)


class Types(nn.Module):
    """An input of each type, two of them without a batch dimension, and an output for each input."""

    def forward(self, flag, small, count, id, half, level, number):
        return number + count + flag.to(torch.int32) + small.to(torch.int32), id + 1, level * 2, half * 2, ~flag, level.sum()


example = (
    torch.tensor([True, False]),
    torch.tensor([250, 5], dtype=torch.uint8),
    torch.tensor(7, dtype=torch.int32),
    torch.tensor([2**53, -(2**62)]),
    torch.tensor([0.5, 2.0], dtype=torch.float16),
    torch.tensor([[0.1, 0.2]], dtype=torch.float64),
    torch.tensor([1.5, 2.5]),
)
names = ["flag", "small", "count", "id", "half", "level", "number"]
outputs = ["sum", "next", "double", "twice", "opposite", "total"]
export("torch-types.onnx", Types(), example, names, outputs, dynamo=True)


def exact(values):
    return [value if abs(value) < 2**53 else str(value) for value in values]


body = {name: value.tolist() for name, value in zip(names, example)} | {"id": exact(example[3].tolist())}
given = Types()(*example)
answer = {name: value.tolist() for name, value in zip(outputs, given)} | scored(["0", "1"], given[0].tolist()) | {"next": exact(given[1].tolist()), "double": given[2][0].tolist()}
body["level"] = body["level"][0]
del answer["sum"]
cases.add("torch-types.onnx", [(body, answer)])

cases.write()
