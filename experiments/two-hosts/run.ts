// What the network costs phantom and tensor parallelism: see README.md in this folder.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Hosts, SUBNET, whyNoHosts } from './hosts.js';
import { measureRaw, type RawTransfer } from './raw.js';
import { drawChart, type Measurement, type Results, summarize, tables } from './results.js';

const HELP = `node build/experiments/two-hosts/run.js [--out experiments/two-hosts] [--add]
  [--hosts 2] [--rates unlimited,10000,1000,100] [--strategies phantom,tensor,tensor-paired]
  [--repeats 1] [--width 4096] [--depth 2] [--ghosts 64] [--batch 128] [--steps 10] [--engine auto]

Rates in Mb/s. --add keeps the measurements that the folder has. Needs root on Linux, Open MPI.`;

const BENCH = fileURLToPath(new URL('../../bench/main.js', import.meta.url));

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    out: { type: 'string', default: 'experiments/two-hosts' },
    add: { type: 'boolean', default: false },
    hosts: { type: 'string', default: '2' },
    rates: { type: 'string', default: 'unlimited,10000,1000,100' },
    strategies: { type: 'string', default: 'phantom,tensor,tensor-paired' },
    repeats: { type: 'string', default: '1' },
    width: { type: 'string', default: '4096' },
    depth: { type: 'string', default: '2' },
    ghosts: { type: 'string', default: '64' },
    batch: { type: 'string', default: '128' },
    steps: { type: 'string', default: '10' },
    engine: { type: 'string', default: 'auto' },
  },
});

/** Process group of the running job, which ends with this process. */
let running: number | null = null;

function endJob(): void {
  if (running !== null) process.kill(-running, 'SIGKILL');
  running = null;
}

async function trainStep(hosts: Hosts, strategy: string): Promise<Measurement['step']> {
  const [first] = hosts.hosts;
  if (first === undefined) throw new Error('no hosts');
  const ranks = String(hosts.hosts.length);
  const mca = {
    plm_rsh_agent: hosts.agent,
    pml: 'ob1',
    btl: 'tcp,self',
    btl_tcp_if_include: SUBNET,
    oob_tcp_if_include: SUBNET,
    mpi_yield_when_idle: '1',
  };
  const { width, depth, ghosts, batch, steps, engine } = values;
  const settings = { strategy, width, depth, ghosts, batch, steps, engine, blocks: ranks };
  const slots = hosts.hosts.map(({ address }) => `${address}:1`).join();
  const mpirun = `mpirun.openmpi --bind-to none -n ${ranks} --host ${slots}`;
  const job = spawn(
    'ip',
    [
      ...`netns exec ${first.namespace} ${mpirun}`.split(' '),
      ...Object.entries(mca).flatMap(([name, value]) => ['--mca', name, value]),
      process.execPath,
      BENCH,
      'step',
      '--json',
      ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    ],
    {
      env: {
        ...process.env,
        OMPI_ALLOW_RUN_AS_ROOT: '1',
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    },
  );
  running = job.pid ?? null;
  const texts = { out: '', err: '' };
  job.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.out += text;
  });
  job.stderr.setEncoding('utf8').on('data', (text: string) => {
    texts.err += text;
  });
  const [code] = (await once(job, 'close')) as [number | null];
  running = null;
  if (code !== 0) throw new Error(`${strategy}: mpirun ended with ${code}: ${texts.err}`);
  return JSON.parse(texts.out) as Measurement['step'];
}

function nameOf(rate: number | null): string {
  if (rate === null) return 'unlimited';
  return rate >= 1e9 ? `${rate / 1e9} Gb/s` : `${rate / 1e6} Mb/s`;
}

async function experiment(): Promise<void> {
  const reason =
    (process.env['PHANTOM_MPI'] === 'none' ? 'PHANTOM_MPI=none hides MPI' : null) ??
    whyNoHosts() ??
    (spawnSync('mpirun.openmpi', ['--version']).status === 0 ? null : 'no mpirun.openmpi here');
  if (reason !== null) {
    console.log(`skipped: ${reason}`);
    return;
  }
  mkdirSync(values.out, { recursive: true });
  const file = path.join(values.out, 'results.json');
  const kept =
    values.add && existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results) : null;
  const measurements: Measurement[] = [...(kept?.measurements ?? [])];
  const raw: Record<string, RawTransfer> = { ...kept?.raw };
  const rates = values.rates
    .split(',')
    .map((rate) => (rate === 'unlimited' ? null : 1e6 * Number(rate)));
  const hosts = new Hosts(Number(values.hosts));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      endJob();
      process.exit(1);
    });
  }
  try {
    const [from, to] = hosts.hosts;
    if (from === undefined || to === undefined) throw new Error('--hosts: at least 2');
    for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
      for (const rate of rates) {
        hosts.setRate(rate);
        raw[nameOf(rate)] ??= await measureRaw([from, to], rate);
        for (const strategy of values.strategies.split(',')) {
          const step = await trainStep(hosts, strategy);
          measurements.push({ rate: nameOf(rate), bitsPerS: rate, strategy, step });
          console.log(
            `${nameOf(rate).padEnd(10)} ${strategy.padEnd(14)} ${step.stepMs.toFixed(1)} ms per step, ` +
              `${step.exposedMs.toFixed(1)} ms of it exposed`,
          );
        }
      }
    }
  } finally {
    endJob();
    hosts.remove();
  }
  const command = `node build/experiments/two-hosts/run.js ${process.argv.slice(2).join(' ')}`;
  const results: Results = {
    command: command.trim(),
    machine: { cores: os.availableParallelism(), cpu: os.cpus()[0]?.model.trim() ?? 'unknown' },
    raw,
    measurements,
  };
  writeFileSync(file, `${JSON.stringify(results)}\n`);
  const summary = summarize(results);
  writeFileSync(path.join(values.out, 'step-times.svg'), drawChart(summary));
  console.log(`\n${tables(results, summary)}`);
}

if (values.help) console.log(HELP);
else await experiment();
