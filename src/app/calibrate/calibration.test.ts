import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { Machine, MeasuredTimes } from '../../machine/machine.js';
import { ratesOf } from '../../analysis/rates.js';
import { stepProgram } from '../../analysis/step-program.js';
import { stepTime } from '../../analysis/step-time.js';
import { measureCollectives } from '../../calibration/measure-collectives.js';
import { availableCores } from '../../base/cores.js';
import { createEngine } from '../ranks/engines.js';
import { callSeconds } from '../../calibration/clock.js';
import { createWorkplace, quickSizes } from '../../calibration/measure-kernels.js';
import { CORE_SIZES } from '../../calibration/sizes.js';
import { Communicator } from '../../communicators/communicator.js';
import { SoloTransport } from '../../communicators/solo/solo-transport.js';
import { createWasmEngine } from '../../engines/wasm/wasm-engine.js';
import { calibrateBfloat16 } from './calibrate.js';
import { calibrationShapes, fitSteps, timeSteps } from './calibration-steps.js';
import { leftOut } from './calibration-times.js';
import { readMachine, writeMachine } from '../../machine/machines.js';

describe('calibration', () => {
  it('finds the two constants of steps that were made with them', async () => {
    const machine = await readMachine('mi250x');
    const shapes = calibrationShapes(2, 'float32', CORE_SIZES.steps);
    const rates = ratesOf(machine, 2);
    const seconds = shapes.map((shape) => {
      const program = stepProgram(shape, 0);
      const time = stepTime(program, rates);
      assert.ok(time);
      return 1.25 * time.computeS + 3e-6 * program.length + time.exposedS;
    });
    const { factor, perOperationS } = fitSteps(shapes, seconds, () => rates);
    assert.ok(Math.abs(factor - 1.25) < 1e-6, String(factor));
    assert.ok(Math.abs(perOperationS - 3e-6) < 1e-9, String(perOperationS));
    // Of some steps alone, where others were left out.
    const some = fitSteps(shapes, [...seconds.slice(0, 6), null, null, null], () => rates);
    assert.ok(Math.abs(some.factor - 1.25) < 1e-6, String(some.factor));
  });

  it('times a step once that takes longer than wanted', () => {
    const [shape] = calibrationShapes(1, 'float32', [{ width: 8, depth: 1, columns: 2 }]);
    assert.ok(shape);
    const time = (mostMs: number) => {
      const place = { transport: new SoloTransport(), engine: createWasmEngine(), mostMs };
      return timeSteps(shape, place);
    };
    const [once, often] = [time(0), time(Infinity)];
    assert.ok(once.seconds > 0 && often.seconds > 0);
    assert.deepEqual([once.isSlow, often.isSlow], [true, false]);
  });

  it('says what was left out', () => {
    const asked = { ...CORE_SIZES, weights: [4, 8, 16], passes: [64, 128] };
    const measured = (weights: number[], passes: number[], steps: (number | null)[]) => {
      const seconds = { NN: [], NT: [], TN: [] };
      return {
        products: { first: weights, second: weights, batch: [1], seconds },
        passes: { add: passes.map((size) => ({ size, seconds: 1 })) },
        steps,
      };
    };
    const all = calibrationShapes(1, 'float32', CORE_SIZES.steps).map(() => 1);
    assert.deepEqual(leftOut(asked, measured([4, 8, 16], [64, 128], all)), []);
    const each = all.length / CORE_SIZES.steps.length;
    const some = all.map((seconds, i) => (i < 2 * each ? seconds : null));
    assert.deepEqual(leftOut(asked, measured([4], [64], some)), [
      'products of 8 × 8, 16 × 16',
      'passes of 128 elements',
      'steps of width 1024, width 2048',
    ]);
  });

  it('gives every call its number, and collectives a time at every size', () => {
    const numbers: number[] = [];
    const seconds = callSeconds((i) => numbers.push(i), 0.1);
    assert.ok(seconds > 0);
    assert.deepEqual(numbers, [...numbers.keys()]);
    const times = measureCollectives(new Communicator(new SoloTransport()), {
      ...{ bytes: CORE_SIZES.collectives, engine: null, crowded: false, progress: () => {} },
    });
    for (const list of Object.values(times)) {
      assert.equal(list.length, 7);
      for (const { startS, transferS, finishS } of list) {
        assert.ok(startS >= 0 && transferS >= 0 && finishS >= 0 && startS + finishS > 0);
      }
    }
  });

  it('times groups of the same calls, which have come before, where an engine may repeat them', () => {
    const groups: number[][] = [[]];
    const wait = () => groups.push([]);
    const call = (i: number) => groups.at(-1)?.push(i);
    callSeconds(call, 0, { wait, sampleMs: 1, warm: 2 });
    const last = groups.at(-2) ?? [];
    assert.deepEqual(last, [...last.keys()]);
    // Five samples, and two before them.
    for (const group of groups.slice(-8, -1)) assert.deepEqual(group, last);
  });

  it('has a pause between start and wait where ranks do not take turns', () => {
    const startsWith = (crowded: boolean): number => {
      const communicator = new Communicator(new SoloTransport());
      let starts = 0;
      const start = communicator.startAllToAll.bind(communicator);
      communicator.startAllToAll = (...operands: Parameters<typeof start>) => {
        starts++;
        return start(...operands);
      };
      const options = { bytes: [32], engine: null, progress: () => {} };
      const { allReduce } = measureCollectives(communicator, { ...options, crowded });
      assert.ok(!crowded || allReduce[0]?.finishS === 0);
      return starts;
    };
    assert.equal(startsWith(false), 2 * startsWith(true));
  });

  it('leaves out sizes that take too long, but for the smallest', () => {
    const engine = createWasmEngine();
    const sizes = { weights: [4, 8], batches: [2], passes: [64, 128, 256], poolElements: 1024 };
    const place = createWorkplace(engine, sizes, 'float32');
    assert.deepEqual(quickSizes(place, Infinity), { weights: 2, passes: 3 });
    assert.deepEqual(quickSizes(place, -1), { weights: 1, passes: 1 });
  });

  it('writes files that it reads, with lists in a line', async () => {
    const machine = await machineOfTimes([unitTimes(1), null]);
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'machine-')), 'new', 'own.json');
    writeMachine(file, machine);
    assert.deepEqual(await readMachine(file), machine);
    assert.match(readFileSync(file, 'utf8'), /"NT": \[1, 2, 3, 4, 5, 6, 7, 8e-9\]/);
    const both = await machineOfTimes([unitTimes(1), unitTimes(2)]);
    writeMachine(file, both);
    assert.deepEqual(await readMachine(file), both);
  });

  it('adds bfloat16 to times of the same engine and number of ranks alone', async () => {
    const options = {
      ...({ name: 'here', engine: 'wasm', relaxedSimd: false, bind: 'none' } as const),
      ...{ onWarning: () => {}, onProgress: () => {} },
      power: { busyW: null, waitingW: null, sharedW: null, energyPerByteJ: null },
    };
    const add = async (times: Partial<MeasuredTimes>) =>
      calibrateBfloat16(await machineOfTimes([{ ...unitTimes(1), ...times }, null]), options);
    const ranks = availableCores();
    const { description } = await createEngine('wasm');
    const remedy = /was measured by .*; --compute all measures both formats/;
    await assert.rejects(add({ ranks, engine: 'another' }), remedy);
    await assert.rejects(add({ ranks: ranks + 1, engine: description }), remedy);
  });

  it('in bfloat16 has products and passes of its own, and says where it has none', async () => {
    const product = { kind: 'product', part: 'local', pass: 'forward' } as const;
    const sizes = { transposeA: false, transposeB: false, rows: 1, columns: 1, inner: 1 };
    const pass = { kind: 'elements', pass: 'forward', elements: 1, columns: 1 } as const;
    const found = (machine: Machine) => {
      const rates = ratesOf(machine, 2, 'threads', 'bfloat16');
      return {
        product: Math.round(rates.productS({ ...product, ...sizes })),
        // Measured in both formats, and in float32 alone.
        adam: rates.passS({ ...pass, kernel: 'adam' }),
        add: rates.passS({ ...pass, kernel: 'add' }),
        perOperationS: rates.perOperationS,
        missing: rates.notes.filter((note) => note.includes('timed as float32')).length,
      };
    };
    const half = { ...unitTimes(3), passes: { adam: [{ size: 1, seconds: 30 }] } };
    assert.deepEqual(found(await machineOfTimes([unitTimes(1), half])), {
      ...{ product: 3, adam: 30, add: 2, perOperationS: 3e-6, missing: 0 },
    });
    assert.deepEqual(found(await machineOfTimes([unitTimes(1), null])), {
      ...{ product: 1, adam: 10, add: 2, perOperationS: 1e-6, missing: 1 },
    });
  });
});

/** Times of one unit, so many times as long. */
function unitTimes(factor: number): MeasuredTimes {
  const axis = [1, 2];
  const forms = { NN: [1, 2, 3, 4, 5, 6, 7, 8], NT: [1, 2, 3, 4, 5, 6, 7, 8e-9] };
  const seconds = { ...forms, NN: forms.NN.map((s) => factor * s), TN: forms.NN };
  return {
    ...{ engine: 'blas', source: 'a test', ranks: 2 },
    products: { first: axis, second: axis, batch: axis, seconds },
    passes: {
      adam: [{ size: 1, seconds: 10 * factor }],
      add: [{ size: 1, seconds: 2 * factor }],
    },
    inStep: { factor: 1, perOperationS: factor * 1e-6 },
  };
}

async function machineOfTimes([whole, half]: readonly [
  MeasuredTimes,
  MeasuredTimes | null,
]): Promise<Machine> {
  const compute = { kind: 'measured', ...whole, ...(half && { bfloat16: half }) } as const;
  return { ...(await readMachine('mi250x')), compute };
}
