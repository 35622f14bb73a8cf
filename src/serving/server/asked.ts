import type { OutputSource } from '../../models/outputs.js';
import type { NamedColumns } from '../../data/tables/encode-rows.js';
import type { RowsRequest } from './batcher.js';
import type { BodySink } from './body.js';
import type { LABEL, OUTPUT } from './protocol-names.js';
import type { EncodedAnswer } from './sending.js';

/** An output that is asked for. */
export interface AskedOutput {
  readonly name: typeof OUTPUT | typeof LABEL;
  /** Whether it follows the JSON as bytes. */
  readonly binary: boolean;
}

/** An inference request, understood. */
export interface InferRequest extends Pick<RowsRequest, 'rows' | 'fill'> {
  readonly id: string | null;
  /** Ghosts in use; undefined: the request leaves it to the model. */
  readonly ghosts: number | undefined;
  readonly outputs: readonly AskedOutput[];
  /** What the client should know of its columns. */
  readonly notes: readonly string[];
}

/** What a request is read for. */
export interface RequestedModel {
  /** Of a row. */
  readonly features: number;
  readonly mostGhosts: number;
  /** Of the table that it was trained on; null: it was none. */
  readonly columns: NamedColumns | null;
  /** What its outputs are. */
  readonly source: OutputSource;
}

export interface InferAnswer {
  readonly model: string;
  readonly version: string;
  /** That were in use; 0: the model has none. */
  readonly ghosts: number;
  /** [rows, outputs] */
  readonly y: Float32Array;
}

/** A model that answers, as requests see it. */
export interface AnsweringModel extends RequestedModel {
  readonly outputs: number;
  /** Of requests that ask for no number of them. */
  readonly ghosts: number;
}

/** A request that has arrived. */
export interface Asked extends Pick<RowsRequest, 'rows' | 'fill'> {
  readonly ghosts: number | undefined;
  /** Of its answer, at most. */
  readonly mostBytes: number;
  encode(answer: InferAnswer): EncodedAnswer;
}

/** How the body of one kind of request is read. */
export interface AskedBody extends BodySink {
  /** After its last byte. @throws ProtocolError */
  asked(model: AnsweringModel): Asked | Promise<Asked>;
}
