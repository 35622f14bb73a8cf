import { DataError } from '../../base/errors.js';
import type { Batch, BatchReader } from './batches.js';
import { type BatchSchedule, columnsPerBatch, ScheduleCursor } from './batch-schedule.js';

/*
 * A ring of slots in shared memory: one loader fills them in turn, R consumers read every one. A
 * slot is filled again when all consumers are past it. Counts are int32 and compared by their
 * difference, so that they may wrap.
 *
 * Waiting never misses a wake-up: whoever waits reads the bell first, then checks what it waits
 * for, then sleeps only if the bell has not rung since.
 */

/** What a rank needs to read the batches. Plain data: can be posted to a thread. */
export interface LoaderHandle {
  readonly control: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  readonly slotCount: number;
  readonly consumers: number;
  readonly features: number;
  /** Rows of `Batch.y`. */
  readonly answerRows: number;
  readonly schedule: BatchSchedule;
  /** Longest wait for one batch. */
  readonly timeoutS: number;
}

const STATE = 0;
/** Rung when a batch is ready or loading failed. */
const READY_BELL = 1;
/** Rung when a consumer lets go of a slot, or the ring is closed. */
const FREE_BELL = 2;
/** Batches filled since the start. */
const FILLED = 3;
const MESSAGE_BYTES = 4;
/** From here on, one count a consumer: batches it is done with. */
const RELEASED = 5;

const RUNNING = 0;
const FAILED = 1;
const CLOSED = 2;

const MAX_MESSAGE_BYTES = 2000;

/** @throws DataError when the memory for the slots is not there. */
export function createRing(shape: Omit<LoaderHandle, 'control' | 'slots'>): LoaderHandle {
  const { slotCount, consumers, schedule, features, answerRows } = shape;
  const floats = columnsPerBatch(schedule) * (features + answerRows) * slotCount;
  try {
    const control = new SharedArrayBuffer(4 * (RELEASED + consumers) + MAX_MESSAGE_BYTES);
    return { ...shape, control, slots: new SharedArrayBuffer(4 * floats) };
  } catch (cause) {
    throw new DataError(
      'batches',
      `${slotCount} slots of ${4 * (floats / slotCount)} bytes cannot be allocated; ` +
        'use a smaller batch or more micro-batches',
      { cause },
    );
  }
}

/** Shared storage of one slot, viewed once. */
interface Slot {
  readonly x: Float32Array;
  readonly y: Float32Array;
}

function viewSlots(handle: LoaderHandle): Slot[] {
  const columns = columnsPerBatch(handle.schedule);
  const xLength = handle.features * columns;
  const yLength = handle.answerRows * columns;
  return Array.from({ length: handle.slotCount }, (_, index) => {
    const offset = 4 * index * (xLength + yLength);
    return {
      x: new Float32Array(handle.slots, offset, xLength),
      y: new Float32Array(handle.slots, offset + 4 * xLength, yLength),
    };
  });
}

/** The loader's end. */
export class RingWriter {
  private readonly control: Int32Array;
  private readonly slots: readonly Slot[];
  private readonly consumers: number;
  private filled = 0;

  constructor(handle: LoaderHandle) {
    this.control = controlWords(handle);
    this.slots = viewSlots(handle);
    this.consumers = handle.consumers;
  }

  /** The slot of the next batch, waiting until all consumers are past it; null once closed. */
  acquire(): Slot | null {
    const { control } = this;
    for (;;) {
      const bell = Atomics.load(control, FREE_BELL);
      if (Atomics.load(control, STATE) !== RUNNING) return null;
      if (this.filled - this.slowestConsumer() < this.slots.length) {
        return this.slots[this.filled % this.slots.length] as Slot;
      }
      Atomics.wait(control, FREE_BELL, bell);
    }
  }

  /** Hands the acquired slot to the consumers. */
  publish(): void {
    this.filled++;
    Atomics.store(this.control, FILLED, this.filled | 0);
    ring(this.control, READY_BELL);
  }

  /** Batches that the slowest consumer is done with. */
  private slowestConsumer(): number {
    let held = 0;
    for (let consumer = 0; consumer < this.consumers; consumer++) {
      const released = Atomics.load(this.control, RELEASED + consumer);
      held = Math.max(held, (this.filled - released) | 0);
    }
    return this.filled - held;
  }
}

/** A rank's end. */
export class RingReader implements BatchReader {
  private readonly handle: LoaderHandle;
  private readonly control: Int32Array;
  private readonly slots: readonly Slot[];
  private readonly cursor: ScheduleCursor;
  private readonly consumer: number;
  private readonly batch: { -readonly [K in keyof Batch]: Batch[K] };
  private read = 0;
  private ended = false;

  /** @param consumer 0 … consumers − 1; each number is used by one reader. */
  constructor(handle: LoaderHandle, consumer: number) {
    if (!Number.isInteger(consumer) || consumer < 0 || consumer >= handle.consumers) {
      throw new RangeError(`consumer ${consumer} of ${handle.consumers}`);
    }
    this.handle = handle;
    this.control = controlWords(handle);
    this.slots = viewSlots(handle);
    this.cursor = new ScheduleCursor(handle.schedule);
    this.consumer = consumer;
    const columns = columnsPerBatch(handle.schedule);
    const { kind, step, index } = this.cursor;
    const none = new Float32Array();
    this.batch = {
      kind,
      step,
      index,
      microBatch: 0,
      columns,
      validColumns: columns,
      x: none,
      y: none,
    };
  }

  next(): Batch | null {
    if (this.ended) return null;
    if (this.read > 0) this.release();
    if (!this.cursor.advance()) {
      this.ended = true;
      return null;
    }
    this.waitForBatch();
    const { batch, cursor } = this;
    const slot = this.slots[this.read % this.slots.length] as Slot;
    this.read++;
    batch.kind = cursor.kind;
    batch.step = cursor.step;
    batch.microBatch = cursor.microBatch;
    batch.index = cursor.index;
    batch.validColumns = cursor.validColumns;
    batch.x = slot.x;
    batch.y = slot.y;
    return batch;
  }

  private release(): void {
    Atomics.store(this.control, RELEASED + this.consumer, this.read | 0);
    ring(this.control, FREE_BELL);
  }

  private waitForBatch(): void {
    const { control } = this;
    for (;;) {
      const bell = Atomics.load(control, READY_BELL);
      if (((Atomics.load(control, FILLED) - this.read) | 0) > 0) return;
      const state = Atomics.load(control, STATE);
      if (state === FAILED) throw new DataError('batches', `loading failed: ${message(control)}`);
      if (state === CLOSED) throw new DataError('batches', 'the loader was closed before the end');
      const timeoutMs = 1000 * this.handle.timeoutS;
      if (Atomics.wait(control, READY_BELL, bell, timeoutMs) === 'timed-out') {
        const { kind, step } = this.cursor;
        throw new DataError(
          'batches',
          `no ${kind} batch for step ${step} within ${this.handle.timeoutS} s; ` +
            'the loader is too slow or another rank does not take its batches',
        );
      }
    }
  }
}

/** Tells all ends that loading failed; the first message is kept. */
export function failRing(handle: LoaderHandle, what: string): void {
  const control = controlWords(handle);
  const area = messageArea(control);
  // Written before the state that makes readers look at it; only the loader or, after the
  // loader's end, its owner writes.
  if (Atomics.load(control, STATE) !== RUNNING) return;
  const text = new Uint8Array(MAX_MESSAGE_BYTES);
  // encodeInto refuses shared memory, and cuts between characters.
  const { written } = new TextEncoder().encodeInto(what, text);
  area.set(text);
  Atomics.store(control, MESSAGE_BYTES, written);
  endRing(control, FAILED);
}

/** Ends the loader, and the readers that still wait. */
export function closeRing(handle: LoaderHandle): void {
  endRing(controlWords(handle), CLOSED);
}

function endRing(control: Int32Array, state: number): void {
  Atomics.compareExchange(control, STATE, RUNNING, state);
  ring(control, READY_BELL);
  ring(control, FREE_BELL);
}

function ring(control: Int32Array, bell: number): void {
  Atomics.add(control, bell, 1);
  Atomics.notify(control, bell);
}

function controlWords({ control, consumers }: LoaderHandle): Int32Array {
  return new Int32Array(control, 0, RELEASED + consumers);
}

function messageArea(control: Int32Array): Uint8Array {
  return new Uint8Array(control.buffer, control.byteLength, MAX_MESSAGE_BYTES);
}

function message(control: Int32Array): string {
  const bytes = messageArea(control).slice(0, Atomics.load(control, MESSAGE_BYTES));
  return new TextDecoder().decode(bytes);
}
