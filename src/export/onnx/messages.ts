import { PbfWriter } from 'pbf';

/** A node of an ONNX graph. */
export interface OnnxNode {
  readonly operator: string;
  /** Default: ONNX's own. */
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** int64 attributes */
  readonly integers?: Readonly<Record<string, number>>;
  /** float32 attributes */
  readonly floats?: Readonly<Record<string, number>>;
  /** Attributes that are lists, of the element type that their names end with. */
  readonly lists?: Readonly<Record<string, readonly (string | number)[]>>;
}

/** A constant tensor of a graph, float32 or int64, whose numbers are read when they are written. */
export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Default `float32`. */
  readonly type?: 'float32' | 'int64';
  read(): Float32Array | BigInt64Array;
}

/** An input or output; a name stands for a size that is free. */
export interface OnnxValue {
  readonly name: string;
  /** Default float32. */
  readonly type?: 'text';
  readonly shape: readonly (number | string)[];
}

export interface OnnxGraph {
  readonly name: string;
  readonly description: string;
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly tensors: readonly OnnxTensor[];
}

/** Opset 17 with IR version 8: what ONNX Runtime reads since 1.13. */
const OPSET = 17;
const IR_VERSION = 8;
/** Of ai.onnx.ml, where a node is of it: what ONNX Runtime has had as long. */
const ML_OPSET = 3;
const FLOAT = 1;
const STRING = 8;
const FLOAT_ATTRIBUTE = 1;
const INT64 = 7;
const INT_ATTRIBUTE = 2;
const FLOATS_ATTRIBUTE = 6;
const INTS_ATTRIBUTE = 7;
const STRINGS_ATTRIBUTE = 8;

/**
 * The bytes of a ModelProto, by the field numbers of onnx.proto3
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3), in pieces: tensors are read one at a
 * time. `bytes` is the size of all pieces.
 */
export function encodeModel(
  graph: OnnxGraph,
  producerVersion: string,
): { readonly bytes: number; pieces(): Iterable<Uint8Array> } {
  const head = encode((pbf) => {
    pbf.writeVarintField(1, IR_VERSION);
    pbf.writeStringField(2, 'phantom-parallel');
    pbf.writeStringField(3, producerVersion);
    pbf.writeMessage(8, (_, opset) => opset.writeVarintField(2, OPSET), null);
    const domains = graph.nodes.flatMap(({ domain }) => (domain === undefined ? [] : [domain]));
    for (const domain of new Set(domains)) pbf.writeMessage(8, writeOpset, domain);
  });
  const body = encode((pbf) => writeGraphWithoutTensors(graph, pbf));
  const tensors = graph.tensors.map((tensor) => {
    const start = encode((pbf) => writeTensorStart(tensor, pbf));
    const bytes = start.length + numberBytes(tensor);
    const prefix = encode((pbf) => {
      pbf.writeVarint((5 << 3) | 2); // GraphProto.initializer
      pbf.writeVarint(bytes);
    });
    return { tensor, start: Buffer.concat([prefix, start]), bytes: prefix.length + bytes };
  });
  const graphBytes = tensors.reduce((sum, { bytes }) => sum + bytes, body.length);
  const prefix = encode((pbf) => {
    pbf.writeVarint((7 << 3) | 2); // ModelProto.graph
    pbf.writeVarint(graphBytes);
  });
  return {
    bytes: head.length + prefix.length + graphBytes,
    *pieces() {
      yield* [head, prefix, body];
      for (const { tensor, start } of tensors) {
        yield start;
        const { buffer, byteOffset, byteLength } = tensor.read();
        yield new Uint8Array(buffer, byteOffset, byteLength);
      }
    },
  };
}

function encode(write: (pbf: PbfWriter) => void): Uint8Array {
  const pbf = new PbfWriter();
  write(pbf);
  return Uint8Array.from(pbf.finish());
}

function writeGraphWithoutTensors(graph: OnnxGraph, pbf: PbfWriter): void {
  for (const node of graph.nodes) pbf.writeMessage(1, writeNode, node);
  pbf.writeStringField(2, graph.name);
  pbf.writeStringField(10, graph.description);
  for (const value of graph.inputs) pbf.writeMessage(11, writeValue, value);
  for (const value of graph.outputs) pbf.writeMessage(12, writeValue, value);
}

/** OperatorSetIdProto */
function writeOpset(domain: string, pbf: PbfWriter): void {
  pbf.writeStringField(1, domain);
  pbf.writeVarintField(2, ML_OPSET);
}

/** NodeProto */
function writeNode(node: OnnxNode, pbf: PbfWriter): void {
  const { operator, domain, inputs, outputs, integers = {}, floats = {}, lists = {} } = node;
  for (const input of inputs) pbf.writeStringField(1, input);
  for (const output of outputs) pbf.writeStringField(2, output);
  pbf.writeStringField(3, outputs[0] ?? operator);
  pbf.writeStringField(4, operator);
  for (const attribute of Object.entries(integers)) pbf.writeMessage(5, writeInteger, attribute);
  for (const attribute of Object.entries(floats)) pbf.writeMessage(5, writeFloat, attribute);
  for (const attribute of Object.entries(lists)) pbf.writeMessage(5, writeList, attribute);
  if (domain !== undefined) pbf.writeStringField(7, domain);
}

/** AttributeProto */
function writeFloat([name, value]: [string, number], pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  pbf.writeFloatField(2, value);
  pbf.writeVarintField(20, FLOAT_ATTRIBUTE);
}

/** AttributeProto */
function writeList([name, values]: [string, readonly (string | number)[]], pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  const isFloat = name.endsWith('floats');
  for (const value of values) {
    if (typeof value === 'string') pbf.writeStringField(9, value);
    else if (isFloat) pbf.writeFloatField(7, value);
    else pbf.writeVarintField(8, value);
  }
  const numbers = isFloat ? FLOATS_ATTRIBUTE : INTS_ATTRIBUTE;
  pbf.writeVarintField(20, name.endsWith('strings') ? STRINGS_ATTRIBUTE : numbers);
}

/** AttributeProto */
function writeInteger([name, value]: [string, number], pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  pbf.writeVarintField(3, value);
  pbf.writeVarintField(20, INT_ATTRIBUTE);
}

/** ValueInfoProto, TypeProto, TypeProto.Tensor, TensorShapeProto, Dimension */
function writeValue({ name, shape, type }: OnnxValue, pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  const writeDimension = (dimension: number | string, to: PbfWriter) => {
    if (typeof dimension === 'number') to.writeVarintField(1, dimension);
    else to.writeStringField(2, dimension);
  };
  const writeShape = (_: null, to: PbfWriter) => {
    for (const dimension of shape) to.writeMessage(1, writeDimension, dimension);
  };
  const writeTensorType = (_: null, to: PbfWriter) => {
    to.writeVarintField(1, type === 'text' ? STRING : FLOAT);
    to.writeMessage(2, writeShape, null);
  };
  pbf.writeMessage(2, (_: null, to: PbfWriter) => to.writeMessage(1, writeTensorType, null), null);
}

/** TensorProto up to its numbers: `raw_data` begins where this ends. */
function writeTensorStart(tensor: OnnxTensor, pbf: PbfWriter): void {
  const { name, shape, type } = tensor;
  pbf.writePackedVarint(1, [...shape]);
  pbf.writeVarintField(2, type === 'int64' ? INT64 : FLOAT);
  pbf.writeStringField(8, name);
  pbf.writeVarint((9 << 3) | 2);
  pbf.writeVarint(numberBytes(tensor));
}

function numberBytes({ shape, type }: OnnxTensor): number {
  return shape.reduce((product, length) => product * length, type === 'int64' ? 8 : 4);
}
