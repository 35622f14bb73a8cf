import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PROGRAMS = ['munged', 'slurmctld', 'slurmd', 'sinfo', 'srun', 'sbatch', 'salloc'];

/** Why no Slurm can be started here; false: it can. */
export function slurmMissing(): false | string {
  const missing = PROGRAMS.filter((name) => spawnSync(name, ['-V']).error !== undefined);
  const why = missing.length > 0 ? `no ${missing.join(', ')} here` : false;
  const required = process.env['PHANTOM_REQUIRE_NATIVE'] === '1';
  return required ? false : process.getuid?.() === 0 ? why : 'Slurm is started by root only';
}

/** A Slurm of one node, this machine, with daemons, state and ports of its own. */
export class Slurm {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(folder: string) {
    this.#folder = folder;
    const { NODE_TEST_CONTEXT: _, PHANTOM_MPI: __, ...inherited } = process.env;
    this.#env = { ...inherited, SLURM_CONF: path.join(folder, 'slurm.conf') };
  }

  /** @param folder empty; holds all that the daemons write */
  static async start(folder: string): Promise<Slurm> {
    const slurm = new Slurm(folder);
    const at = (name: string) => path.join(folder, name);
    chmodSync(folder, 0o755); // munged wants its socket where every user can reach it.
    for (const name of ['state', 'spool']) mkdirSync(at(name));
    writeFileSync(at('munge.key'), randomBytes(128), { mode: 0o600 });
    const [controllerPort, nodePort] = [await freePort(), await freePort()];
    const host = hostname().split('.', 1)[0];
    writeFileSync(
      at('slurm.conf'),
      [
        'ClusterName=phantom',
        `SlurmctldHost=${host}(127.0.0.1)`,
        `SlurmctldPort=${controllerPort}`,
        `SlurmdPort=${nodePort}`,
        `AuthInfo=socket=${at('munge.socket')}`,
        'SlurmUser=root',
        `StateSaveLocation=${at('state')}`,
        `SlurmdSpoolDir=${at('spool')}`,
        ...['slurmctld', 'slurmd'].flatMap((name) => {
          const key = `S${name.slice(1)}`;
          return [`${key}PidFile=${at(`${name}.pid`)}`, `${key}LogFile=${at(`${name}.log`)}`];
        }),
        'SelectType=select/cons_tres',
        'SelectTypeParameters=CR_CPU',
        'ProctrackType=proctrack/linuxproc',
        'TaskPlugin=task/none',
        'MpiDefault=none',
        'SlurmdParameters=config_overrides',
        'SchedulerParameters=sched_interval=1',
        `NodeName=${host} NodeAddr=127.0.0.1 CPUs=8`,
        'PartitionName=all Nodes=ALL Default=YES',
        '',
      ].join('\n'),
    );
    try {
      slurm.#daemon('munged', [
        ...[`--key-file=${at('munge.key')}`, `--socket=${at('munge.socket')}`],
        ...[`--pid-file=${at('munged.pid')}`, `--log-file=${at('munged.log')}`],
        `--seed-file=${at('munged.seed')}`,
      ]);
      slurm.#daemon('slurmctld', []);
      slurm.#daemon('slurmd', []);
      const state = () => slurm.run('sinfo', ['--noheader', '--format=%T']).stdout.trim();
      for (let tries = 0; state() !== 'idle'; tries++) {
        if (tries === 300) throw new Error(`the node is ${state()}:\n${slurm.#log('slurmd')}`);
        await sleep(100);
      }
    } catch (error) {
      await slurm.stop();
      throw error;
    }
    return slurm;
  }

  /** Runs a command of Slurm to its end. */
  run(
    command: string,
    args: readonly string[],
    { cwd = this.#folder, env = {} }: { cwd?: string; env?: Record<string, string> } = {},
  ) {
    const { status, stdout, stderr } = spawnSync(command, args, {
      cwd,
      env: { ...this.#env, ...env, PWD: cwd },
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  }

  /** Ends the daemons. */
  async stop(): Promise<void> {
    for (const name of ['slurmd', 'slurmctld', 'munged']) {
      const file = path.join(this.#folder, `${name}.pid`);
      if (!existsSync(file)) continue;
      const pid = Number(readFileSync(file, 'utf8'));
      if (!existsSync(`/proc/${pid}`)) continue;
      process.kill(pid, 'SIGTERM');
      for (let tries = 0; existsSync(`/proc/${pid}`) && tries < 100; tries++) await sleep(100);
      if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
    }
  }

  #daemon(name: string, args: readonly string[]): void {
    const { status, stderr } = this.run(name, args);
    if (status !== 0) throw new Error(`${name} does not start: ${stderr}${this.#log(name)}`);
  }

  #log(name: string): string {
    const file = path.join(this.#folder, `${name}.log`);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return address.port;
}
