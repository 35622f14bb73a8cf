# Writes loss-values.json: scikit-learn's losses of seeded random outputs.
import json, numpy as np
from sklearn import __version__, metrics
from sklearn._loss import loss as L
r = np.random.default_rng(11)
y = r.integers(0, 4, size=12).astype(float); z = r.normal(size=12) * 2
p = lambda o, t: np.asarray(o.loss(t, z) + (o.constant_to_optimal_zero(t) if isinstance(o, L.HalfPoissonLoss) else 0)).tolist()
huber = L.HuberLoss(quantile=0.9); huber.closs.delta = 0.8
element = [
 ['mse', 0, (2 * np.asarray(L.HalfSquaredError().loss(y, z))).tolist()],
 ['mae', 0, p(L.AbsoluteError(), y)], ['huber', 0.8, p(huber, y)],
 ['quantile', 0.1, p(L.PinballLoss(quantile=0.1), y)], ['quantile', 0.7, p(L.PinballLoss(quantile=0.7), y)],
 ['poisson', 0, p(L.HalfPoissonLoss(), y)],
 ['binary-cross-entropy', 0, p(L.HalfBinomialLoss(), np.minimum(1.0, y))]]
logits = r.normal(size=(3, 9)); labels = r.integers(0, 3, size=9); labels[:3] = [0, 1, 2]; w = r.uniform(0, 2, size=9)
e = np.exp(logits); P = (e / e.sum(0)).T
json.dump({'scikit-learn': __version__, 'truth': y.tolist(), 'raw': z.tolist(), 'element': element,
 'logits': logits.flatten().tolist(), 'labels': labels.tolist(), 'weights': w.tolist(),
 'crossEntropy': metrics.log_loss(labels, P, sample_weight=w)}, open('test/golden/loss-values.json', 'w'), indent=1)
