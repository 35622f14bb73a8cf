import { NamedColumns } from '../../data/tables/encode-rows.js';
import type { LoadedModel } from '../loaded-model.js';
import type { AnsweringModel } from './asked.js';
import {
  type Answer,
  type AskersConnection,
  type BatchEvent,
  Batcher,
  type BatcherLimits,
  type RowsRequest,
} from './batcher.js';
import type { Log } from './log.js';
import { ProtocolError } from './protocol-error.js';

/** How long after a second failure of its ranks a model is loaded again; twice that after the next. */
const FIRST_RETRY_MS = 5000;
const LAST_RETRY_MS = 60_000;
/** Loads and unloads that may wait for one another. */
const MOST_CHANGES = 8;
/** A batch takes longer than this and than the longest time to an answer: its ranks are stuck. */
const LEAST_STALL_MS = 5000;
const WATCH_MS = 500;

export interface ServedModelOptions {
  readonly name: string;
  /** Loads what is newest at the model's path. */
  readonly load: (signal: AbortSignal) => Promise<LoadedModel>;
  /** Names what is newest there, without loading it. */
  readonly newest: () => string;
  readonly limits: BatcherLimits;
  readonly onBatch: (event: BatchEvent) => void;
  readonly log: Log;
}

interface Generation {
  readonly model: LoadedModel;
  readonly batcher: Batcher;
  readonly answering: AnsweringModel;
}

/**
 * A model under a name. Loading it again starts the new ranks beside the old ones; requests go to
 * the new ones from the moment they are ready, and the old ones end when they have answered theirs.
 * Ranks that fail or get stuck are replaced in the same way.
 */
export class ServedModel {
  readonly name: string;
  readonly #options: ServedModelOptions;
  #current: Generation | null = null;
  /** Why there is none. */
  #reason = 'it has not been loaded yet';
  /** Loads and unloads, one after another. */
  #changes: Promise<unknown> = Promise.resolve();
  #waitingChanges = 0;
  /** A load that has not begun: it serves all who ask for one meanwhile. */
  #nextLoad: Promise<void> | null = null;
  /** Generations that have not ended. */
  readonly #generations = new Map<LoadedModel, Promise<void>>();
  /** Fires when everything has to end at once. */
  readonly #cut = new AbortController();
  #retryMs = 0;
  #loadedMs = 0;
  readonly #stuck = new WeakSet<LoadedModel>();
  #retry: NodeJS.Timeout | null = null;
  #closed = false;
  readonly #watch: NodeJS.Timeout;

  constructor(options: ServedModelOptions) {
    this.name = options.name;
    this.#options = options;
    this.#watch = setInterval(() => this.#endStuck(), WATCH_MS);
    this.#watch.unref();
  }

  get ready(): boolean {
    return this.#current !== null;
  }
  get reason(): string {
    return this.ready ? '' : this.#reason;
  }
  get queuedRows(): number {
    return this.#current?.batcher.queuedRows ?? 0;
  }

  /** The step of its checkpoint; 1 for a model that has none. */
  static versionOf({ source }: LoadedModel): string {
    return String(source.step ?? 1);
  }

  /**
   * What answers now.
   *
   * @param version as asked for; null: whatever is newest
   * @throws ProtocolError when there is none, or another version
   */
  current(version: string | null): LoadedModel {
    return this.#generation(version).model;
  }

  /** The same, as requests see it. @throws ProtocolError as `current` does */
  answering(version: string | null): AnsweringModel {
    return this.#generation(version).answering;
  }

  async infer(
    request: RowsRequest,
    version: string | null,
    connection: AskersConnection,
  ): Promise<Answer & { readonly version: string }> {
    const { model, batcher } = this.#generation(version);
    const answer = await batcher.submit(request, connection);
    return { ...answer, version: ServedModel.versionOf(model) };
  }

  /**
   * Loads it, or loads it again. Calls that come before a load has begun share it.
   *
   * @throws what loading it threw; what was loaded before stays
   */
  load(): Promise<void> {
    this.#nextLoad ??= this.#change(() => {
      this.#nextLoad = null;
      return this.#load();
    });
    return this.#nextLoad;
  }

  /** Loads it if something newer is at its path. */
  async refresh(): Promise<void> {
    const { log, newest } = this.#options;
    try {
      if (newest() !== this.#current?.model.source.weights) await this.load();
    } catch (error) {
      log.error({ model: this.name, error: (error as Error).message }, 'model not loaded');
    }
  }

  unload(reason = 'it has been unloaded'): Promise<void> {
    // A load that is asked for later is another one.
    this.#nextLoad = null;
    return this.#change(() => {
      this.#reason = reason;
      if (this.#current !== null) this.#end(this.#current);
      this.#current = null;
    });
  }

  /**
   * Answers what has been asked, and ends every rank.
   *
   * @param withinMs then they are ended as they are, and what is being loaded too
   */
  async close(withinMs: number): Promise<void> {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    const cut = setTimeout(() => {
      this.#cut.abort();
      for (const model of this.#generations.keys()) {
        model.session.abort('the server is shutting down');
      }
    }, withinMs);
    await this.unload('the server is shutting down');
    await Promise.all(this.#generations.values());
    clearTimeout(cut);
    clearInterval(this.#watch);
  }

  #change(work: () => void | Promise<void>): Promise<void> {
    if (this.#waitingChanges >= MOST_CHANGES && !this.#closed) {
      const what = `${MOST_CHANGES} loads and unloads of ${this.name} wait already; try again`;
      return Promise.reject(new ProtocolError('unavailable', what));
    }
    this.#waitingChanges++;
    const done = this.#inTurn(this.#changes, work);
    this.#changes = done.catch(() => {});
    return done;
  }

  async #inTurn(before: Promise<unknown>, work: () => void | Promise<void>): Promise<void> {
    await before;
    this.#waitingChanges--;
    await work();
  }

  async #load(): Promise<void> {
    const { limits, onBatch, log, load } = this.#options;
    if (this.#closed) throw new ProtocolError('unavailable', 'the server is shutting down');
    const model = await this.#unlessCut(load(this.#cut.signal));
    const old = this.#current;
    this.#loadedMs = performance.now();
    const { source, ranks, engine, features, outputs, ghosts, mostGhosts } = model;
    const columns = source.schema === null ? null : new NamedColumns(source.schema);
    const answering = { features, outputs, ghosts, mostGhosts, columns, source };
    this.#current = { model, batcher: new Batcher(model, limits, onBatch), answering };
    const what = { model: this.name, version: ServedModel.versionOf(model) };
    const of = source.standing === null ? {} : { checkpoint: source.standing };
    log.info({ ...what, path: source.weights, ...of, ranks, engine }, 'model loaded');
    this.#generations.set(model, this.#follow(model));
    if (old !== null) this.#end(old);
  }

  /** What is being loaded; it is left to end by itself when the server has to end at once. */
  async #unlessCut(loading: Promise<LoadedModel>): Promise<LoadedModel> {
    const { signal } = this.#cut;
    let cut: () => void = () => {};
    const cutting = new Promise<never>((_, reject) => {
      cut = () => reject(new ProtocolError('unavailable', 'the server is shutting down'));
      if (signal.aborted) cut();
      signal.addEventListener('abort', cut);
    });
    try {
      return await Promise.race([loading, cutting]);
    } catch (error) {
      if (signal.aborted) {
        loading.then((model) => model.session.abort('the server has ended')).catch(() => {});
      }
      throw error;
    } finally {
      signal.removeEventListener('abort', cut);
    }
  }

  #generation(version: string | null): Generation {
    if (this.#current === null) {
      throw new ProtocolError('unavailable', `model ${this.name} is not ready: ${this.#reason}`);
    }
    const loaded = ServedModel.versionOf(this.#current.model);
    if (version === null || version === loaded) return this.#current;
    throw new ProtocolError(
      'not_found',
      `model ${this.name} has version ${loaded} and not ${version.slice(0, 40)}`,
    );
  }

  #end({ model, batcher }: Generation): void {
    void batcher
      .drain()
      .then(() => model.close())
      .catch((error: unknown) => model.session.abort((error as Error).message));
  }

  /** Ends ranks that have had a batch for longer than anybody waits for an answer. */
  #endStuck(): void {
    const { limits, log } = this.#options;
    for (const model of this.#generations.keys()) {
      const { stall } = model.session;
      if (stall === null || stall.forMs < Math.max(LEAST_STALL_MS, limits.timeoutMs)) continue;
      if (this.#stuck.has(model)) continue;
      this.#stuck.add(model);
      const ranks = stall.ranks.length === 1 ? 'rank' : 'ranks';
      const forS = (stall.forMs / 1000).toFixed(1);
      const what = `stuck ${ranks} ${stall.ranks.join(', ')}: a batch has no answer after ${forS} s`;
      log.error({ model: this.name, ranks: stall.ranks, stuckMs: stall.forMs }, what);
      this.#replace(model, what);
      model.session.abort(what);
    }
  }

  /** When its ranks end, and nobody asked for that, they are started again. */
  async #follow(model: LoadedModel): Promise<void> {
    await model.session.ended;
    this.#generations.delete(model);
    if (this.#current?.model !== model || this.#closed) return;
    this.#replace(model, model.session.failure?.message ?? 'unknown');
  }

  #replace(model: LoadedModel, why: string): void {
    const { log } = this.#options;
    if (this.#current?.model !== model) return;
    this.#current = null;
    this.#reason = `its ranks have failed: ${why}`;
    log.error({ model: this.name, error: why }, 'model failed');
    if (performance.now() - this.#loadedMs > LAST_RETRY_MS) this.#retryMs = 0;
    const again = () => {
      const waitMs = this.#retryMs;
      this.#retryMs = Math.min(LAST_RETRY_MS, Math.max(FIRST_RETRY_MS, 2 * waitMs));
      this.#retry = setTimeout(() => {
        if (this.#closed || this.#current !== null) return;
        this.load().catch((error: unknown) => {
          log.error({ model: this.name, error: (error as Error).message }, 'model not loaded');
          again();
        });
      }, waitMs);
    };
    again();
  }
}
