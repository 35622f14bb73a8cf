import { PbfWriter } from 'pbf';
import type { Scalar } from '../scalars.js';

/** A message `tensorflow.Event`, for people's `tensorboard`. */
export interface TensorboardEvent {
  /** Seconds since 1970. */
  readonly wallTimeS: number;
  readonly step: number;
  readonly what:
    | { readonly kind: 'version' }
    /** Later points than `step` that another file tells are void: a run was resumed. */
    | { readonly kind: 'restart' }
    | { readonly kind: 'scalars'; readonly scalars: readonly Scalar[] };
}

const SESSION_START = 1;

/**
 * The bytes of an `Event`: wall_time = 1 (double), step = 2 (int64), file_version = 3 (string),
 * summary = 5 with values = 1 of tag = 1 (string) and simple_value = 2 (float), session_log = 7
 * with status = 1.
 */
export function encodeEvent({ wallTimeS, step, what }: TensorboardEvent): Uint8Array {
  const writer = new PbfWriter();
  writer.writeDoubleField(1, wallTimeS);
  writer.writeVarintField(2, step);
  if (what.kind === 'version') writer.writeStringField(3, 'brain.Event:2');
  if (what.kind === 'restart') {
    writer.writeMessage(7, (status: number, log) => log.writeVarintField(1, status), SESSION_START);
  }
  if (what.kind === 'scalars') {
    writer.writeMessage(
      5,
      (scalars: readonly Scalar[], summary) => {
        for (const scalar of scalars) summary.writeMessage(1, writeValue, scalar);
      },
      what.scalars,
    );
  }
  return writer.finish();
}

function writeValue({ tag, value }: Scalar, writer: PbfWriter): void {
  writer.writeStringField(1, tag);
  writer.writeFloatField(2, value);
}
