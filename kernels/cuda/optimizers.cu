// One step of all tensors of a table, in one pass over memory. Each block works on one of them, and leaves
// its part of Σ gradient², taken before the gradient is scaled. Where there is a copy, it gets the new
// weights in bfloat16. What changes from step to step is in the device's memory, so that launches do not.

/** at: table of (weights, gradient, velocity or null, none, copy or null), numbers, …, parts (7);
 * kind: 1, Nesterov's; numbers: learning rate, momentum, decay, scale of the gradient. */
KERNEL(sgd_step) {
  Row row = rowOfBlock(p);
  float s[4];
  for (int i = 0; i < 4; i++) s[i] = array<float>(p, 1)[i];
  float *w = arrayOf<float>(row, 0), *velocity = arrayOf<float>(row, 2);
  const float *gradient = arrayOf<float>(row, 1);
  unsigned short *copy = arrayOf<unsigned short>(row, 4);
  double squares = 0;
  EACH_OF(row, i) {
    float raw = gradient[i];
    squares += (double)raw * raw;
    float g = s[3] * raw + s[2] * w[i], change = g;
    if (velocity) {
      float v = s[1] * velocity[i] + g;
      velocity[i] = v;
      change = p.kind ? g + s[1] * v : v;
    }
    float next = w[i] - s[0] * change;
    w[i] = next;
    if (copy) copy[i] = rounded(next);
  }
  leavePart(array<double>(p, 7), squares);
}

/** at: table of (weights, gradient, first moment, second moment, copy or null), numbers, …, parts (7);
 * numbers: beta1, 1 − beta1, beta2, 1 − beta2, rate, scale of the root, epsilon, shrink, decay, scale of
 * the gradient, where rate and scale of the root carry the bias corrections; `shrink` is the decoupled
 * decay, `decay` the other one. */
KERNEL(adam_step) {
  Row row = rowOfBlock(p);
  float s[10];
  for (int i = 0; i < 10; i++) s[i] = array<float>(p, 1)[i];
  float *w = arrayOf<float>(row, 0), *first = arrayOf<float>(row, 2), *second = arrayOf<float>(row, 3);
  const float *gradient = arrayOf<float>(row, 1);
  unsigned short *copy = arrayOf<unsigned short>(row, 4);
  double squares = 0;
  EACH_OF(row, i) {
    float raw = gradient[i], old = w[i];
    squares += (double)raw * raw;
    float g = s[9] * raw + s[8] * old;
    float m = s[0] * first[i] + s[1] * g;
    float v = s[2] * second[i] + s[3] * (g * g);
    first[i] = m;
    second[i] = v;
    float step = s[4] * (m / (sqrtf(v) * s[5] + s[6]));
    float next = old - (s[7] * old + step);
    w[i] = next;
    if (copy) copy[i] = rounded(next);
  }
  leavePart(array<double>(p, 7), squares);
}
