"""Exports of scikit-learn: pip install scikit-learn skl2onnx pandas; python scikit_learn.py"""
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from skl2onnx import to_onnx
from skl2onnx.common.data_types import BooleanTensorType, FloatTensorType, Int64TensorType, StringTensorType

from cases import HERE, Cases, scored

cases = Cases("scikit_learn", ["scikit-learn", "skl2onnx", "onnx", "numpy", "pandas"])


def save(name, onnx):
    (HERE / name).write_bytes(onnx.SerializeToString())


# A classifier, with names and with numbers as classes, in each form that zipmap has.
measures, species = load_iris(return_X_y=True)
measures = measures.astype(np.float32)
names = np.array(["setosa", "versicolor", "virginica"])
rows = measures[[0, 60, 110, 133]]
named = LogisticRegression(max_iter=500).fit(measures, names[species])
numbered = LogisticRegression(max_iter=500).fit(measures, species + 10)


def answers(model):
    return [(row.tolist(), scored(model.classes_, p, label)) for row, p, label in zip(rows, model.predict_proba(rows), model.predict(rows))]


for suffix, options in {"zipmap": {}, "tensors": {"zipmap": False}, "columns": {"zipmap": "columns"}}.items():
    save(f"sklearn-names-{suffix}.onnx", to_onnx(named, measures[:1], options=options))
    cases.add(f"sklearn-names-{suffix}.onnx", answers(named))
    save(f"sklearn-numbers-{suffix}.onnx", to_onnx(numbered, measures[:1], options=options))
    cases.add(f"sklearn-numbers-{suffix}.onnx", answers(numbered))

# The user's own labels in place of the classes. The requests give the input by name.
own = ["ten", "eleven", "twelve"]
renamed = [({"X": body}, scored(own, answer["scores"].values())) for body, answer in answers(numbered)]
cases.add("sklearn-numbers-tensors.onnx", renamed, labels=own)

# A classifier whose classes are in an initializer.
near = KNeighborsClassifier(3).fit(measures[::10], names[species[::10]])
save("sklearn-neighbours.onnx", to_onnx(near, measures[:1], options={"zipmap": False}))
cases.add("sklearn-neighbours.onnx", answers(near))

# A support vector machine of 64-bit numbers, whose ZipMap gets 64-bit probabilities.
exact, _ = load_iris(return_X_y=True)
vectors = SVC(probability=True, random_state=7).fit(exact, names[species])
asked = exact[[0, 60, 110]]
for suffix, options in {"zipmap": {}, "tensors": {"zipmap": False}}.items():
    save(f"sklearn-svc-fp64-{suffix}.onnx", to_onnx(vectors, exact[:1], options=options))
    cases.add(
        f"sklearn-svc-fp64-{suffix}.onnx",
        [(row.tolist(), scored(vectors.classes_, p, label)) for row, p, label in zip(asked, vectors.predict_proba(asked), vectors.predict(asked))],
    )

# Regressors: of 32 and of 64 bits.
patients, progress = load_diabetes(return_X_y=True)
line = LinearRegression().fit(patients, progress)
save("sklearn-regressor-fp64.onnx", to_onnx(line, patients[:1]))
cases.add("sklearn-regressor-fp64.onnx", [(row.tolist(), {"label": "variable", "scores": {"variable": float(value)}}) for row, value in zip(patients[:2], line.predict(patients[:2]))])
small = LinearRegression().fit(patients.astype(np.float32), progress.astype(np.float32))
save("sklearn-regressor.onnx", to_onnx(small, patients[:1].astype(np.float32)))
cases.add("sklearn-regressor.onnx", [(row.tolist(), {"label": "variable", "scores": {"variable": float(value)}}) for row, value in zip(patients[:2].astype(np.float32), small.predict(patients[:2].astype(np.float32)))])

# A pipeline of columns of four types.
people = pd.DataFrame(
    {
        "age": [22, 38, 26, 35, 35, 54, 2, 27],
        "fare": np.array([7.25, 71.28, 7.92, 53.1, 8.05, 51.86, 21.07, 11.13], dtype=np.float32),
        "sex": ["male", "female", "female", "female", "male", "male", "male", "female"],
        "alone": [False, False, True, False, True, True, False, True],
    }
)
survived = ["no", "yes", "yes", "yes", "no", "no", "no", "yes"]
columns = ColumnTransformer([("words", OneHotEncoder(handle_unknown="ignore"), ["sex"]), ("numbers", StandardScaler(), ["age", "fare"]), ("flags", "passthrough", ["alone"])])
pipeline = make_pipeline(columns, LogisticRegression()).fit(people, survived)
types = [("age", Int64TensorType([None, 1])), ("fare", FloatTensorType([None, 1])), ("sex", StringTensorType([None, 1])), ("alone", BooleanTensorType([None, 1]))]
asked = people.iloc[[0, 1, 6]]
bodies = [{"age": int(p.age), "fare": float(p.fare), "sex": p.sex, "alone": bool(p.alone)} for p in asked.itertuples()]
told = [(body, scored(pipeline.classes_, p, label)) for body, p, label in zip(bodies, pipeline.predict_proba(asked), pipeline.predict(asked))]
for suffix, options in {"zipmap": None, "tensors": {"zipmap": False}, "columns": {"zipmap": "columns"}}.items():
    save(f"sklearn-pipeline-{suffix}.onnx", to_onnx(pipeline, initial_types=types, options=options and {id(pipeline): options}))
    cases.add(f"sklearn-pipeline-{suffix}.onnx", told)

cases.write()
