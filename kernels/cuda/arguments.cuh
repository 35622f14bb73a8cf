/** The one argument of every kernel; `src/engines/cuda/launcher.ts` writes it. What each field is, a
 * kernel's comment says. */
struct Arguments {
  void *at[8];           // addresses, null where there is no such array
  unsigned long long n;  // elements
  unsigned rows, columns, valid, kind, flags, spare;
  float s[12];
  unsigned u[8];
};
