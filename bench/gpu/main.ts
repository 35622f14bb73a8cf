// The parts of scripts/gpu-check.sh that compute:
// node build/bench/gpu/main.js <losses|products|steps|energy|summary> --out FOLDER [--seconds 60] [--rehearse]
import { type Check, readCheck } from './check.js';

const PARTS: Record<string, () => Promise<(check: Check) => Promise<void> | void>> = {
  losses: async () => (await import('./losses.js')).lossesPart,
  products: async () => (await import('./products.js')).productsPart,
  steps: async () => (await import('./steps.js')).stepsPart,
  energy: async () => (await import('./energy.js')).energyPart,
  summary: async () => (await import('./summary.js')).summaryPart,
};

const [name = '', ...args] = process.argv.slice(2);
const part = PARTS[name];
if (part === undefined) {
  console.error(`no part ${name}; there are ${Object.keys(PARTS).join(', ')}`);
  process.exit(2);
}
await (
  await part()
)(readCheck(args));
