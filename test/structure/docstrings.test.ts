import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../../../dist/', import.meta.url));

/** What the package's doors export, as the compiler declares it: comments are there, bodies are not. */
const doors = (readdirSync(path.join(DIST, 'doors')) as string[])
  .filter((file) => file.endsWith('.d.ts'))
  .map((file) => `doors/${file}`)
  .concat('index.d.ts');

interface Declared {
  readonly where: string;
  readonly isDocumented: boolean;
  /** Names of what it extends and implements, whose docstrings are its own. */
  readonly parents: readonly string[];
  readonly documented: ReadonlySet<string>;
  /** Methods and accessors without a docstring. */
  readonly bare: readonly string[];
}

const texts = new Map<string, string>();
function read(file: string): string {
  const text = texts.get(file) ?? readFileSync(path.join(DIST, file), 'utf8');
  texts.set(file, text);
  return text;
}

const REEXPORT = /^export (?:type )?(\*|\{[^}]*\}) from '([^']+)\.js';$/gm;
const KINDS = '(?:declare )?(?:abstract )?(class|interface|type|function|const)';

/** Names that a file exports from others, with the file. */
function exported(file: string): [name: string, from: string][] {
  return [...read(file).matchAll(REEXPORT)].flatMap(([, list = '', specifier = '']) => {
    const from = `${path.posix.join(path.posix.dirname(file), specifier)}.d.ts`;
    const names =
      list === '*'
        ? [...read(from).matchAll(new RegExp(`^export ${KINDS} (\\w+)`, 'gm'))].map((m) => m[2])
        : list
            .slice(1, -1)
            .split(',')
            .map((name) => name.replace('type ', '').trim());
    return names.filter((name) => name !== '').map((name): [string, string] => [name, from]);
  });
}

function declared(name: string, file: string): Declared {
  const text = read(file);
  const found = new RegExp(`^export ${KINDS} ${name}\\b`, 'm').exec(text);
  if (found === null) {
    const [, from] = exported(file).find(([each]) => each === name) ?? [];
    assert.ok(from, `${name} is not in ${file}`);
    return declared(name, from);
  }
  const isDocumented = text.slice(0, found.index).trimEnd().endsWith('*/');
  const none = { where: `${file}: ${name}`, isDocumented, parents: [], bare: [] };
  if (found[1] !== 'class' && found[1] !== 'interface') return { ...none, documented: new Set() };
  const start = text.indexOf('{', found.index);
  const parents = text
    .slice(found.index, start)
    .replaceAll(/<[^<>]*>/g, '')
    .split(/extends|implements|,/)
    .slice(1)
    .map((parent) => parent.trim());
  return { ...none, parents, ...members(text.slice(start + 1, text.indexOf('\n}', start))) };
}

/** Members at the first level of a body, which is indented by four. */
function members(body: string): Pick<Declared, 'documented' | 'bare'> {
  const documented = new Set<string>();
  const bare: string[] = [];
  const pattern =
    /^ {4}(\/\*\*(?:(?!\*\/)[^])*\*\/\n {4})?(?!private|protected|#|\/)((?:abstract |static |readonly |get |set )*)(\w+)\??([<(:])/gm;
  for (const [, comment, words = '', name = '', after] of body.matchAll(pattern)) {
    const isCalled = after !== ':' || /[gs]et /.test(words);
    if (comment !== undefined) documented.add(name);
    else if (isCalled && name !== 'constructor') bare.push(name);
  }
  return { documented, bare: bare.filter((name) => !documented.has(name)) };
}

const all = new Map<string, Declared>();
for (const door of doors) {
  for (const [name, from] of exported(door)) all.set(name, declared(name, from));
}

function inherits({ parents }: Declared, member: string): boolean {
  return parents.some((parent) => {
    const found = all.get(parent);
    return found !== undefined && (found.documented.has(member) || inherits(found, member));
  });
}

describe('what the package exports', () => {
  it('is looked through member by member', () => {
    const found = members(
      '\n    /** Own. */\n    private a;\n    b(): void;\n    /** Of c. */\n    c(): void;',
    );
    assert.deepEqual(found, { documented: new Set(['c']), bare: ['b'] });
  });

  it('has a docstring for each name', () => {
    assert.ok(all.size > 300, `${all.size} names`);
    const without = [...all.values()].filter(({ isDocumented }) => !isDocumented);
    assert.deepEqual(
      without.map(({ where }) => where),
      [],
    );
  });

  it('has a docstring for each method, of its own or of what it implements', () => {
    const without = [...all.values()].flatMap((each) =>
      each.bare.filter((name) => !inherits(each, name)).map((name) => `${each.where}.${name}`),
    );
    assert.deepEqual(without, []);
    const methods = [...all.values()].flatMap(({ documented }) => [...documented]);
    assert.ok(methods.length > 300, `${methods.length} members with a docstring`);
  });
});
