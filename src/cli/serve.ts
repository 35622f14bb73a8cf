import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { EngineChoice } from '../engines/engine-list.js';
import type { ServeOptions } from '../app/infer/serve.js';
import { ConfigError } from '../base/errors.js';
import { EXIT, UsageError } from './failure.js';
import { ghostsOption } from './option-values.js';
import { createServerLog, LOG_LEVELS, type LogLevel } from './server-log.js';
import { numberOption, valueOption } from './setting-flags.js';

/** Names the environment variable that may hold the token. */
const TOKEN_VARIABLE = 'PHANTOM_SERVE_TOKEN';
const MOST = 2 ** 31 - 1;

const EXAMPLES = `
A model is a run folder (its newest checkpoint), a checkpoint or a model folder. Its name is the
folder's, or the one before "=". Each has the input x [rows, features] and the output y.

SIGTERM or SIGINT: what has been asked and what is on its way is answered, then the command ends.
SIGHUP: loads every model of which something newer is there; no request is dropped.

Requests have to be addressed to this server: by a loopback name, --host, --allow-host, or the address
that they came to. Those of web pages are refused. ${TOKEN_VARIABLE}, or
--token-file, sets a bearer token that every request but those for health has to carry. Models are
loaded and unloaded by requests only with it, or with --allow-control.

What a request may cost is bounded before it is done: --max-body-mib, --max-answer-mib (413),
--max-queue (429), --max-memory-mib for all requests together (503). An answer has to be read within
--timeout-ms and a second for each 256 KiB.

The log is on stdout: a JSON object a line, on a terminal a text. It is never waited for; lines that
cannot be written are dropped and counted.

Examples:
  $ phantom serve runs/first
  $ curl http://127.0.0.1:8000/v2/models/first
  $ phantom serve small=runs/a large=runs/b --ranks 2 --max-batch 64 --max-delay-ms 1
  $ phantom serve runs/first --reload-every 30 --log-level warn
  $ phantom serve runs/nested --ghosts-at-serving 4`;

export function define(command: Command, done: (exitCode: number) => void): void {
  const integer = (flags: string, about: string, least: number, most: number, initial?: number) => {
    const text = initial === undefined ? about : `${about} (default: ${initial})`;
    command.addOption(numberOption(flags, text, { least, most }));
  };
  command.argument('<model...>', 'folder, or name=folder');
  integer('--port <n>', 'TCP port; 0: any that is free', 0, 65_535, 8000);
  command.addOption(
    valueOption('--host <address>', 'address to listen on (default: 127.0.0.1, this machine only)'),
  );
  integer(
    '--ranks <R>',
    'worker threads a model; divides its blocks (default: as trained)',
    1,
    256,
  );
  command.addOption(valueOption('--engine <name>', 'auto, blas, wasm (default: auto)'));
  command.addOption(
    ghostsOption(
      "answer with the first K' ghosts of each block, as trained with --nested-ghosts, unless a " +
        'request has the parameter ghosts (default: all)',
    ),
  );
  integer('--max-batch <rows>', 'most rows of a batch', 1, 1 << 20, 64);
  command.addOption(
    numberOption(
      '--max-delay-ms <ms>',
      'how long a row may wait for others to share its batch; 0: only while ranks are busy ' +
        '(default: 0)',
      { least: 0, most: 60_000, integer: false },
    ),
  );
  integer('--max-queue <rows>', 'rows that may wait; more are refused with 429', 1, MOST, 4096);
  integer('--timeout-ms <ms>', 'longest time from arrival to answer', 1, MOST, 10_000);
  integer('--max-body-mib <n>', 'largest request, in MiB', 1, 1024, 16);
  integer('--max-answer-mib <n>', 'largest answer, in MiB', 1, 4096, 64);
  integer(
    '--max-memory-mib <n>',
    'memory for all requests together: bodies, inputs, answers that have not been sent ' +
      '(default: 512, or what the largest request needs)',
    1,
    1 << 20,
  );
  command
    .addOption(
      valueOption(
        '--allow-host <names>',
        'names that requests are addressed to, with commas; *: any',
      ),
    )
    .option('--allow-control', 'requests without a token may load and unload models');
  integer('--reload-every <s>', 'look for newer checkpoints so often; 0: on SIGHUP', 0, 86_400, 0);
  integer('--drain-s <s>', 'longest time from SIGTERM to the end', 0, 3600, 30);
  command
    .addOption(valueOption('--token-file <path>', 'file with the bearer token'))
    .addOption(valueOption('--log-level <level>', `${LOG_LEVELS.join(', ')} (default: info)`))
    .addHelpText('after', EXAMPLES)
    .action(async (models: string[]) => {
      done(await run(models, command.opts<Record<string, unknown>>()));
    });
}

async function run(
  models: readonly string[],
  options: Readonly<Record<string, unknown>>,
): Promise<number> {
  // Parsed and checked, each by its own option.
  const given = <T>(key: string, initial: T): T => (options[key] as T | undefined) ?? initial;
  const engine = given<EngineChoice>('engine', 'auto');
  if (!['auto', 'blas', 'wasm'].includes(engine)) {
    throw new UsageError('flags', `--engine is ${engine}; needs one of auto, blas, wasm`);
  }
  const level = given<LogLevel>('logLevel', 'info');
  if (!LOG_LEVELS.includes(level)) {
    throw new UsageError('flags', `--log-level is ${level}; needs one of ${LOG_LEVELS.join(', ')}`);
  }
  const settings = {
    models,
    host: given('host', '127.0.0.1'),
    port: given('port', 8000),
    ranks: given<number | null>('ranks', null),
    engine,
    maxBatch: given('maxBatch', 64),
    ghosts: given<number | null>('ghostsAtServing', null),
    maxDelayMs: given('maxDelayMs', 0),
    maxQueue: given('maxQueue', 4096),
    timeoutMs: given('timeoutMs', 10_000),
    maxBodyMib: given('maxBodyMib', 16),
    maxAnswerMib: given('maxAnswerMib', 64),
    maxMemoryMib: given<number | null>('maxMemoryMib', null),
    allowHosts: given('allowHost', '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    allowControl: given('allowControl', false),
    token: readToken(given<string | null>('tokenFile', null)),
    reloadEveryS: given('reloadEvery', 0),
  } satisfies ServeOptions;
  const drainMs = 1000 * given('drainS', 30);
  const [log, { serve }] = await Promise.all([
    createServerLog(level),
    import('../app/infer/serve.js'),
  ]);
  const defect = firstDefect();
  const server = await serve({ ...settings, log });
  const loopback = /^(127\.|::1$|localhost$)/.test(settings.host);
  if (!loopback && settings.token === null) {
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
  await server.close(drainMs);
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

function readToken(file: string | null): string | null {
  let token = process.env[TOKEN_VARIABLE] ?? null;
  if (file !== null) {
    try {
      token = readFileSync(file, 'utf8');
    } catch (error) {
      throw new ConfigError('serve', `${file}: ${(error as Error).message}`);
    }
  }
  if (token === null) return null;
  const trimmed = token.trim();
  if (trimmed !== '') return trimmed;
  throw new ConfigError('serve', `the token of ${file ?? TOKEN_VARIABLE} is empty`);
}
