/**
 * Where one thing overtakes another, for a phantom layer at R = P, biases left out: a rank holds
 * and multiplies M² + P·K·M weights, M = N/P, where tensor parallelism has N²/P.
 */

/** K below which a rank's parameters, FLOPs and bytes are fewer than tensor parallelism's:
 * K < M(1 − 1/P), from M² + P·K·M < N²/P. */
export function largestSavingGhosts(width: number, blocks: number): number {
  return (width / blocks) * (1 - 1 / blocks);
}

/** K above which compression and decompression are more work than the local products:
 * P·K·M > M², so K > M/P = N/P². */
export function ghostDominance(width: number, blocks: number): number {
  return width / blocks ** 2;
}

/** The P above which they are, for fixed N and K: P > √(N/K). The same P makes the work of all
 * ranks together, N²/P + P·K·N a column, least. */
export function leastWorkBlocks(width: number, ghosts: number): number {
  return Math.sqrt(width / ghosts);
}

/** The P that makes one rank's FLOPs least for fixed N and K. They are N²/P² + K·N, which falls
 * with P, so it is the largest that still has K ≤ M: N/K. At √(N/K) they are 2K·N, so that at most
 * half of that can still be saved. */
export function leastRankWorkBlocks(width: number, ghosts: number): number {
  return width / ghosts;
}

/** What one layer of a step costs, where time is what FLOPs, bytes and messages take. */
export interface EnergyRates {
  /** Busy watts over FLOP/s. */
  readonly energyPerFlopJ: number;
  /** Of a byte sent, and waiting watts over bytes/s where it is not hidden. */
  readonly energyPerByteJ: number;
  /** Waiting watts times a message's latency, in a ring of P − 1 messages a pass. */
  readonly energyPerMessageJ: number;
}

/** N, P, K and B. */
export interface PhantomLayerSizes {
  readonly width: number;
  readonly blocks: number;
  readonly ghosts: number;
  readonly batch: number;
}

/** Joules of a phantom layer's step over all ranks: A/P + C·P + D·P(P−1), three passes of
 * products and two of ghosts. */
export function phantomLayerEnergyJ(
  { width, blocks, ghosts, batch }: PhantomLayerSizes,
  rates: EnergyRates,
): number {
  const { A, C, D } = layerTerms(width, ghosts, batch, rates);
  return A / blocks + C * blocks + D * blocks * (blocks - 1);
}

/**
 * The P of least energy for fixed N, K and B: the positive root of 2D·P³ + (C−D)·P² − A = 0, where
 * A = 6B·N²·e_F, C = 6B·K·N·e_F and D = 8K·B·e_B + 2e_M. Where moving bytes costs nothing it is
 * √(N/K), the P of least work; it is smaller the more they cost.
 */
export function leastEnergyBlocks(
  width: number,
  ghosts: number,
  batch: number,
  rates: EnergyRates,
): number {
  const { A, C, D } = layerTerms(width, ghosts, batch, rates);
  if (D === 0) return Math.sqrt(A / C);
  // Newton from above: the cubic has one positive root, and is convex and rising beyond it.
  let P = Math.max(Math.cbrt(A / (2 * D)), Math.sqrt(A / C)) + 1;
  for (let i = 0; i < 100; i++) {
    const next = P - (2 * D * P ** 3 + (C - D) * P ** 2 - A) / (6 * D * P ** 2 + 2 * (C - D) * P);
    if (Math.abs(next - P) < 1e-12 * P) return next;
    P = next;
  }
  return P;
}

function layerTerms(width: number, ghosts: number, batch: number, rates: EnergyRates) {
  return {
    A: 6 * batch * width ** 2 * rates.energyPerFlopJ,
    C: 6 * batch * ghosts * width * rates.energyPerFlopJ,
    D: 8 * ghosts * batch * rates.energyPerByteJ + 2 * rates.energyPerMessageJ,
  };
}
