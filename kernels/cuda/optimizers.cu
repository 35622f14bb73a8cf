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
  Index addresses = bits(w) | bits(velocity) | bits(gradient) | bits(copy) << 1;
  eachFour(row, addresses, [&](Index i, auto wide) {
    auto raw = wide.load(gradient, i), weight = wide.load(w, i), v = raw;
    if (velocity) v = wide.load(velocity, i);
    for (unsigned k = 0; k < wide.width; k++) {
      squares += (double)raw.at[k] * raw.at[k];
      float g = s[3] * raw.at[k] + s[2] * weight.at[k], change = g;
      if (velocity) {
        v.at[k] = s[1] * v.at[k] + g;
        change = p.kind ? g + s[1] * v.at[k] : v.at[k];
      }
      weight.at[k] -= s[0] * change;
    }
    if (velocity) wide.store(velocity, i, v);
    wide.store(w, i, weight);
    if (copy) wide.storeRounded(copy, i, weight);
  });
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
  Index addresses = bits(w) | bits(first) | bits(second) | bits(gradient) | bits(copy) << 1;
  eachFour(row, addresses, [&](Index i, auto wide) {
    auto raw = wide.load(gradient, i), weight = wide.load(w, i);
    auto m = wide.load(first, i), v = wide.load(second, i);
    for (unsigned k = 0; k < wide.width; k++) {
      squares += (double)raw.at[k] * raw.at[k];
      float old = weight.at[k], g = s[9] * raw.at[k] + s[8] * old;
      m.at[k] = s[0] * m.at[k] + s[1] * g;
      v.at[k] = s[2] * v.at[k] + s[3] * (g * g);
      float step = s[4] * (m.at[k] / (sqrtf(v.at[k]) * s[5] + s[6]));
      weight.at[k] = old - (s[7] * old + step);
    }
    wide.store(first, i, m);
    wide.store(second, i, v);
    wide.store(w, i, weight);
    if (copy) wide.storeRounded(copy, i, weight);
  });
  leavePart(array<double>(p, 7), squares);
}
