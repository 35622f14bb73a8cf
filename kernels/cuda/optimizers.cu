// One step for one tensor, in one pass over memory. Each block leaves its part of Σ gradient², taken before
// the gradient is scaled. Where there is a copy, it gets the new weights in bfloat16.

/** at: weights, gradient, velocity or null, copy or null, …, parts (7); kind: 1, Nesterov's;
 * s: learning rate, momentum, decay, scale of the gradient. */
KERNEL(sgd_step) {
  float *w = array<float>(p, 0), *velocity = array<float>(p, 2);
  const float *gradient = array<float>(p, 1);
  unsigned short *copy = array<unsigned short>(p, 3);
  double squares = 0;
  EACH(i) {
    float raw = gradient[i];
    squares += (double)raw * raw;
    float g = p.s[3] * raw + p.s[2] * w[i], change = g;
    if (velocity) {
      float v = p.s[1] * velocity[i] + g;
      velocity[i] = v;
      change = p.kind ? g + p.s[1] * v : v;
    }
    float next = w[i] - p.s[0] * change;
    w[i] = next;
    if (copy) copy[i] = rounded(next);
  }
  leavePart(array<double>(p, 7), squares);
}

/** at: weights, gradient, first moment, second moment, copy or null, …, parts (7);
 * s: beta1, 1 − beta1, beta2, 1 − beta2, rate, scale of the root, epsilon, shrink, decay, scale of the
 * gradient, where rate and scale of the root carry the bias corrections; `shrink` is the decoupled decay,
 * `decay` the other one. */
KERNEL(adam_step) {
  float *w = array<float>(p, 0), *first = array<float>(p, 2), *second = array<float>(p, 3);
  const float *gradient = array<float>(p, 1);
  unsigned short *copy = array<unsigned short>(p, 4);
  double squares = 0;
  EACH(i) {
    float raw = gradient[i], old = w[i];
    squares += (double)raw * raw;
    float g = p.s[9] * raw + p.s[8] * old;
    float m = p.s[0] * first[i] + p.s[1] * g;
    float v = p.s[2] * second[i] + p.s[3] * (g * g);
    first[i] = m;
    second[i] = v;
    float step = p.s[4] * (m / (sqrtf(v) * p.s[5] + p.s[6]));
    float next = old - (p.s[7] * old + step);
    w[i] = next;
    if (copy) copy[i] = rounded(next);
  }
  leavePart(array<double>(p, 7), squares);
}
