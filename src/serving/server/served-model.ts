import type { LoadedModel } from '../loaded-model.js';
import { type Answer, type BatchEvent, Batcher, type BatcherLimits } from './batcher.js';
import type { Log } from './log.js';
import { ProtocolError } from './protocol-error.js';

/** How long after a failure of its ranks a model is loaded again. */
const RELOAD_AFTER_FAILURE_MS = 5000;

export interface ServedModelOptions {
  readonly name: string;
  /** Loads what is newest at the model's path. */
  readonly load: () => Promise<LoadedModel>;
  /** Names what is newest there, without loading it. */
  readonly newest: () => string;
  readonly limits: BatcherLimits;
  readonly onBatch: (event: BatchEvent) => void;
  readonly log: Log;
}

interface Generation {
  readonly model: LoadedModel;
  readonly batcher: Batcher;
}

/**
 * A model under a name. Loading it again starts the new ranks beside the old ones; requests go to
 * the new ones from the moment they are ready, and the old ones end when they have answered theirs.
 */
export class ServedModel {
  readonly name: string;
  readonly #options: ServedModelOptions;
  #current: Generation | null = null;
  /** Why there is none. */
  #reason = 'it has not been loaded yet';
  /** Loads and unloads, one after another. */
  #changes: Promise<unknown> = Promise.resolve();
  readonly #ending = new Set<Promise<void>>();
  #retry: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: ServedModelOptions) {
    this.name = options.name;
    this.#options = options;
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

  /** @param ghosts as for `Batcher.submit` */
  async infer(
    x: Float32Array,
    rows: number,
    ghosts: number,
    version: string | null,
    disconnected: AbortSignal,
  ): Promise<Answer & { readonly version: string }> {
    const { model, batcher } = this.#generation(version);
    const answer = await batcher.submit(x, rows, ghosts, disconnected);
    return { ...answer, version: ServedModel.versionOf(model) };
  }

  /** Loads it, or loads it again. @throws what loading it threw; what was loaded before stays */
  load(): Promise<void> {
    return this.#change(async () => {
      const { limits, onBatch, log, load } = this.#options;
      const model = await load();
      const old = this.#current;
      this.#current = { model, batcher: new Batcher(model, limits, onBatch) };
      const { source, ranks, engine } = model;
      const what = { model: this.name, version: ServedModel.versionOf(model) };
      log.info({ ...what, path: source.weights, ranks, engine }, 'model loaded');
      void model.session.ended.then(() => this.#onEnd(model));
      if (old !== null) this.#end(old);
    });
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
    return this.#change(() => {
      this.#reason = reason;
      if (this.#current !== null) this.#end(this.#current);
      this.#current = null;
    });
  }

  /** Answers what has been asked, and ends every rank. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.unload('the server is shutting down');
    await Promise.all(this.#ending);
  }

  #change(work: () => void | Promise<void>): Promise<void> {
    const done = this.#changes.then(work);
    this.#changes = done.catch(() => {});
    return done;
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
    const ending = batcher.drain().then(() => model.close());
    this.#ending.add(ending);
    void ending.finally(() => this.#ending.delete(ending));
  }

  /** Its ranks have ended; when nobody asked for that, they are started again. */
  #onEnd(model: LoadedModel): void {
    if (this.#current?.model !== model || this.#closed) return;
    const { log } = this.#options;
    this.#current = null;
    this.#reason = `its ranks have failed: ${model.session.failure?.message ?? 'unknown'}`;
    log.error({ model: this.name, error: model.session.failure?.message }, 'model failed');
    const again = () => {
      this.#retry = setTimeout(() => {
        if (this.#closed || this.#current !== null) return;
        this.load().catch((error: unknown) => {
          log.error({ model: this.name, error: (error as Error).message }, 'model not loaded');
          again();
        });
      }, RELOAD_AFTER_FAILURE_MS);
    };
    again();
  }
}
