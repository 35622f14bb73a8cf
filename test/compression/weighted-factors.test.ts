import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Matrix, solve } from 'ml-matrix';
import { createWasmEngine } from '#src/engines/wasm/wasm-engine.js';
import { randomStream } from '#src/tensor/random.js';
import { factorize } from '#src/compression/phantom-factors.js';
import { RandomizedSvd } from '#src/compression/randomized-svd.js';
import {
  factorizeWeighted,
  type WeightedLayer,
  weightedGhostEnergies,
} from '#src/compression/weighted-factors.js';

const engine = createWasmEngine();
const svd = new RandomizedSvd(engine);
/** So many that the ridge is the least that there is. */
const MANY = 1e12;

function random(rows: number, columns: number, name: string): Matrix {
  const values = new Float32Array(rows * columns);
  randomStream(11, name).fillUniform(values, 0, -1, 1);
  return Matrix.from1DArray(rows, columns, values);
}

interface Problem {
  readonly W: Matrix;
  readonly S: Matrix;
  readonly P: number;
  readonly mean: Float64Array;
  readonly rows?: number;
}

function problem(N: number, P: number, name: string): Problem {
  const half = random(N, N, `${name} half`);
  const spread = Matrix.diag(Array.from({ length: N }, (_, i) => 2 ** -(i % 3)));
  const S = half.mmul(spread).mmul(half.transpose());
  return {
    W: random(N, N, `${name} W`),
    S,
    P,
    mean: Float64Array.from(random(1, N, `${name} mean`).to1DArray()),
  };
}

/** Zero wherever two blocks meet. */
function uncorrelated({ S, P, ...others }: Problem): Problem {
  const M = S.rows / P;
  const same = (row: number, column: number) => Math.floor(row / M) === Math.floor(column / M);
  const blocks = Matrix.zeros(S.rows, S.rows);
  for (let r = 0; r < S.rows; r++) {
    for (let c = 0; c < S.rows; c++) if (same(r, c)) blocks.set(r, c, S.get(r, c));
  }
  return { ...others, P, S: blocks };
}

function ridged({ S, rows = MANY }: Problem): Matrix {
  const [N, trace] = [S.rows, S.trace()];
  const ridge = (trace > 0 ? trace / N : 1) * Math.max(1e-6, N / (20 * rows));
  return Matrix.add(S, Matrix.eye(N).mul(ridge));
}

function layerOf({ W, S, P, mean, rows = MANY }: Problem): WeightedLayer {
  const covariance = Float64Array.from(S.to1DArray());
  const moments = { rows, mean: Float64Array.from(mean), covariance };
  return {
    inputs: W.columns,
    outputs: W.rows,
    blocks: P,
    weight: Float32Array.from(W.to1DArray()),
    moments,
  };
}

function memory(N: number, P: number, K: number) {
  return {
    locals: engine.allocate([N, N / P]),
    compressors: engine.allocate([P * K, N / P]),
    decompressors: engine.allocate([N, (P - 1) * K]),
  };
}

/** Ŵ of the factors. */
function denseOf({ locals, compressors, decompressors }: ReturnType<typeof memory>, P: number) {
  const [N = 0, M = 0] = locals.shape;
  const K = (compressors.shape[0] ?? 0) / P;
  const out = Matrix.zeros(N, N);
  for (let row = 0; row < N; row++) {
    const j = Math.floor(row / M);
    for (let column = 0; column < N; column++) {
      const [i, c] = [Math.floor(column / M), column % M];
      if (i === j) {
        out.set(row, column, locals.data[row * M + c] ?? 0);
        continue;
      }
      let value = 0;
      for (let k = 0; k < K; k++) {
        const d = decompressors.data[row * (P - 1) * K + (i < j ? i : i - 1) * K + k] ?? 0;
        value += d * (compressors.data[(i * K + k) * M + c] ?? 0);
      }
      out.set(row, column, value);
    }
  }
  return out;
}

/** tr(Δ S Δᵀ) */
function loss(W: Matrix, What: Matrix, S: Matrix): number {
  const off = Matrix.sub(W, What);
  return off.mmul(S).mul(off).sum();
}

function found(of: Problem, K: number) {
  const factors = memory(of.W.rows, of.P, K);
  const shift = factorizeWeighted(layerOf(of), K, svd, factors);
  return { shift, factors, What: denseOf(factors, of.P) };
}

function plain({ W, P }: Problem, K: number): Matrix {
  const factors = memory(W.rows, P, K);
  const layer = { inputs: W.columns, outputs: W.rows, blocks: P, ghosts: K, secondMoment: 1 };
  factorize(Float32Array.from(W.to1DArray()), layer, svd, factors);
  return denseOf(factors, P);
}

/** The least tr(Δ S Δᵀ) that alternating least squares find from several random starts. */
function alternating(of: Problem, K: number, starts: number): number {
  const { W, P } = of;
  const S = ridged(of);
  const N = W.rows;
  const M = N / P;
  const block = (m: Matrix, j: number, i: number) =>
    m.subMatrix(j * M, (j + 1) * M - 1, i * M, (i + 1) * M - 1);
  let best = Infinity;
  for (let start = 0; start < starts; start++) {
    const C = Array.from({ length: P }, (_, i) => random(K, M, `start ${start} ${i}`));
    let What = Matrix.zeros(N, N);
    let before = Infinity;
    for (let round = 0; round < 400; round++) {
      const D: Matrix[][] = [];
      What = Matrix.zeros(N, N);
      for (let j = 0; j < P; j++) {
        const F = Matrix.zeros(M + (P - 1) * K, N);
        F.setSubMatrix(Matrix.eye(M), 0, j * M);
        const others = C.map((_, i) => i).filter((i) => i !== j);
        for (const [at, i] of others.entries()) F.setSubMatrix(C[i], M + at * K, i * M);
        const own = W.subMatrix(j * M, (j + 1) * M - 1, 0, N - 1);
        const FS = F.mmul(S);
        const X = solve(FS.mmul(F.transpose()), FS.mmul(own.transpose())).transpose();
        What.setSubMatrix(X.mmul(F), j * M, 0);
        D.push(
          Array.from({ length: P }, (_, i) => {
            const from = M + others.indexOf(i) * K;
            return i === j ? Matrix.zeros(M, K) : X.subMatrix(0, M - 1, from, from + K - 1);
          }),
        );
      }
      const now = loss(W, What, S);
      best = Math.min(best, now);
      if (before - now < 1e-6 * now) break;
      before = now;
      for (let i = 0; i < P; i++) {
        const moved = Matrix.sub(W, What).mmul(S);
        let [left, right] = [Matrix.eye(K).mul(1e-14), Matrix.zeros(K, M)];
        for (let j = 0; j < P; j++) {
          const d = D[j]?.[i];
          if (j === i || d === undefined) continue;
          const rest = Matrix.add(block(moved, j, i), d.mmul(C[i]).mmul(block(S, i, i)));
          left = Matrix.add(left, d.transpose().mmul(d));
          right = Matrix.add(right, d.transpose().mmul(rest));
        }
        const next = solve(block(S, i, i), solve(left, right).transpose()).transpose();
        for (let j = 0; j < P; j++) {
          if (j !== i) What.setSubMatrix(D[j][i].mmul(next), j * M, i * M);
        }
        C[i] = next;
      }
    }
  }
  return best;
}

describe('a decomposition weighted by what enters a layer', () => {
  for (const [what, of, K] of [
    ['two blocks, however correlated', problem(8, 2, 'two'), 1],
    ['two blocks, more ghosts', problem(8, 2, 'more'), 2],
    ['blocks without correlation', uncorrelated(problem(9, 3, 'three')), 1],
    ['more of them', uncorrelated(problem(12, 4, 'four')), 2],
  ] as const) {
    it(`is the joint optimum over L, D and C: ${what}`, () => {
      const S = ridged(of);
      const best = alternating(of, K, 12);
      const here = loss(of.W, found(of, K).What, S);
      assert.ok(here <= best * (1 + 1e-5), `${here}, best ${best}`);
      assert.ok(here >= best * (1 - 2e-3), 'the brute force found it too');
      assert.ok(here < 0.95 * loss(of.W, plain(of, K), S), 'the plain one is far from it');
    });
  }

  it('is near the best that alternation finds where no closed form is known', () => {
    const strong = problem(12, 4, 'general');
    // Correlations of half that strength.
    const of = { ...strong, S: Matrix.add(strong.S, uncorrelated(strong).S).div(2) };
    const S = ridged(of);
    for (const K of [1, 2]) {
      const best = alternating(of, K, 12);
      const here = loss(of.W, found(of, K).What, S);
      assert.ok(here >= best * (1 - 2e-3) && here <= 1.3 * best, `${here}, best ${best}`);
      assert.ok(here < 0.95 * loss(of.W, plain(of, K), S));
    }
  });

  it('moves the bias so that outputs keep their mean, and gives ghosts variance one', () => {
    const of = problem(12, 3, 'mean');
    const { shift, factors, What } = found(of, 2);
    const mean = Matrix.columnVector(of.mean);
    const wanted = Matrix.sub(of.W, What).mmul(mean).to1DArray();
    for (const [row, value] of wanted.entries()) {
      assert.ok(Math.abs((shift[row] ?? Infinity) - value) < 1e-5, `row ${row}`);
    }
    for (let i = 0; i < 3; i++) {
      const c = Matrix.from1DArray(2, 4, factors.compressors.data.subarray(i * 8, i * 8 + 8));
      const own = ridged(of).subMatrix(i * 4, i * 4 + 3, i * 4, i * 4 + 3);
      const variance = c.mmul(own).mmul(c.transpose());
      for (let k = 0; k < 2; k++) assert.ok(Math.abs(variance.get(k, k) - 1) < 1e-5);
    }
  });

  it('has no error at K = M, nor trouble where covariances are singular', () => {
    const of = problem(12, 3, 'singular');
    // Of three samples, one feature that never varies, and one that another determines.
    const half = random(12, 3, 'samples');
    for (let c = 0; c < 3; c++) {
      half.set(1, c, 0);
      half.set(7, c, half.get(2, c));
    }
    const S = half.mmul(half.transpose());
    for (const rows of [3, MANY]) {
      const narrow = { ...of, S, rows };
      const size = loss(of.W, Matrix.zeros(12, 12), Matrix.eye(12));
      const whole = loss(of.W, found(narrow, 4).What, Matrix.eye(12));
      assert.ok(whole < 1e-8 * size, `${whole} of ${size}`);
      const { What, shift } = found(narrow, 2);
      assert.ok(What.to1DArray().every(Number.isFinite) && shift.every(Number.isFinite));
      // Six ghosts and an own block know three samples.
      assert.ok(loss(of.W, What, S) < 1e-3 * loss(of.W, Matrix.zeros(12, 12), S));
    }
    const still = { ...of, S: Matrix.zeros(12, 12) };
    const [here, closest] = [found(still, 2).What, plain(of, 2)];
    assert.ok(loss(here, closest, Matrix.eye(12)) < 1e-8, 'without variance the plain form');
  });

  it('says beforehand what ghosts keep of the outputs', () => {
    const of = uncorrelated(problem(12, 3, 'energies'));
    const energies = weightedGhostEnergies(layerOf(of), svd);
    const S = ridged(of);
    for (const K of [1, 2, 3]) {
      const left = energies.subarray(K).reduce((sum, energy) => sum + energy, 0);
      const wanted = loss(of.W, found(of, K).What, S);
      assert.ok(Math.abs(left - wanted) < 1e-4 * wanted + 1e-7, `K = ${K}: ${left}, ${wanted}`);
    }
  });
});
