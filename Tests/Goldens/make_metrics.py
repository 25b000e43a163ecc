#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes metrics.json: metrics of scikit-learn for random and adversarial rows.

Classification: accuracy, balanced accuracy, top-k accuracy, precision, recall,
F1 and support of each class, their macro averages, confusion matrix, log loss,
ROC AUC and curve, average precision, Brier score; the expected calibration
error, which scikit-learn lacks, from its definition (Guo et al., ICML 2017)
with NumPy. Several targets of 0 and 1: the means over the targets. Regression: MSE, RMSE, MAE, R2 and MAPE of each target.

A value is null where scikit-learn raises an error or returns NaN, and the
average precision of a class without rows, for which it warns.

How to run, from the root of the repository:

    python3 -m venv /tmp/goldens && /tmp/goldens/bin/pip install scikit-learn==1.9.1
    /tmp/goldens/bin/python Tests/Goldens/make_metrics.py [--check]

Tests/Goldens/README.md describes every key of the file.
"""

import argparse
import json
import math
import pathlib
import sys
import warnings

import numpy as np
from sklearn import metrics

PATH = (pathlib.Path(__file__).resolve().parent.parent
        / "NeuralCoreTests" / "Resources" / "metrics.json")
warnings.simplefilter("ignore")


def defined(compute):
    """The value, or None where it is undefined."""
    try:
        value = float(compute())
    except ValueError:
        return None
    return value if math.isfinite(value) else None


# --- Classification ---------------------------------------------------------

def calibration_error(classes, p):
    """15 bins (a, b] of equal width, of the probability of the predicted class."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == classes
    error = 0.0
    for m in range(15):
        lower, upper = m / 15, (m + 1) / 15
        inside = (confidence > lower) & (confidence <= upper)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return float(error)


def one_class(classes, p, index):
    """ROC and average precision of one class against the rest."""
    is_class, score = (classes == index).astype(int), p[:, index]
    has_both = 0 < is_class.sum() < len(classes)
    result = {
        "auc": defined(lambda: metrics.roc_auc_score(is_class, score)),
        "averagePrecision": defined(lambda: metrics.average_precision_score(is_class, score))
        if is_class.any() else None,
    }
    if has_both:
        fpr, tpr, _ = metrics.roc_curve(is_class, score)
        result["falsePositiveRates"], result["truePositiveRates"] = fpr.tolist(), tpr.tolist()
    return result


def average_precision(classes, p):
    """The macro average; of two classes, too."""
    if len(np.unique(classes)) < p.shape[1]:
        return None
    one_hot = np.eye(p.shape[1], dtype=int)[classes]
    return float(metrics.average_precision_score(one_hot, p, average="macro"))


def area(classes, p):
    if p.shape[1] == 2:
        return defined(lambda: metrics.roc_auc_score(classes, p[:, 1]))
    labels = list(range(p.shape[1]))
    return defined(lambda: metrics.roc_auc_score(
        classes, p, multi_class="ovr", average="macro", labels=labels))


def top_k(classes, p, k):
    return float(metrics.top_k_accuracy_score(classes, p, k=k, labels=range(p.shape[1])))


def classification(name, classes, p):
    classes, p = np.asarray(classes), np.asarray(p, dtype=np.float64)
    labels = list(range(p.shape[1]))
    predicted = p.argmax(axis=1)
    scores = metrics.precision_recall_fscore_support(
        classes, predicted, labels=labels, zero_division=0)
    macro = metrics.precision_recall_fscore_support(
        classes, predicted, average="macro", zero_division=0)
    return {
        "name": name,
        "targets": classes.tolist(),
        "probabilities": p.tolist(),
        "accuracy": float(metrics.accuracy_score(classes, predicted)),
        "balancedAccuracy": float(metrics.balanced_accuracy_score(classes, predicted)),
        "topK": {str(k): top_k(classes, p, k) for k in (2, 3, 5) if k < p.shape[1]},
        "precision": float(macro[0]), "recall": float(macro[1]), "f1": float(macro[2]),
        "classPrecision": scores[0].tolist(), "classRecall": scores[1].tolist(),
        "classF1": scores[2].tolist(), "support": scores[3].tolist(),
        "confusionMatrix": metrics.confusion_matrix(classes, predicted, labels=labels).tolist(),
        "logLoss": float(metrics.log_loss(classes, p, labels=labels)),
        "brier": float(metrics.brier_score_loss(classes, p, labels=labels)),
        "auc": area(classes, p),
        "averagePrecision": average_precision(classes, p),
        "calibrationError": calibration_error(classes, p),
        "classes": [one_class(classes, p, index) for index in labels],
    }


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def classification_cases(random):
    def rows(count, classes, strength=1.0):
        y = random.integers(0, classes, count)
        z = random.normal(size=(count, classes)) + strength * np.eye(classes)[y]
        return y, softmax(z)

    for count, classes in [(200, 2), (200, 3), (400, 10), (60, 5), (7, 2), (40, 26)]:
        y, p = rows(count, classes)
        if classes == 26:
            y[:26] = np.arange(26)
        yield classification(f"{count} random rows of {classes} classes", y, p)
    y, p = rows(150, 4)
    yield classification("many equal scores", y, random.multinomial(8, p) / 8)
    y, p = rows(120, 2)
    p = np.round(p * 5) / 5
    yield classification("many equal scores of two classes", y, np.stack([1 - p[:, 1], p[:, 1]], 1))
    yield classification("all scores are equal", [0, 1, 2, 3, 1], np.full((5, 4), 0.25))
    yield classification("all scores of two classes are equal", [0, 1, 1], np.full((3, 2), 0.5))
    y, p = rows(90, 5)
    yield classification("one class has no rows", np.where(y == 3, 1, y), p)
    yield classification("all rows are of one class", np.full(30, 2), rows(30, 4)[1])
    yield classification("all rows are of the second of two classes", np.ones(20, int), rows(20, 2)[1])
    yield classification("one row of two classes", [1], [[0.25, 0.75]])
    yield classification("one row of three classes", [0], [[0.25, 0.5, 0.25]])
    y = np.arange(30) % 3
    yield classification("perfect predictions that are certain", y, np.eye(3)[y])
    yield classification("wrong predictions that are certain", y, np.eye(3)[(y + 1) % 3])
    y = np.arange(20) % 2
    yield classification("two classes the wrong way round", y, np.eye(2)[1 - y])
    y, p = rows(80, 4)
    p[:, 2] = 0
    yield classification("one class is never predicted", y, p / p.sum(axis=1, keepdims=True))
    confidence = np.concatenate([(np.arange(8, 16)) / 15, [0.5, 1, 0.6, 0.8]])
    yield classification("confidences at the edges of bins", np.arange(12) % 2,
                         np.stack([confidence, 1 - confidence], 1))
    y, p = rows(100, 3, strength=30)
    yield classification("probabilities that are nearly 0 and 1", y, p)
    y = np.zeros(1000, int)
    y[:3] = 1
    p = random.uniform(size=1000) * 0.4
    yield classification("three of a thousand rows are positive", y, np.stack([1 - p, p], 1))


# --- Several targets of 0 and 1 -----------------------------------------------

def multilabel(name, y, p):
    y, p = np.asarray(y, dtype=int), np.asarray(p, dtype=np.float64)
    predicted = (p >= 0.5).astype(int)
    columns = range(y.shape[1])
    def mean(compute):
        values = [defined(lambda: compute(y[:, j], predicted[:, j], p[:, j])) for j in columns]
        return None if None in values else float(np.mean(values))
    macro = metrics.precision_recall_fscore_support(y, predicted, average="macro", zero_division=0)
    if y.shape[1] == 1:
        macro = metrics.precision_recall_fscore_support(
            y[:, 0], predicted[:, 0], average="binary", zero_division=0)
    return {
        "name": name, "targets": y.tolist(), "probabilities": p.tolist(),
        "support": y.sum(axis=0).tolist(),
        "mean": {
            "accuracy": float((y == predicted).mean()),
            "balanced-accuracy": mean(lambda y, predicted, p: metrics.balanced_accuracy_score(y, predicted)),
            "precision": float(macro[0]), "recall": float(macro[1]), "f1": float(macro[2]),
            "log-loss": mean(lambda y, predicted, p: metrics.log_loss(y, p, labels=[0, 1])),
            "auc": mean(lambda y, predicted, p: metrics.roc_auc_score(y, p)),
            "average-precision": None if 0 in y.sum(axis=0)
            else float(metrics.average_precision_score(y, p, average="macro")),
            "brier": mean(lambda y, predicted, p: metrics.brier_score_loss(y, p, pos_label=1)),
            "calibration-error": mean(
                lambda y, predicted, p: calibration_error(y, np.stack([1 - p, p], 1))),
        },
    }


def multilabel_cases(random):
    p = random.uniform(size=(150, 3))
    y = random.uniform(size=(150, 3)) < 0.3 + 0.5 * p
    yield multilabel("three random targets", y, p)
    yield multilabel("one target", y[:, :1], p[:, :1])
    coarse = np.round(p * 4) / 4
    yield multilabel("many equal probabilities", y, np.where(coarse == 0.5, 0.75, coarse))
    y[:, 1] = False
    yield multilabel("a target that is never 1", y, p)
    yield multilabel("one row", [[1, 0]], [[0.75, 0.25]])


# --- Regression -------------------------------------------------------------

def regression(name, y, predicted):
    y, predicted = np.asarray(y, float), np.asarray(predicted, float)
    raw = {"multioutput": "raw_values"}
    average = {"multioutput": "uniform_average"}
    def all_of(options):
        def many(value):
            return [number if math.isfinite(number) else None
                    for number in np.atleast_1d(value).tolist()]
        def r2():
            if len(y) < 2:
                return np.full(1 if options is average else y.shape[1], np.nan)
            return metrics.r2_score(y, predicted, **options)
        values = {
            "mse": metrics.mean_squared_error(y, predicted, **options),
            "rmse": metrics.root_mean_squared_error(y, predicted, **options),
            "mae": metrics.mean_absolute_error(y, predicted, **options),
            "r2": r2(),
            "mape": metrics.mean_absolute_percentage_error(y, predicted, **options),
        }
        return {key: many(value) for key, value in values.items()}
    return {
        "name": name, "targets": y.tolist(), "predictions": predicted.tolist(),
        "each": all_of(raw),
        "average": {key: value[0] for key, value in all_of(average).items()},
    }


def regression_cases(random):
    def rows(count, columns, offset=0.0, scale=1.0):
        y = offset + scale * random.normal(size=(count, columns))
        return y, y + 0.3 * scale * random.normal(size=(count, columns))

    yield regression("200 random rows", *rows(200, 1))
    yield regression("150 random rows of three targets", *rows(150, 3))
    yield regression("a mean that is large against the deviation", *rows(100, 2, 1e6, 1.0))
    yield regression("small numbers", *rows(50, 1, 0, 1e-9))
    yield regression("large numbers", *rows(50, 1, 0, 1e30))
    y, _ = rows(40, 2)
    yield regression("perfect predictions", y, y)
    yield regression("the mean is predicted", y, np.full_like(y, 1) * y.mean(axis=0))
    yield regression("worse than the mean", y, -3 * y)
    yield regression("one row", [[2.0]], [[1.5]])
    yield regression("one row of two targets", [[2.0, -1.0]], [[1.5, -1.0]])
    yield regression("all targets are equal", [[2.0]] * 6, [[1.0], [2.0], [3.0], [2.5], [2.0], [0.0]])
    yield regression("all targets are equal and predicted", [[2.0]] * 4, [[2.0]] * 4)
    yield regression("one of two targets is the same in all rows",
                     [[2.0, 1.0], [2.0, 3.0], [2.0, 4.5]], [[2.0, 1.5], [2.0, 2.5], [2.0, 4.0]])
    yield regression("targets of zero", [[0.0], [1.0], [-2.0], [0.0]], [[0.5], [1.5], [-1.0], [0.0]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    random = np.random.Generator(np.random.PCG64(2016))
    content = {
        "format": 1,
        "generator": "Tests/Goldens/make_metrics.py, scikit-learn 1.9.1, NumPy",
        "classification": list(classification_cases(random)),
        "multilabel": list(multilabel_cases(random)),
        "regression": list(regression_cases(random)),
    }
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    text = text.replace(',{"name"', ',\n{"name"') + "\n"
    if arguments.check:
        sys.exit(0 if PATH.read_text() == text else f"{PATH} differs")
    PATH.write_text(text)


if __name__ == "__main__":
    main()
