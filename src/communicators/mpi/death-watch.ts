import { spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ProcessPlace } from '../rank-context.js';
import type { Launcher } from '../launcher.js';

/** What a process says before it ends on purpose. */
export const LEAVING = 'leaving\n';

/** Longest wait for the watcher, which starts while MPI does, and the time between attempts. */
const JOIN_MS = 1000;
const ATTEMPT_INTERVAL_MS = 10;

/**
 * Has the killed rank named where the launcher cannot: MPICH's mpirun kills all others as soon as
 * one is dead, and then tells of any. A process beside the job holds a connection to each rank of
 * its machine; the system closes them in the order in which the ranks die.
 */
export class DeathWatch {
  readonly #rank: number;
  /** Sockets that are a name alone, and leave no file, are Linux'. */
  readonly #works: boolean;
  #socket: Socket | null = null;

  /** Starts the watcher, on the first rank of a machine. */
  constructor({ command, family, rank, localRank }: Launcher) {
    this.#rank = rank;
    this.#works = command === 'mpirun' && family === 'MPICH' && process.platform === 'linux';
    if (!this.#works || localRank !== 0) return;
    const program = fileURLToPath(new URL('death-watch-process.js', import.meta.url));
    // In a session of its own, which the launcher does not end. It ends when its stdin and all
    // connections have.
    const watcher = spawn(process.execPath, [program, addressOf(process.pid)], {
      stdio: ['pipe', 'ignore', 'inherit'],
      detached: true,
    });
    watcher.on('error', () => {});
    watcher.stdin.on('error', () => {});
    (watcher.stdin as Socket).unref();
    watcher.unref();
  }

  /** Without the watcher a death is reported as the launcher reports it. @param processes by rank */
  async join(processes: readonly ProcessPlace[]): Promise<void> {
    if (!this.#works) return;
    const own = processes[this.#rank];
    const first = processes.find(({ host }) => host === own?.host);
    if (own === undefined || first === undefined) return;
    const began = performance.now();
    while (this.#socket === null && performance.now() - began < JOIN_MS) {
      this.#socket = await connected(`\0${addressOf(first.pid)}`);
      if (this.#socket === null) await new Promise((go) => setTimeout(go, ATTEMPT_INTERVAL_MS));
    }
    this.#socket?.write(`${this.#rank} ${own.pid} ${own.host}\n`);
  }

  /** What ends after this ends on purpose. */
  leave(): void {
    this.#socket?.end(LEAVING);
    this.#socket = null;
  }
}

function addressOf(pid: number): string {
  return `phantom-parallel-${pid}`;
}

async function connected(address: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.on('connect', () => {
      socket.unref();
      resolve(socket);
    });
    socket.on('error', () => resolve(null));
  });
}
