// Hosts as network namespaces, each with one cable to a switch.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Subnet of the hosts; it exists inside their namespaces only. */
export const SUBNET = '10.77.0.0/24';

/** A token bucket passes what it holds at once: as little as lets timers keep the rate. */
const BUCKET_S = 500e-6;
const SMALLEST_BUCKET_BYTES = 3100;
/** What waits before a port is held, not dropped: a switch with enough memory. */
const QUEUE_BYTES = 16e6;

export interface Host {
  readonly namespace: string;
  readonly address: string;
}

/** Why hosts cannot be made here; null: they can. */
export function whyNoHosts(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are of Linux';
  const name = `phantom-try-${process.pid}`;
  try {
    run('ip', ['netns', 'add', name]);
    try {
      run('ip', ['-n', name, 'link', 'add', 'name', 'v0', 'type', 'veth', 'peer', 'name', 'v1']);
      run('ip', ['netns', 'exec', name, 'tc', ...shaping('v0', 1e9)]);
    } finally {
      run('ip', ['netns', 'del', name]);
    }
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Hosts and their switch. `remove` takes them away, and runs at the end of the process as well. */
export class Hosts {
  readonly hosts: readonly Host[];
  /** Folder with the script by which mpirun starts programs on the hosts. */
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'phantom-hosts-'));
  readonly #switch = `phantom-${process.pid}-switch`;
  readonly #made: string[] = [];

  constructor(count: number) {
    removeLeftovers();
    process.on('exit', () => this.remove());
    this.hosts = Array.from({ length: count }, (_, i) => ({
      namespace: `phantom-${process.pid}-host${i}`,
      address: `10.77.0.${i + 1}`,
    }));
    try {
      this.#add(this.#switch);
      inside(this.#switch, ['link', 'add', 'bridge', 'type', 'bridge']);
      inside(this.#switch, ['link', 'set', 'bridge', 'up']);
      for (const [i, { namespace, address }] of this.hosts.entries()) {
        this.#add(namespace);
        inside(namespace, ['link', 'set', 'lo', 'up']);
        const cable = `link add name port${i} type veth peer name eth0 netns ${namespace}`;
        inside(this.#switch, cable.split(' '));
        inside(this.#switch, ['link', 'set', `port${i}`, 'master', 'bridge', 'up']);
        inside(namespace, ['addr', 'add', `${address}/24`, 'dev', 'eth0']);
        inside(namespace, ['link', 'set', 'eth0', 'up']);
      }
      writeFileSync(this.agent, this.#agentScript(), { mode: 0o755 });
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Stands for ssh: `agent ADDRESS COMMAND …`. */
  get agent(): string {
    return path.join(this.#folder, 'agent.sh');
  }

  /** Sets the rate of every cable in both directions; null: no limit. */
  setRate(bitsPerS: number | null): void {
    const ends = this.hosts.flatMap(({ namespace }, i) => [
      [namespace, 'eth0'],
      [this.#switch, `port${i}`],
    ]);
    for (const [namespace = '', device = ''] of ends) {
      const tc = ['netns', 'exec', namespace, 'tc'];
      spawnSync('ip', [...tc, 'qdisc', 'del', 'dev', device, 'root']);
      if (bitsPerS !== null) run('ip', [...tc, ...shaping(device, bitsPerS)]);
    }
  }

  remove(): void {
    for (const name of this.#made.splice(0)) deleteNamespace(name);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #add(name: string): void {
    this.#made.push(name);
    run('ip', ['netns', 'add', name]);
  }

  #agentScript(): string {
    const cases = this.hosts.map(
      ({ namespace, address }) => `  ${address}) namespace=${namespace} ;;`,
    );
    return [
      '#!/bin/sh',
      'address=$1; shift',
      'case $address in',
      ...cases,
      '  *) echo "no host $address" >&2; exit 1 ;;',
      'esac',
      'exec ip netns exec "$namespace" /bin/sh -c "$*"',
      '',
    ].join('\n');
  }
}

/** With the processes in it, which would otherwise wait for each other without a network. */
function deleteNamespace(name: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' });
  for (const [pid] of stdout.matchAll(/\d+/g)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  spawnSync('ip', ['netns', 'del', name]);
}

/** Takes away what processes left that were killed. */
function removeLeftovers(): void {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  for (const [name, pid] of stdout.matchAll(/^phantom-(\d+)-\w+/gm)) {
    if (!existsSync(`/proc/${pid}`)) deleteNamespace(name);
  }
}

function shaping(device: string, bitsPerS: number): string[] {
  const bucket = Math.max(SMALLEST_BUCKET_BYTES, Math.round((bitsPerS / 8) * BUCKET_S));
  const rate = `rate ${bitsPerS}bit burst ${bucket} limit ${QUEUE_BYTES}`;
  return `qdisc add dev ${device} root tbf ${rate}`.split(' ');
}

function inside(namespace: string, args: readonly string[]): void {
  run('ip', ['-n', namespace, ...args]);
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return;
  const why = error?.message ?? (stderr.trim() || `exit code ${status}`);
  throw new Error(`${command} ${args.join(' ')}: ${why}`);
}
