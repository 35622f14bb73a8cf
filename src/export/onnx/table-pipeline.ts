import { isPlainNumber, MISSING_IN_CASES } from '../../data/tables/cells.js';
import {
  binsOf,
  classNames,
  type FeatureColumn,
  type TableSchema,
  widthOf,
} from '../../data/tables/schema.js';
import type { OnnxGraph, OnnxValue } from './messages.js';
import { GraphBuilder } from './network-graph.js';

/** TensorProto.FLOAT */
const FLOAT = 1;
const ML = 'ai.onnx.ml';

/**
 * A graph `x` [batch, features] → `y` between the columns of a table and its words:
 *
 * | input, of each column | type [batch, 1] |
 * |---|---|
 * | number, boolean, category named by numbers | float32; NaN is a gap |
 * | category | text, without blanks around it; an empty one or a usual spelling is a gap |
 *
 * Outputs: `y`, and of a classifier `label` (text [batch]) and `probabilities` [batch, classes];
 * else one of each name [batch, 1], the columns of `y`. A name that is taken gets a `_` at its end.
 *
 * @param names of the outputs that are no classes
 */
export function withTable(
  network: OnnxGraph,
  schema: TableSchema,
  names: readonly string[],
): OnnxGraph {
  const columns = new Set(schema.features.map(({ name }) => name));
  const inner = apart(network, columns);
  const [x] = inner.inputs as [OnnxValue];
  const [y] = inner.outputs as [OnnxValue];
  const encoder = new GraphBuilder();
  const features = new Encoder(encoder, columns);
  const parts = schema.features.map((column, i) => features.column(column, `column.${i}`));
  encoder.node('Concat', parts.flat(), x.name, { axis: 1 });
  const decoder = new GraphBuilder();
  const outputs = [y];
  const classes = classNames(schema);
  if (classes !== null) {
    const p = free('probabilities', columns);
    const label = free('label', columns);
    decoder.node('Softmax', [y.name], p, { axis: 1 });
    decoder.node('ArgMax', [y.name], 'class.place', { axis: 1, keepdims: 0 });
    decoder.nodes.push({
      operator: 'LabelEncoder',
      domain: ML,
      inputs: ['class.place'],
      outputs: [label],
      lists: { keys_int64s: classes.map((_, place) => place), values_strings: classes },
    });
    outputs.push({ name: p, shape: ['batch', classes.length] });
    outputs.push({ name: label, shape: ['batch'], type: 'text' });
  }
  if (classes === null) outputs.push(...named(decoder, y.name, names, namesIn(inner, columns)));
  const targets = schema.targets.map(({ name }) => name).join(', ');
  return {
    name: inner.name,
    description: `${inner.description} Inputs are the columns of a table; it predicts ${targets}.`,
    nodes: [...encoder.nodes, ...inner.nodes, ...decoder.nodes],
    tensors: [...encoder.tensors, ...inner.tensors, ...decoder.tensors],
    inputs: schema.features.map((column): OnnxValue => ({
      name: column.name,
      shape: ['batch', 1],
      ...(isText(column) ? { type: 'text' } : {}),
    })),
    outputs,
  };
}

/** Adds an output for each column of y; a single one of its name is there already. */
function named(
  decoder: GraphBuilder,
  y: string,
  names: readonly string[],
  taken: Set<string>,
): OnnxValue[] {
  const [only] = names;
  if (names.length === 1 && only === y) return [];
  const own = names.map((name) => {
    const fitting = free(name, taken);
    taken.add(fitting);
    return fitting;
  });
  const operator = names.length === 1 ? 'Identity' : 'Split';
  const integers = names.length === 1 ? {} : { integers: { axis: 1 } };
  decoder.nodes.push({ operator, inputs: [y], outputs: own, ...integers });
  return own.map((name) => ({ name, shape: ['batch', 1] }));
}

function namesIn(graph: OnnxGraph, columns: ReadonlySet<string>): Set<string> {
  const values = [...graph.inputs, ...graph.tensors].map(({ name }) => name);
  return new Set([...columns, ...values, ...graph.nodes.flatMap(({ outputs }) => outputs)]);
}

function isText(column: FeatureColumn): boolean {
  return column.kind === 'category' && !column.values.every(isPlainNumber);
}

/** Adds nodes that turn columns into features. */
class Encoder {
  readonly #graph: GraphBuilder;
  readonly #taken: ReadonlySet<string>;

  constructor(graph: GraphBuilder, taken: ReadonlySet<string>) {
    this.#graph = graph;
    this.#taken = taken;
  }

  /** @param stem of the names of what is made */
  column(column: FeatureColumn, stem: string): string[] {
    const name = (what: string) => free(`${stem}.${what}`, this.#taken);
    if (column.kind !== 'category') {
      const gap = this.#graph.node('IsNaN', [column.name], name('gap'));
      const median = column.kind === 'number' ? column.median : 0;
      const filler = this.#constant(name('filler'), [], [median]);
      const filled = this.#graph.node('Where', [gap, filler, column.name], name('filled'));
      const feature = this.#binned(column, filled, name);
      if (!column.gaps) return [feature];
      return [feature, this.#graph.node('Cast', [gap], name('missing'), { to: FLOAT })];
    }
    const { values, gaps } = column;
    if (!isText(column)) {
      const known = this.#constant(name('values'), [1, values.length], values.map(Number));
      const equal = this.#graph.node('Equal', [column.name, known], name('equal'));
      const places = this.#graph.node('Cast', [equal], name('places'), { to: FLOAT });
      if (!gaps) return [places];
      const gap = this.#graph.node('IsNaN', [column.name], name('gap'));
      return [places, this.#graph.node('Cast', [gap], name('missing'), { to: FLOAT })];
    }
    const keys = new Map<string, number>();
    for (const gap of gaps ? MISSING_IN_CASES : []) keys.set(gap, values.length);
    const areBooleans = values.join() === 'false,true';
    for (const [place, value] of values.entries()) {
      keys.set(value, place);
      if (!areBooleans) continue;
      keys
        .set(value.toUpperCase(), place)
        .set(value.charAt(0).toUpperCase() + value.slice(1), place);
    }
    const place = name('place');
    this.#graph.nodes.push({
      operator: 'LabelEncoder',
      domain: ML,
      inputs: [column.name],
      outputs: [place],
      lists: { keys_strings: [...keys.keys()], values_floats: [...keys.values()] },
      floats: { default_float: -1 },
    });
    const width = widthOf(column);
    const all = Array.from({ length: width }, (_, i) => i);
    const equal = this.#graph.node(
      'Equal',
      [place, this.#constant(name('all'), [1, width], all)],
      name('equal'),
    );
    return [this.#graph.node('Cast', [equal], name('places'), { to: FLOAT })];
  }

  /** A number in the bins that its column has; else as it is. */
  #binned(column: FeatureColumn, value: string, name: (what: string) => string): string {
    const bins = binsOf(column);
    if (bins === null) return value;
    const row = (what: string, of: readonly number[]) =>
      this.#constant(name(what), [1, bins.length], of);
    const from = row(
      'from',
      bins.map((bin) => bin.from),
    );
    const above = this.#graph.node('Sub', [value, from], name('above'));
    const size = row(
      'size',
      bins.map((bin) => bin.size),
    );
    const share = this.#graph.node('Div', [above, size], name('share'));
    const least = row(
      'least',
      bins.map((bin) => bin.least),
    );
    const raised = this.#graph.node('Max', [share, least], name('raised'));
    const most = row(
      'most',
      bins.map((bin) => bin.most),
    );
    return this.#graph.node('Min', [raised, most], name('bins'));
  }

  #constant(name: string, shape: readonly number[], values: readonly number[]): string {
    return this.#graph.tensor({ name, shape, read: () => Float32Array.from(values) });
  }
}

function free(name: string, taken: ReadonlySet<string>): string {
  return taken.has(name) ? free(`${name}_`, taken) : name;
}

/** A graph none of whose names is one of those. */
function apart(graph: OnnxGraph, taken: ReadonlySet<string>): OnnxGraph {
  const rename = (name: string) => free(name, taken);
  const value = (each: OnnxValue): OnnxValue => ({ ...each, name: rename(each.name) });
  return {
    ...graph,
    nodes: graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
    })),
    tensors: graph.tensors.map((tensor) => ({ ...tensor, name: rename(tensor.name) })),
    inputs: graph.inputs.map(value),
    outputs: graph.outputs.map(value),
  };
}
