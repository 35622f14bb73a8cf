// npm run bench -- <kernels|collectives|step|precision|peers|growth|loader|startup|accuracy|prediction|forward|serve|soak|pages> [options]
const SUITES: Record<string, () => Promise<(args: string[]) => Promise<void>>> = {
  kernels: async () => (await import('./kernels.js')).kernelsBench,
  collectives: async () => (await import('./collectives.js')).collectivesBench,
  precision: async () => (await import('./precision.js')).precisionBench,
  step: async () => (await import('./step.js')).stepBench,
  peers: async () => (await import('./peers/peers.js')).peersBench,
  growth: async () => (await import('./growth.js')).growthBench,
  loader: async () => (await import('./loader.js')).loaderBench,
  startup: async () => (await import('./startup.js')).startupBench,
  prediction: async () => (await import('./prediction.js')).predictionBench,
  accuracy: async () => (await import('./accuracy.js')).accuracyBench,
  forward: async () => (await import('./forward.js')).forwardBench,
  serve: async () => (await import('./serve.js')).serveBench,
  pages: async () => (await import('./pages.js')).pagesBench,
  soak: async () => (await import('./soak.js')).soakBench,
};

const [name = '', ...args] = process.argv.slice(2);
const suite = SUITES[name];
if (suite === undefined) {
  console.error(`npm run bench -- <${Object.keys(SUITES).join('|')}> [--json] [options]`);
  process.exit(2);
}
await (
  await suite()
)(args);
