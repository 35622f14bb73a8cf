// Steps and answers beside those of other libraries' best programs, in turn.
import { parseArgs } from 'node:util';
import type { EngineChoice } from '#src/engines/engine-list.js';
import { type Strategy, STRATEGY_NAMES } from '#src/layers/strategies.js';
import type { Dtype } from '#src/tensor/tensor.js';
import { compareAnswers } from './compare-answers.js';
import { compareSteps } from './compare-steps.js';
import { missingParts, PYTHON_HELP } from './peer-process.js';
import { type Row, rowLine } from './rows.js';

const HELP = `npm run bench -- peers [--json] [--python python3] [--only steps|answers] [--rounds 5]
  [--width 2048] [--depth 2] [--ghosts 64] [--batches 128,512] [--steps 20]
  [--compute float32|bfloat16] [--strategies ${STRATEGY_NAMES.join(',')}]
  [--answers 1,16,256] [--engine auto]

Training steps of two ranks beside the same steps in PyTorch (bench/peers/steps.py: shared memory and
gloo, MKL or oneDNN by shape, fused Adam), which start from the same weights and must have the same
losses; and answers of one rank beside PyTorch, compiled or not, and ONNX Runtime. Programs take turns
in every round; a figure is the median of the rounds' medians, with the least and the largest, and a
ratio above 1 says how much longer the peer takes.
${PYTHON_HELP}`;

export async function peersBench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      python: { type: 'string', default: 'python3' },
      only: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      width: { type: 'string', default: '2048' },
      depth: { type: 'string', default: '2' },
      ghosts: { type: 'string', default: '64' },
      batches: { type: 'string', default: '128,512' },
      steps: { type: 'string', default: '20' },
      compute: { type: 'string', default: 'float32' },
      strategies: { type: 'string', default: STRATEGY_NAMES.join(',') },
      answers: { type: 'string', default: '1,16,256' },
      engine: { type: 'string', default: 'auto' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const missing = missingParts(values.python);
  if (missing !== null) {
    console.error(`[peers] ${values.python}: ${missing}\n${PYTHON_HELP}`);
    process.exitCode = 2;
    return;
  }
  const { width, depth, ghosts, steps, rounds } = values;
  const compute = values.compute as Dtype;
  const request = {
    python: values.python,
    engine: values.engine as EngineChoice,
    rounds: Number(rounds),
    width: Number(width),
    depth: Number(depth),
    ghosts: Number(ghosts),
  };
  const list = (text: string) => text.split(',');
  const rows: Row[] = [];
  const notes: string[] = [];
  const add = (found: { rows: readonly Row[]; note: string }) => {
    rows.push(...found.rows);
    notes.push(found.note);
    if (values.json) return;
    console.log(found.note);
    for (const row of found.rows) console.log(rowLine(row));
  };
  if (values.only !== 'answers') {
    for (const batch of list(values.batches).map(Number)) {
      const strategies = list(values.strategies) as Strategy[];
      add(await compareSteps({ ...request, batch, compute, strategies, steps: Number(steps) }));
    }
  }
  if (values.only !== 'steps') {
    const sizes = list(values.answers).map(Number);
    add(await compareAnswers(request, sizes));
  }
  if (values.json) console.log(JSON.stringify({ ...values, notes, rows }));
}
