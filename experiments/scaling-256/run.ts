// Trains networks of 256 blocks on 1, 4, 16, 64 and 256 worker threads, compares what every rank
// counted with the analysis, and writes data.json; from the root of a
// checkout.
import { writeFileSync } from 'node:fs';
import { stepCost } from '#src/analysis/network-cost.js';
import { rankMemory } from '#src/analysis/step-memory.js';
import type { StepShape } from '#src/analysis/step-program.js';
import { launchRanks } from '#src/communicators/threads/launch-ranks.js';
import type { Strategy } from '#src/layers/strategies.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import type { ScalingRequest, ScalingResult } from './rank.js';

const BLOCKS = 256;
const COLUMNS = 4;
const STEPS = 3;
const RANKS = [1, 4, 16, 64, 256];
const STRATEGIES: readonly Strategy[] = ['phantom', 'tensor'];
const rows = [];
for (const strategy of STRATEGIES) {
  const specification: NetworkSpecification = {
    strategy,
    width: 4 * BLOCKS,
    depth: 2,
    blocks: BLOCKS,
    ghosts: 1,
    activation: 'relu',
    ends: { kind: 'sharded' },
  };
  for (const ranks of RANKS) {
    const shape: StepShape = {
      specification,
      ranks,
      columns: COLUMNS,
      optimizer: 'adam',
      loss: 'mse',
      average: false,
      inputGradient: false,
    };
    const data: ScalingRequest = { ...shape, steps: STEPS };
    const began = performance.now();
    const { done } = launchRanks<ScalingResult>({
      size: ranks,
      module: new URL('rank.js', import.meta.url),
      data,
      timeoutS: 300,
    });
    const results = await done;
    const elapsedS = (performance.now() - began) / 1000;
    const { flops, sentBytes, receivedBytes } = stepCost(specification, ranks, COLUMNS).total;
    const predicted = { flops, sentBytes, receivedBytes };
    const wrong = results.filter((result, rank) => {
      const { totalBytes } = rankMemory(shape, rank);
      return (
        result.flops !== flops ||
        result.sentBytes !== sentBytes ||
        result.receivedBytes !== receivedBytes ||
        result.memoryBytes !== totalBytes
      );
    });
    const row = {
      strategy,
      ranks,
      ...predicted,
      memoryBytes: results[0]?.memoryBytes,
      ranksThatDiffer: wrong.length,
      losses: results[0]?.losses,
      elapsedS: Number(elapsedS.toFixed(1)),
    };
    rows.push(row);
    console.log(JSON.stringify(row));
  }
}
for (const strategy of STRATEGIES) {
  const losses = rows.filter((row) => row.strategy === strategy).map((row) => String(row.losses));
  console.log(`${strategy}: ${new Set(losses).size === 1 ? 'the same' : 'different'} loss bits`);
}
writeFileSync('experiments/scaling-256/data.json', `${JSON.stringify(rows, null, 2)}\n`);
if (rows.some((row) => row.ranksThatDiffer > 0)) process.exitCode = 1;
