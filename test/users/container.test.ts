// The container's recipe is read, not built: it needs a container engine.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Instructions, without comments, each on a line of its own. */
const instructions = readFileSync(path.join(ROOT, 'examples/docker/Dockerfile'), 'utf8')
  .replaceAll(/^\s*#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => {
    const [, name = '', rest = ''] = /^([A-Z]+) (.+)$/.exec(line) ?? assert.fail(line);
    return { name, rest };
  });
const all = (name: string) =>
  instructions.filter((one) => one.name === name).map(({ rest }) => rest);

describe('the Dockerfile', () => {
  it('has known instructions, in stages that copy from earlier ones', () => {
    const known = new Set(['FROM', 'RUN', 'COPY', 'WORKDIR', 'USER', 'ENTRYPOINT', 'CMD']);
    const stages = new Set<string>();
    assert.equal(instructions[0]?.name, 'FROM');
    for (const { name, rest } of instructions) {
      assert.ok(known.has(name), name);
      if (name === 'FROM') {
        const [, stage] = /^\S+:\S+(?: AS (\S+))?$/.exec(rest) ?? assert.fail(rest);
        if (stage !== undefined) stages.add(stage);
      }
      const from = name === 'COPY' ? /--from=(\S+)/.exec(rest)?.[1] : undefined;
      if (from !== undefined) assert.ok(stages.has(from), from);
    }
  });

  it('has a version of Node that the package takes, and does not run as root', () => {
    for (const image of all('FROM')) assert.match(image, /^node:2[0-9]-/);
    assert.notEqual(all('USER').at(-1), 'root');
  });

  it('starts a command of the package with one of its subcommands', () => {
    const { bin } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
      bin: Record<string, string>;
    };
    const [command = ''] = JSON.parse(all('ENTRYPOINT').at(-1) ?? '') as string[];
    assert.ok(bin[command]);
    const [subcommand = ''] = JSON.parse(all('CMD').at(-1) ?? '') as string[];
    assert.ok(existsSync(path.join(ROOT, `src/cli/${subcommand}-command.ts`)));
  });

  it('installs the Debian packages that continuous integration tests with', () => {
    const ci = readFileSync(path.join(ROOT, '.ci/run'), 'utf8');
    const installed = /--no-install-recommends ([a-z0-9 -]+?) +&&/.exec(all('RUN').join('\n'))?.[1];
    const packages = installed?.split(' ') ?? [];
    assert.ok(packages.length > 0);
    for (const name of packages) assert.match(ci, new RegExp(`\\b${name}\\b`));
  });
});
