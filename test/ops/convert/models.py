"""Models of each library that `waggle models convert` reads: python models.py keras|scikit-learn FOLDER"""
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def keras_models(folder):
    import keras

    keras.utils.set_random_seed(7)
    measures = keras.Input((4,), name="measures")
    hidden = keras.layers.Dense(6, activation="relu")(measures)
    model = keras.Model(measures, keras.layers.Dense(3, activation="softmax", name="probabilities")(hidden))
    model.save(folder / "keras.keras")


def classic_models(folder):
    import joblib
    import lightgbm
    import numpy as np
    import xgboost
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, kinds = load_iris(return_X_y=True)
    rows = rows.astype(np.float32)
    joblib.dump(make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(rows, kinds), folder / "pipeline.joblib")
    trees = xgboost.XGBClassifier(n_estimators=5).fit(rows, kinds)
    trees.get_booster().save_model(folder / "trees.ubj")
    lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(rows, kinds == 2), 5).save_model(folder / "binary.txt")


{"keras": keras_models, "scikit-learn": classic_models}[sys.argv[1]](pathlib.Path(sys.argv[2]))
