// A reporter for node's test runner: every failure in full as it happens, with what its file printed,
// then what was skipped and why, the slowest files, and the counts.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';

const SLOWEST = 8;
const LAST_LINES = 60;

/** @param {AsyncIterable<{ type: string, data: any }>} events */
export default async function* report(events) {
  const counts = new Map();
  const times = new Map();
  const skipped = new Map();
  const printed = new Map();
  const failed = [];
  const open = new Map();

  for await (const { type, data } of events) {
    const file = data.file === undefined ? '' : path.relative('', data.file);
    const isFile = data.name === data.file;
    if (type === 'test:start') {
      // Tests of a file are reported in order, so that the names above one are the latest of each level.
      open.set(file, [...(open.get(file) ?? []).slice(0, data.nesting), data.name]);
    } else if (type === 'test:complete' && isFile) {
      times.set(file, data.details.duration_ms);
      if (data.details.passed === false) failed.push(file);
    } else if (type === 'test:stdout' || type === 'test:stderr') {
      printed.set(file, `${printed.get(file) ?? ''}${data.message}`);
    } else if (type === 'test:pass' && data.skip !== undefined) {
      const reason = typeof data.skip === 'string' ? data.skip : 'no reason given';
      skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
    } else if (type === 'test:fail' && data.todo === undefined && !isOfOthers(data)) {
      const name = isFile
        ? 'the file'
        : open
            .get(file)
            .slice(0, data.nesting + 1)
            .join(' › ');
      yield `not ok ${file}: ${name}\n${indented(errorText(data.details.error))}\n`;
    } else if (type === 'test:diagnostic') {
      const [, key, value] = /^(\w+) ([\d.]+)$/.exec(data.message) ?? [];
      if (key === undefined) yield `${data.message}\n`;
      else counts.set(key, value);
    }
  }

  for (const file of failed) {
    const lines = (printed.get(file) ?? '').trimEnd().split('\n').slice(-LAST_LINES);
    yield `failed: ${file}\n`;
    if (lines.join('') !== '') yield `it printed:\n${indented(lines.join('\n'))}\n`;
  }
  const list = process.env['PHANTOM_TEST_FAILED'];
  if (list !== undefined) writeFileSync(list, failed.join('\n'));
  for (const [reason, count] of skipped) yield `skipped ${count}: ${reason}\n`;
  const slowest = [...times].toSorted(([, a], [, b]) => b - a).slice(0, SLOWEST);
  for (const [file, ms] of slowest) yield `${(ms / 1000).toFixed(1).padStart(6)} s  ${file}\n`;
  for (const key of ['tests', 'pass', 'fail', 'cancelled', 'skipped']) {
    yield `# ${key} ${counts.get(key) ?? 0}\n`;
  }
  yield `# ${(Number(counts.get('duration_ms') ?? 0) / 1000).toFixed(1)} s\n`;
}

/** Whether a test failed only since one within or around it did, which is reported itself. */
function isOfOthers({ details: { error } }) {
  const others = ['subtestsFailed', 'cancelledByParent'];
  return others.includes(error.failureType) && typeof error.cause !== 'object';
}

function errorText(error) {
  // A file whose process has ended otherwise than by its tests.
  const { exitCode, signal } = error;
  if (exitCode !== undefined || signal) return `exit code ${exitCode}, signal ${signal ?? 'none'}`;
  const { cause = error } = error;
  if (typeof cause === 'string') return `${cause} (${error.failureType})`;
  return inspect(cause)
    .replaceAll(/^ +at .*node:internal.*\n?/gm, '')
    .trimEnd();
}

function indented(text) {
  return text.replaceAll(/^/gm, '    ');
}
