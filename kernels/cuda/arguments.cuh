/** A row of a table of tensors, in the device's memory; `src/engines/cuda/updates.ts` writes it. */
struct Row {
  void *at[5];             // weights, gradient, two states, copy; null where there is no such array
  unsigned long long n;    // elements of each
  unsigned first, blocks;  // of the blocks of a launch, those that work on it
};

/** The one argument of every kernel; `src/engines/cuda/kernel-launcher.ts` writes it. What each field is, a
 * kernel's comment says. */
struct Arguments {
  void *at[8];           // addresses, null where there is no such array
  unsigned long long n;  // elements
  unsigned rows, columns, valid, kind, flags;
  unsigned tensors;      // rows of a table at address 0; 0: it is no table
  float s[12];
  unsigned u[8];
};
