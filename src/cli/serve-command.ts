import type { ServeOptions } from '../app/infer/serve.js';
import { SETTINGS } from '../settings/keys.js';
import { defineCommand } from './command.js';
import { EXIT } from './failure.js';
import { ACCESS_FLAGS, isLoopback, readAccess } from './server-access.js';
import { createServerLog, LOG_LEVELS } from './server-log.js';
import {
  BIND_FLAG,
  CHECKPOINT_FLAG,
  COMPUTE_FLAG,
  GHOSTS_FLAG,
  flagLike,
  type FlagTable,
  type FlagValues,
} from './flags.js';

/** Names the environment variable that may hold the token. */
const TOKEN_VARIABLE = 'PHANTOM_SERVE_TOKEN';
const MOST = 2 ** 31 - 1;

const integer = <const C extends object>(least: number, most: number, others: C) =>
  ({ kind: 'integer', least, most, ...others }) as const;

const FLAGS = {
  port: integer(0, 65_535, {
    placeholder: 'n',
    about: 'TCP port; 0: any free one',
    initial: 8000,
  }),
  host: ACCESS_FLAGS.host,
  checkpoint: CHECKPOINT_FLAG,
  ranks: flagLike(SETTINGS.ranks, {
    about: 'worker threads per model; they divide its blocks',
    most: 256,
    fallback: 'as trained',
  }),
  engine: flagLike(SETTINGS.engine, {}),
  compute: COMPUTE_FLAG,
  bind: BIND_FLAG,
  ghostsAtServing: {
    ...GHOSTS_FLAG,
    about: `${GHOSTS_FLAG.about}; a request may ask for another number`,
  },
  maxBatch: integer(1, 1 << 20, {
    placeholder: 'rows',
    about: 'most rows of a batch',
    initial: 64,
  }),
  maxDelayMs: {
    kind: 'number',
    placeholder: 'ms',
    least: 0,
    most: 60_000,
    about: 'how long a row may wait for others to share its batch; 0: only while ranks are busy',
    initial: 0,
  },
  maxQueue: integer(1, MOST, {
    placeholder: 'rows',
    about: 'most rows that wait; more are refused with 429',
    initial: 4096,
  }),
  timeoutMs: integer(1, 2 ** 30, {
    placeholder: 'ms',
    about: 'longest time from arrival to answer',
    initial: 10_000,
  }),
  maxBodyMib: integer(1, 1024, { placeholder: 'n', about: 'largest request, in MiB', initial: 16 }),
  maxAnswerMib: integer(1, 4096, {
    placeholder: 'n',
    about: 'largest answer, in MiB',
    initial: 64,
  }),
  maxMemoryMib: integer(1, 1 << 20, {
    placeholder: 'n',
    about: 'memory of all requests together, in MiB: bodies, inputs, answers not yet sent',
    initial: null,
    fallback: '512, or what the largest request needs',
  }),
  allowHost: ACCESS_FLAGS.allowHost,
  allowControl: {
    kind: 'switch',
    about: 'let requests without a token load and unload models',
    initial: false,
  },
  reloadEvery: integer(0, 86_400, {
    placeholder: 'seconds',
    about: 'look for newer checkpoints this often; 0: on SIGHUP only',
    initial: 0,
  }),
  drainS: integer(0, 3600, {
    placeholder: 'seconds',
    about: 'longest time from SIGTERM to the end',
    initial: 30,
  }),
  tokenFile: ACCESS_FLAGS.tokenFile,
  logLevel: {
    kind: 'choice',
    choices: LOG_LEVELS,
    placeholder: 'level',
    about: 'least level that is logged',
    initial: 'info',
  },
} as const satisfies FlagTable;

export const command = defineCommand({
  operands: [
    {
      name: 'model',
      about: 'run folder, checkpoint or model folder, or name=folder',
      count: 'one or more',
    },
  ],
  flags: FLAGS,
  style: 'plain',
  help: (phantom) => ({
    notes: `
A model's name is that of its folder, unless name=folder gives another. Each has the input x [rows,
features] and the output y.

SIGTERM or SIGINT: requests that have arrived or are arriving are answered, then the command ends.
SIGHUP: every model with a newer checkpoint is loaded again; no request is dropped.

Requests must be addressed to this server: by a loopback name, --host, --allow-host, or the address
at which they arrived. Those of web pages are refused. ${TOKEN_VARIABLE}, or --token-file,
sets a bearer token that every request except health checks must carry. Only with it, or with
--allow-control, can requests load and unload models.

The cost of a request is bounded before any work is done: --max-body-mib and --max-answer-mib (413),
--max-queue (429), --max-memory-mib for all requests together (503). A client must read its answer
within --timeout-ms plus one second per 256 KiB.

The log is on stdout: one JSON object per line, or text on a terminal. Nothing waits for it; lines
that cannot be written are dropped and counted.`,
    examples: [
      `${phantom} serve runs/first`,
      'curl http://127.0.0.1:8000/v2/models/first',
      `${phantom} serve small=runs/a large=runs/b --ranks 2 --max-batch 64 --max-delay-ms 1`,
      `${phantom} serve runs/first --reload-every 30 --log-level warn`,
      `${phantom} serve runs/nested --ghosts-at-serving 4`,
    ],
  }),
  run: ({ operands, flags }) => run(operands, flags),
});

async function run(models: readonly string[], flags: FlagValues<typeof FLAGS>): Promise<number> {
  const { ghostsAtServing, reloadEvery, allowHost, tokenFile, drainS, logLevel, ...same } = flags;
  const access = readAccess({ allowHost, tokenFile }, 'serve', TOKEN_VARIABLE);
  const settings = {
    ...same,
    models,
    ghosts: ghostsAtServing,
    allowHosts: access.hosts,
    token: access.token,
    reloadEveryS: reloadEvery,
  } satisfies ServeOptions;
  const [log, { serve }] = await Promise.all([
    createServerLog(logLevel),
    import('../app/infer/serve.js'),
  ]);
  const defect = firstDefect();
  const server = await serve({ ...settings, log });
  if (!isLoopback(settings.host) && settings.token === null) {
    log.warn({ host: settings.host }, 'other machines can reach it, and no token is set');
  }
  log.info({ url: server.url, models: server.models.map(({ name }) => name) }, 'listening');
  const reload = () => {
    log.info({}, 'SIGHUP: looking for newer checkpoints');
    void server.reload();
  };
  process.on('SIGHUP', reload);
  const end = await Promise.race([firstSignal(), defect]);
  if (end instanceof Error) {
    log.error({ error: end.stack ?? end.message }, 'ending: this is a defect; please report it');
  } else {
    log.info({}, `${end}: answering what has been asked`);
    process.once(end, () => process.exit(128 + (end === 'SIGINT' ? 2 : 15)));
  }
  await server.close(1000 * drainS);
  process.off('SIGHUP', reload);
  log.info({}, 'ended');
  await log.end();
  return end instanceof Error ? EXIT.internal : EXIT.fine;
}

/** What nothing has caught: its cause is not known, so the server cannot be trusted to go on. */
function firstDefect(): Promise<Error> {
  return new Promise((resolve) => {
    process.on('uncaughtException', (error: unknown) =>
      resolve(error instanceof Error ? error : new Error(String(error))),
    );
  });
}

function firstSignal(): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve('SIGINT'));
    process.once('SIGTERM', () => resolve('SIGTERM'));
  });
}
