import { isOwnError } from '../communicators/error-transfer.js';
import type { ProcessPlace } from '../communicators/rank-context.js';

/** How a started job ended, without an end of its run. */
export interface JobEnd {
  /** Of the program that was started. */
  readonly code: number | null;
  readonly signal: string | null;
  /** For people: `mpirun of Open MPI`. */
  readonly program: string;
  /** What rank 0 reported as an object. */
  readonly error: { readonly name: string; readonly message: string } | null;
  readonly stderr: string;
  /** Whether training had begun. */
  readonly started: boolean;
  /** By rank, where known. */
  readonly processes: readonly ProcessPlace[] | null;
}

/** Why a job ended. */
export interface Cause {
  readonly message: string;
  /** The rank that is said to have failed; null: unknown. */
  readonly rank: number | null;
  /** Whether another start may do better. */
  readonly passing: boolean;
  /** What ranks and launcher said on stderr that the message does not, for people to look into. */
  readonly words: readonly string[];
}

/**
 * Reads the cause from what a job left: the error that rank 0 reported, else what another rank or the
 * launcher said, else how the process ended.
 */
export function causeOf(end: JobEnd): Cause {
  const { error, started } = end;
  if (error !== null) {
    return {
      message: error.message,
      rank: rankIn(error.message),
      // The same settings and data would fail in the same way again; a dead or stuck rank need not.
      passing: isOwnError(error) ? error.name === 'CollectiveError' : true,
      words: [],
    };
  }
  const words = withoutNotices(end.stderr);
  const death = deathOf(end);
  // What others say after a rank was killed is its consequence.
  if (death?.killed === true) return toCause(death, words);
  const told = words
    .map((line) => /^(?:rank (\d+): )?phantom: (.+)$/.exec(line))
    .find((match) => match !== null);
  if (told) {
    const [line, teller, message = ''] = told;
    const rank = rankIn(message) ?? (teller === undefined ? null : Number(teller));
    return { message, rank, passing: started, words: words.filter((other) => other !== line) };
  }
  if (death !== null) return toCause(death, words);
  // The notice may be all that tells why.
  const all = end.stderr.split('\n').filter((line) => line !== '');
  const how =
    end.signal === null ? `ended with exit code ${end.code}` : `was killed by ${end.signal}`;
  // A launcher's code of a process that a signal ended is 128 and the signal's number.
  const killed = end.signal !== null || (end.code ?? 0) > 128;
  return { message: `${end.program} ${how}`, rank: null, passing: started || killed, words: all };
}

/** The rank that a message says has failed, which another may have reported. */
function rankIn(message: string): number | null {
  const match = /\brank (\d+) ended|for rank (\d+) |\brank (\d+) failed/.exec(message);
  return match === null ? null : Number(match[1] ?? match[2] ?? match[3]);
}

/** A process's end, with whether a signal was it. */
type Death = Omit<Cause, 'words'> & { readonly killed: boolean };

/** What the watcher of a machine's ranks says (`communicators/mpi/death-watch-process`). */
const WATCHED =
  /^phantom: rank (\d+) ended without an error message: process \d+, the first of (\S+) to end$/m;

/** What a launcher says of the process that ended first. */
function deathOf({ stderr, processes, started }: JobEnd): Death | null {
  const signal =
    /process rank (\d+) with PID \d+ on node (\S+) exited on signal (\d+(?: \([^)]*\))?)/.exec(
      stderr,
    );
  if (signal) {
    const [, rank, node, number] = signal;
    const message = `rank ${rank} on ${node} was killed by signal ${number}`;
    return { message, rank: Number(rank), passing: true, killed: true };
  }
  const code = /Process name: \[\[\d+,\d+\],(\d+)\]\s+Exit code:\s+(\d+)/.exec(stderr);
  if (code) {
    const message = `rank ${code[1]} ended with exit code ${code[2]}`;
    const passing = started || code[2] !== '2';
    return { message, rank: Number(code[1]), passing, killed: false };
  }
  const hydra = /PID (\d+) RUNNING AT (\S+)\n=\s+EXIT CODE: (\d+)/.exec(stderr);
  if (!hydra) return null;
  const [, pid, host, number] = hydra;
  const watched = WATCHED.exec(stderr);
  if (watched) {
    const [, rank, node] = watched;
    const message = `rank ${rank} on ${node} was killed or crashed: it ended first, without an error message`;
    return { message, rank: Number(rank), passing: true, killed: true };
  }
  const found = processes?.findIndex((place) => place.pid === Number(pid) && place.host === host);
  const known = found !== undefined && found >= 0;
  const killed = /EXIT STRING: (.*) \(signal (\d+)\)/.exec(stderr);
  const how = killed
    ? `was killed by signal ${killed[2]} (${killed[1]})`
    : `ended with exit code ${number}`;
  const who = known ? `that of rank ${found}` : `number ${pid}`;
  return {
    // Its clean-up kills the others at once, and may be what it then finds.
    message: `a process ${how}; MPICH names ${who} on ${host}, which its clean-up may have killed`,
    rank: null,
    passing: started || killed !== null || number !== '2',
    killed: killed !== null,
  };
}

/** Lines of stderr outside the framed notices of launchers. */
function withoutNotices(stderr: string): string[] {
  let framed = false;
  return stderr.split('\n').filter((line) => {
    if (/^-{40,}$/.test(line)) {
      framed = !framed;
      return false;
    }
    const hydra = /^=|^YOUR APPLICATION TERMINATED|^This typically refers|^Please see the FAQ/;
    return !framed && line !== '' && !hydra.test(line) && !WATCHED.test(line);
  });
}

function toCause({ message, rank, passing }: Death, words: readonly string[]): Cause {
  return { message, rank, passing, words };
}
