import { DataError } from '../base/errors.js';
import type { SafetensorsFile } from '../data/safetensors.js';

/** How people say which tensors of a file are the layers, where its names do not prove it. */
export interface StackChoices {
  /** Only tensors whose names begin so: one network of several in a file. */
  readonly prefix?: string;
  /** The linear layers, from the first to the last. */
  readonly layers?: readonly string[];
  /** What is applied between one layer and the next: one less than layers. */
  readonly activations?: readonly string[];
}

/** A linear layer as a file names it. */
export interface LinearShape {
  readonly stem: string;
  readonly rows: number;
  readonly columns: number;
  readonly hasBias: boolean;
}

/** One of a chain. */
export interface LinearLayer extends LinearShape {
  /** A batch normalization to fold into the layer: of its outputs, or of its inputs. */
  readonly norm: { readonly stem: string; readonly of: 'outputs' | 'inputs' } | null;
}

const BATCH_NORM = new Set([
  'weight',
  'bias',
  'running_mean',
  'running_var',
  'num_batches_tracked',
]);
const FLOATS = new Set(['F64', 'F32', 'F16', 'BF16']);
const ONE_BLOCK = /(^|\.|_)(res(idual)?|skip|shortcut|downsample|block)s?\d*(\.|_|$)/i;

/**
 * The linear layers of a network in the order in which data passes them. What the names and shapes
 * do not prove is refused: several networks in one file, an order that only the alphabet gives,
 * layers with nothing between them, residual connections, norms that cannot be folded.
 *
 * @throws DataError with the flag that says what is meant
 */
export function linearStack(weights: SafetensorsFile, choices: StackChoices): LinearLayer[] {
  return new Stack(weights, choices).layers();
}

class Stack {
  readonly #weights: SafetensorsFile;
  readonly #choices: StackChoices;
  /** Of the network: all in the file, or those that were chosen. */
  readonly #names: readonly string[];

  constructor(weights: SafetensorsFile, choices: StackChoices) {
    this.#weights = weights;
    this.#choices = choices;
    const { prefix = '', layers } = choices;
    this.#names = [...weights.entries.keys()].filter(
      (name) =>
        name.startsWith(prefix) &&
        (layers === undefined || layers.some((stem) => name.startsWith(`${stem}.`))),
    );
    if (this.#names.length === 0 && prefix !== '') this.#fail(`no tensor begins with ${prefix}`);
  }

  layers(): LinearLayer[] {
    const stems = this.#linearStems();
    const ordered = this.#choices.layers ?? this.#inOrder(stems);
    for (const stem of ordered) {
      if (!stems.includes(stem)) this.#fail(`${stem} is not a linear layer of it`);
    }
    this.#refuseAdjacent(ordered);
    const norms = this.#norms(ordered);
    const known = new Set([...ordered, ...norms.map(({ stem }) => stem)]);
    refuseStrangers(this.#weights, this.#names, known);
    if (ordered.length < 2) {
      this.#fail(
        `${ordered.length} linear ${ordered.length === 1 ? 'layer' : 'layers'}; needs two or more`,
      );
    }
    const { activations } = this.#choices;
    if (activations !== undefined && activations.length !== ordered.length - 1) {
      this.#fail(
        `${ordered.length} linear layers have ${ordered.length - 1} activations between them; ` +
          `--activations lists ${activations.length}`,
      );
    }
    const layers = ordered.map((stem, i) => ({
      ...linearShape(this.#weights, stem),
      norm: norms.find(({ layer }) => layer === i) ?? null,
    }));
    layers.reduce((before, layer) => {
      if (layer.columns !== before.rows) {
        this.#fail(
          `${layer.stem}.weight takes ${layer.columns} numbers, the layer before it gives ` +
            `${before.rows}; weights are [outputs, inputs], in the order of the layers`,
        );
      }
      return layer;
    });
    return layers;
  }

  #fail(what: string): never {
    fail(this.#weights, what);
  }

  /** Stems of the two-dimensional weights. */
  #linearStems(): string[] {
    const stems = this.#names
      .filter((name) => name.endsWith('.weight'))
      .map((name) => name.slice(0, -'.weight'.length))
      .filter((stem) => this.#weights.entry(`${stem}.weight`).shape.length === 2);
    const residual = stems.find((stem) => ONE_BLOCK.test(stem));
    if (residual !== undefined && this.#choices.layers === undefined) {
      this.#fail(
        `${residual} is named like a residual block, whose output is added to its input; blocks are ` +
          'read by the names input, blocks.0.up, blocks.0.down, …, head, and a chain of layers where ' +
          '--layers lists them in order',
      );
    }
    return stems;
  }

  /** @throws DataError unless names or shapes prove one order */
  #inOrder(stems: readonly string[]): string[] {
    const numbered = stems.map((stem) => /^(.*?)(\d+)$/.exec(stem));
    const groups = new Set(numbered.map((match) => match?.[1] ?? null));
    if (groups.size === 1 && !groups.has(null)) {
      const ordered = numbered
        .map((match) => ({ stem: match?.[0] ?? '', place: Number(match?.[2]) }))
        .toSorted((a, b) => a.place - b.place);
      return ordered.map(({ stem }) => stem);
    }
    return this.#byShapes(stems);
  }

  /** In a Sequential `0`, `1`; `fc1`, `fc2` are names of a program's own. */
  #refuseAdjacent(ordered: readonly string[]): void {
    if (this.#choices.activations !== undefined) return;
    const places = ordered.map((stem) => /^(.*\.|)(\d+)$/.exec(stem));
    if (places.some((place) => place === null || place[1] !== places[0]?.[1])) return;
    const found = places.findIndex(
      (place, i) => Number(places[i + 1]?.[2]) === Number(place?.[2]) + 1,
    );
    if (found < 0) return;
    this.#fail(
      `${ordered[found]} and ${ordered[found + 1]} follow one another with no place for an activation ` +
        'between them; where the program applies one, say what is between the layers: --activations ' +
        ordered
          .slice(1)
          .map(() => 'relu')
          .join(','),
    );
  }

  /** The only order in which each layer takes what the one before gives. */
  #byShapes(stems: readonly string[]): string[] {
    const shapes = stems.map((stem) => linearShape(this.#weights, stem));
    const found: string[][] = [];
    const extend = (chain: typeof shapes): void => {
      if (found.length > 1) return;
      if (chain.length === shapes.length) found.push(chain.map(({ stem }) => stem));
      for (const next of shapes) {
        if (chain.includes(next)) continue;
        const last = chain.at(-1);
        if (last === undefined || last.rows === next.columns) extend([...chain, next]);
      }
    };
    if (stems.length <= 64) extend([]);
    const [only, another] = found;
    if (only !== undefined && another === undefined) return only;
    const prefixes = stems.map((stem) => stem.slice(0, stem.indexOf('.') + 1));
    const shared = prefixes.find((own, i) => own !== '' && prefixes.indexOf(own, i + 1) > 0);
    const several = prefixes.some((own) => own !== shared);
    this.#fail(
      `the order of ${stems.slice(0, 6).join(', ')}${stems.length > 6 ? ', …' : ''} is not proven ` +
        `by names or shapes; ${shared !== undefined && several ? `--prefix ${shared} takes one network of the file, ` : ''}` +
        '--layers a,b,c says the order',
    );
  }

  /** Batch norms with their statistics, and the layer (its place) that each is folded into. */
  #norms(ordered: readonly string[]) {
    const stems = this.#names
      .filter((name) => name.endsWith('.running_var'))
      .map((name) => name.slice(0, -'.running_var'.length));
    return stems.map((stem) => {
      const place = (name: string) => Number(/(\d+)$/.exec(name)?.[1] ?? Number.NaN);
      const before = ordered.findIndex((layer) => place(layer) === place(stem) - 1);
      const after = ordered.findIndex((layer) => place(layer) === place(stem) + 1);
      if (before < 0 === after < 0) {
        this.#fail(`${stem} is a batch norm; it can be folded only beside one linear layer`);
      }
      return before >= 0
        ? { stem, layer: before, of: 'outputs' as const }
        : { stem, layer: after, of: 'inputs' as const };
    });
  }
}

/** Sizes of a linear layer. @throws DataError where its tensors are not those of one */
export function linearShape(weights: SafetensorsFile, stem: string): LinearShape {
  const { shape, dtype } = weights.entry(`${stem}.weight`);
  const [rows = 0, columns = 0] = shape;
  if (shape.length !== 2 || rows === 0 || columns === 0) {
    fail(
      weights,
      `${stem}.weight is [${shape}]; the weight of a linear layer is [outputs, inputs]`,
    );
  }
  const bias = weights.entries.get(`${stem}.bias`);
  for (const [name, type] of [
    ['weight', dtype],
    ['bias', bias?.dtype ?? 'F32'],
  ] as const) {
    if (FLOATS.has(type)) continue;
    fail(weights, `${stem}.${name} is ${type}; weights are floats: dequantize the model first`);
  }
  if (bias && bias.shape.join() !== String(rows)) {
    fail(
      weights,
      `${stem}.bias is [${bias.shape}], its layer gives ${rows}; weights are [outputs, inputs]`,
    );
  }
  return { stem, rows, columns, hasBias: bias !== undefined };
}

/**
 * Refuses tensors that belong to none of the layers and norms of a network.
 *
 * @param tensors names of all
 * @throws DataError with the first
 */
export function refuseStrangers(
  weights: SafetensorsFile,
  tensors: readonly string[],
  known: ReadonlySet<string>,
): void {
  // A bias says less than what it belongs to.
  const names = tensors.toSorted(
    (a, b) => Number(a.endsWith('.bias')) - Number(b.endsWith('.bias')),
  );
  const stranger = names.find((name) => {
    const stem = name.slice(0, name.lastIndexOf('.'));
    if (!known.has(stem)) return weights.entry(name).byteLength > 0;
    const part = name.slice(stem.length + 1);
    return part !== 'weight' && part !== 'bias' && !BATCH_NORM.has(part);
  });
  if (stranger === undefined) return;
  const stem = stranger.slice(0, Math.max(0, stranger.lastIndexOf('.')));
  const shape = weights.entries.get(`${stem}.weight`)?.shape ?? [];
  const isNorm = shape.length === 1 && (shape[0] ?? 0) > 1;
  fail(
    weights,
    isNorm
      ? `${stem} is a norm without statistics (LayerNorm, RMSNorm, or a batch norm saved without ` +
          'running_mean); it cannot be folded into a linear layer'
      : `${stranger} is not a weight or bias of a linear layer; only these can be compressed: ` +
          '--prefix or --layers leave it out where it is not part of the network',
  );
}

function fail(weights: SafetensorsFile, what: string): never {
  throw new DataError('compress', `${weights.path}: ${what}`);
}
