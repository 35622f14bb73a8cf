"""Fits the properties and the phase of `steam` by phantom-parallel and by scikit-learn, on the same
rows, and writes results.json: R² per property and accuracy on rows that no fit has seen. Fits that
results.json has already are not repeated.

    pip install scikit-learn pandas pyarrow
    python experiments/steam/compare.py --phantom "node dist/cli/main.js"
"""

import argparse
import json
import pathlib
import shlex
import subprocess
import tempfile

import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
TABLE = HERE.parent.parent / "datasets" / "steam.parquet"
FEATURES = ["temperature_K", "log10_pressure_Pa"]
PROPERTIES = [
    "density_kg_m3",
    "enthalpy_J_kg",
    "entropy_J_kgK",
    "heat_capacity_J_kgK",
    "sound_speed_m_s",
    "viscosity_Pa_s",
    "conductivity_W_mK",
]
# Each network has the better of these learning rates.
RATES = [0.001, 0.003]
NETWORKS = [
    ("tensor", 64, []),
    ("phantom", 64, ["--ghosts", "4"]),
    ("tensor", 256, []),
    ("phantom", 256, ["--ghosts", "16"]),
]
COURSE = (
    "--depth 2 --blocks 4 --activation gelu --batch 256 --epochs 10 --schedule cosine "
    "--optimizer adam --seed 1 --ranks 1 --meter none --log-every 500"
).split()


def split():
    """Every tenth row validates; rows are in random order. All fits see the logarithm of the pressure."""
    table = pd.read_parquet(TABLE)
    table.insert(1, FEATURES[1], np.log10(table.pop("pressure_Pa")).astype("float32"))
    validates = np.arange(len(table)) % 10 == 9
    return table[~validates], table[validates]


def boosting(training, validation):
    common = dict(max_iter=1000, learning_rate=0.1, max_leaf_nodes=63, early_stopping=True)
    x, new = training[FEATURES], validation[FEATURES]
    scores = {}
    for name in PROPERTIES:
        fitted = HistGradientBoostingRegressor(random_state=1, **common).fit(x, training[name])
        scores[name] = r2_score(validation[name], fitted.predict(new))
    fitted = HistGradientBoostingClassifier(random_state=1, **common).fit(x, training["phase"])
    return scores, accuracy_score(validation["phase"], fitted.predict(new)), None, None


def perceptron(training, validation):
    common = dict(
        hidden_layer_sizes=(256, 256, 256),
        batch_size=256,
        alpha=1e-7,
        early_stopping=True,
        n_iter_no_change=10,
        max_iter=60,
        random_state=1,
    )
    x, new = training[FEATURES], validation[FEATURES]
    scaler = StandardScaler().fit(training[PROPERTIES])
    fitted = make_pipeline(StandardScaler(), MLPRegressor(**common))
    fitted.fit(x, scaler.transform(training[PROPERTIES]))
    predicted = scaler.inverse_transform(fitted.predict(new))
    scores = {
        name: r2_score(validation[name], predicted[:, i]) for i, name in enumerate(PROPERTIES)
    }
    parameters = sum(w.size for w in fitted[-1].coefs_ + fitted[-1].intercepts_)
    fitted = make_pipeline(StandardScaler(), MLPClassifier(**common)).fit(x, training["phase"])
    return scores, accuracy_score(validation["phase"], fitted.predict(new)), parameters, None


def network(phantom, folder, strategy, width, flags):
    """Both tasks, each with the better rate."""
    found = {}
    for task, targets in [("properties", PROPERTIES), ("phase", ["phase"])]:
        others = ["phase"] if task == "properties" else PROPERTIES
        for rate in RATES:
            run = folder / f"{strategy}-{width}-{task}-{rate}"
            data = ["--data", folder / "training.parquet"]
            command(
                phantom,
                ["train", *data, "--validation", folder / "validation.parquet", "--out", run]
                + ["--target", ",".join(targets), "--ignore", ",".join(others)]
                + ["--strategy", strategy, "--width", width, "--lr", rate, *COURSE, *flags],
            )
            held_back = ["--data", folder / "validation.parquet", "--json"]
            report = json.loads(command(phantom, ["eval", run, *held_back]))
            shape = json.loads(command(phantom, ["inspect", run, "--json"]))
            if task == "phase":
                score, detail = report["accuracy"], report["accuracy"]
            else:
                detail = {each["name"]: each["r2"] for each in report["metrics"]["targets"]}
                score = sum(detail.values()) / len(detail)
            print(f"{run.name}: {score:.5f}", flush=True)
            if task not in found or score > found[task]["score"]:
                found[task] = dict(score=score, rate=rate, detail=detail)
                parameters = shape["parameters"]
    rates = {task: each["rate"] for task, each in found.items()}
    return found["properties"]["detail"], found["phase"]["detail"], parameters, rates


def command(phantom, words):
    run = subprocess.run(
        [*phantom, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True
    )
    return run.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--phantom", default="npx phantom-parallel")
    phantom = shlex.split(parser.parse_args().phantom)
    training, validation = split()
    results = HERE / "results.json"
    rows = json.loads(results.read_text())["fits"] if results.exists() else []
    known = {row["name"] for row in rows}

    def keep(name, fit, *arguments):
        if name in known:
            return
        scores, accuracy, parameters, rates = fit(*arguments)
        rows.append(
            dict(name=name, r2=scores, accuracy=accuracy, parameters=parameters, rates=rates)
        )
        about = dict(rows=[len(training), len(validation)], sklearn=sklearn.__version__)
        text = json.dumps(dict(**about, course=" ".join(COURSE), fits=rows), indent=1)
        results.write_text(f"{text}\n")

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        training.to_parquet(folder / "training.parquet", index=False)
        validation.to_parquet(folder / "validation.parquet", index=False)
        for strategy, width, flags in NETWORKS:
            name = f"{strategy}, width {width}"
            keep(name, network, phantom, folder, strategy, width, flags)
    keep("HistGradientBoosting", boosting, training, validation)
    keep("MLPRegressor, MLPClassifier", perceptron, training, validation)


if __name__ == "__main__":
    main()
