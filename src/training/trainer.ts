import os from 'node:os';
import path from 'node:path';
import type { Communicator } from '../communicators/communicator.js';
import type { TrainingSettings } from '../settings/settings.js';
import type { BatchReader } from '../data/loader/batches.js';
import type { Engine } from '../engines/engine.js';
import { describeEngine } from '../engines/half-products.js';
import { parameterCount } from '../analysis/network-cost.js';
import { rankMemory } from '../analysis/step-memory.js';
import { buildNetwork } from '../model/network.js';
import { endKinds } from '../model/split-ends.js';
import type { NetworkSpecification } from '../model/specification.js';
import { WeightAverage } from '../optimizers/weight-average.js';
import { createOptimizer } from '../optimizers/optimizer.js';
import { learningRateAt } from '../optimizers/schedule.js';
import { checkpointName } from '../checkpoints/checkpoint-list.js';
import { linkBest } from '../checkpoints/best-checkpoint.js';
import { NO_PROGRESS } from '../checkpoints/training-progress.js';
import { EnergyAccount, type EnergyParts } from './energy-account.js';
import type { EndEvent, StartEvent, TrainingEvent } from './events.js';
import { loadCheckpoint, loadWeights } from '../checkpoints/load-checkpoint.js';
import { Evaluator, type Judgement } from './evaluator.js';
import { LossPass } from './loss-pass.js';
import { DropoutDraws } from '../layers/dropout/draws.js';
import { type LossName, type LossOptions, outputsPerTarget } from '../layers/loss-names.js';
import type { MetricsShape } from './metrics-shape.js';
import { type Replicas, Stepper, type StepResult } from './stepper.js';
import { MetricsFile } from './metrics-file.js';
import { NestedGhosts } from '../model/nested-ghosts.js';
import { createObjective } from './objective.js';
import { hiddenShare } from './overlap.js';
import { formatSchema, SCHEMA_FILE } from '../data/tables/schema-file.js';
import { summarize } from '../data/tables/schema.js';
import type { OpenedTable } from '../data/dataset.js';
import type { WriteLock } from '../checkpoints/run-lock.js';
import { saveCheckpoint } from '../checkpoints/save-checkpoint.js';
import { DIVERGENCE_ADVICE } from './divergence.js';
import { RunProgress } from './run-progress.js';
import { StepTimeline } from './step-timeline.js';
import { StepTimes, warmUpSteps } from './step-times.js';
import type { WorkMeters } from './work-meters.js';

/** A training run, resolved: what every rank needs to know. Structured-cloneable. */
export interface TrainingJob {
  readonly settings: TrainingSettings;
  readonly specification: NetworkSpecification;
  readonly loss: LossName;
  readonly lossOptions: LossOptions;
  /** Whether samples have weights. */
  readonly weighted: boolean;
  /** What outputs are judged as. */
  readonly metrics: MetricsShape;
  readonly steps: number;
  readonly validateEvery: number;
  readonly trainingRows: number | null;
  readonly validationRows: number;
  readonly runFolder: string;
  readonly lock: WriteLock;
  readonly configHash: string;
  readonly resume: { readonly folder: string; readonly step: number } | null;
  /** The folder of the weights that a new run begins with, verified, and what it is in words; null:
   * random ones. */
  readonly from: { readonly folder: string; readonly text: string } | null;
  readonly resumeCommand: string;
  /** What is trained on, where it is a table. */
  readonly table: OpenedTable | null;
  readonly processes: StartEvent['processes'];
}

/** What a rank is given besides the job. */
export interface TrainingParts {
  readonly engine: Engine;
  /** Of the network; what it carries is counted. */
  readonly communicator: Communicator;
  /** The same ranks, for checkpoints. */
  readonly shards: Communicator;
  /** All ranks of all replicas, for agreement. */
  readonly control: Communicator;
  readonly replicas: Replicas | null;
  readonly batches: BatchReader;
  readonly meters: WorkMeters;
  readonly energy: EnergyParts;
  readonly peakFlopsPerS: number;
  /** Rate of bfloat16 products over that of float32 ones; null: nothing is computed in bfloat16. */
  readonly halfRatio: number | null;
  readonly stopRequested: () => boolean;
  /** What went wrong without ending the run: taken from here after each step, for the log. */
  readonly warnings: string[];
  /** Called on rank 0 alone. */
  readonly onEvent: (event: TrainingEvent) => void;
}

interface LoggedStep extends StepResult {
  readonly step: number;
  readonly learningRate: number;
  /** Whether a timeline was recorded. */
  readonly isRecorded: boolean;
}

/** Trains on one rank, from the first step or a checkpoint to the end or a stop request. */
export function runTraining(job: TrainingJob, parts: TrainingParts): EndEvent | null {
  return new Trainer(job, parts).run();
}

class Trainer {
  readonly #job: TrainingJob;
  readonly #parts: TrainingParts;
  readonly #metrics: MetricsFile | null;
  readonly #startedS = performance.now() / 1000;
  readonly #energy: EnergyAccount;
  readonly #times: StepTimes;
  readonly #timeline: StepTimeline;
  #validation: Judgement | null = null;
  readonly #warmUp: number;
  /** By rank. */
  readonly #waitingS: Float64Array;
  /** Whether it was said that the best checkpoint cannot be linked to. */
  #unlinked = false;

  constructor(job: TrainingJob, parts: TrainingParts) {
    this.#job = job;
    this.#parts = parts;
    this.#energy = new EnergyAccount(parts.energy, parts.control);
    this.#warmUp = warmUpSteps(job.steps - this.#firstStep);
    this.#times = new StepTimes(job.settings.logEvery, parts.meters, this.#warmUp);
    const { energy, control } = parts;
    this.#timeline = new StepTimeline(energy.phases, control);
    this.#waitingS = new Float64Array(parts.control.size);
    this.#metrics =
      parts.control.rank === 0 ? new MetricsFile(path.join(job.runFolder, 'metrics.jsonl')) : null;
  }

  run(): EndEvent | null {
    const job = this.#job;
    const parts = this.#parts;
    const { settings, specification } = job;
    const { engine, communicator, shards, control, replicas } = parts;
    const network = buildNetwork(specification, engine, communicator);
    const optimizer = createOptimizer(
      { ...settings, name: settings.optimizer },
      engine,
      network.parameters,
    );
    const columns = settings.batch / settings.accumulate;
    const { layout } = network;
    const pass = new LossPass({
      ...parts,
      phases: parts.energy.phases,
      network,
      objective: createObjective({ ...job, layout, engine, columns, samples: this.#samples }),
    });
    const isFirstReplica = (replicas?.index ?? 0) === 0;
    const evaluator =
      job.validationRows > 0
        ? new Evaluator(pass, job.validationRows, job.metrics, isFirstReplica)
        : null;
    const average =
      settings.ema === null ? null : new WeightAverage(engine, network.parameters, settings.ema);
    const stepper = new Stepper({
      pass,
      optimizer,
      average,
      replicas,
      microBatches: settings.accumulate,
      nestedGhosts: settings.nestedGhosts ? new NestedGhosts(settings.seed, settings.ghosts) : null,
      dropout: specification.dropout ? new DropoutDraws(settings.seed) : null,
      clipNorm: settings.clipNorm,
      stopRequested: parts.stopRequested,
    });
    let before = NO_PROGRESS;
    if (job.resume) {
      const { parameters } = network;
      const optimizerState = optimizer.state;
      const target = { parameters, optimizerState, average: average?.state ?? null };
      before = loadCheckpoint(job.resume.folder, target, shards).progress;
    } else if (job.from !== null) {
      loadWeights(job.from.folder, network.parameters);
    } else {
      network.initialize(settings.seed);
    }
    if (!job.resume) average?.begin();
    const progress = new RunProgress(settings, before);
    this.#emitStart(network, engine, columns);

    const checkpoints = path.join(job.runFolder, 'checkpoints');
    const save = (step: number, onlyBest = false) => {
      this.#energy.setSteady(false);
      const contents = {
        parameters: network.parameters,
        optimizerState: optimizer.state,
        average: average?.state ?? null,
        step,
        seed: settings.seed,
        configHash: job.configHash,
        lock: job.lock,
        progress: progress.state,
        onlyBest,
        ...(job.table && { texts: { [SCHEMA_FILE]: formatSchema(job.table.schema) } }),
      };
      const folder = path.join(checkpoints, checkpointName(step));
      // Replicas hold the same weights: the first writes them, the others wait until it has.
      if (isFirstReplica) {
        saveCheckpoint(checkpoints, contents, shards, settings.keepCheckpoints);
      }
      if (replicas) control.barrier();
      this.#emit({ type: 'checkpoint', step, folder });
      if (progress.state.best?.step === step) this.#linkBest(checkpoints, step);
      return folder;
    };
    let checkpoint = job.resume?.folder ?? save(0);
    let checkpointStep = this.#firstStep;

    // Networks of nested ghosts are judged with all of them.
    const allGhosts = settings.nestedGhosts ? settings.ghosts : null;
    const times = this.#times;
    let reason: EndEvent['reason'] = 'finished';
    let last: { loss: number; accuracy: number } | null = null;
    const { schedule, lr, warmup: warmupSteps } = settings;
    const horizon = settings.scheduleSteps ?? job.steps;
    let step = this.#firstStep;
    while (step < job.steps) {
      const rate = learningRateAt(step, {
        schedule,
        peak: lr * progress.rateFactor,
        steps: horizon,
        warmupSteps,
      });
      const isLogged = (step + 1) % settings.logEvery === 0 || step + 1 === job.steps;
      const isSteady = step - this.#firstStep >= this.#warmUp;
      this.#energy.setSteady(isSteady);
      const isRecorded = isLogged && isSteady && this.#timeline.begin();
      times.begin();
      const result = stepper.step(step, rate, isLogged);
      times.end(result.dataWaitS);
      if (isRecorded) this.#timeline.end();
      this.#energy.tick();
      step++;
      last = { loss: result.loss, accuracy: result.accuracy };
      if (isLogged) this.#emitStep({ ...result, step, learningRate: rate, isRecorded });
      while (parts.warnings.length > 0) {
        this.#emit({ type: 'warning', message: parts.warnings.shift() ?? '' });
      }

      const isLast = step === job.steps;
      if (progress.stepped(result.loss, this.#samples, isLast)) {
        reason = 'diverged';
        break;
      }
      let isBest = false;
      const due = job.validateEvery > 0 && (step % job.validateEvery === 0 || isLast);
      if (due && evaluator !== null) {
        this.#energy.setSteady(false);
        const evaluate = () => evaluator.evaluate(allGhosts);
        this.#validation = average === null ? evaluate() : average.use(evaluate);
        const onBeat = step % job.validateEvery === 0;
        isBest = progress.validated(step, this.#validation, onBeat);
        this.#emit({
          type: 'validation',
          step,
          rows: job.validationRows,
          loss: this.#validation.loss,
          accuracy: orNull(this.#validation.accuracy),
          metrics: this.#validation.values,
          best: isBest,
          rateFactor: progress.rateFactor,
        });
      }
      const judged =
        job.validationRows > 0 ? (due ? this.#validation?.loss : undefined) : result.loss;
      const reached =
        settings.targetLoss !== null && judged !== undefined && judged <= settings.targetLoss;
      if (reached) reason = 'target-loss';
      else if (due && progress.stops && !isLast) reason = 'early-stopping';
      else if (result.stop && !isLast) reason = 'interrupted';
      const ends = isLast || reason !== 'finished';
      const scheduled =
        ends || (settings.checkpointEvery !== null && step % settings.checkpointEvery === 0);
      if (scheduled || isBest) {
        checkpoint = save(step, !scheduled);
        checkpointStep = step;
      }
      if (ends) break;
    }
    // Nobody goes on from weights that have diverged.
    if (checkpointStep !== step && reason !== 'diverged') checkpoint = save(step);
    return this.#end(reason, step, last, { checkpoint, best: progress.state.best });
  }

  #linkBest(checkpoints: string, step: number): void {
    if (this.#metrics === null) return;
    const problem = linkBest(checkpoints, step);
    if (problem === null || this.#unlinked) return;
    this.#unlinked = true;
    this.#emit({ type: 'warning', message: problem });
  }

  /** Samples in a step of all replicas. */
  get #samples(): number {
    const { batch, replicas } = this.#job.settings;
    return batch * replicas;
  }

  /** Steps that were done before this run began or went on. */
  get #firstStep(): number {
    return this.#job.resume?.step ?? 0;
  }

  #emit(event: TrainingEvent): void {
    if (this.#metrics === null) return;
    this.#metrics.append(event);
    this.#parts.onEvent(event);
  }

  #emitStart(network: ReturnType<typeof buildNetwork>, engine: Engine, columns: number): void {
    const { settings, specification, steps, trainingRows, validationRows, table } = this.#job;
    const { communicator, peakFlopsPerS, halfRatio } = this.#parts;
    const sum = (of: (cost: ReturnType<typeof network.costs>[number]['cost']) => number) =>
      network.costs(columns).reduce((total, { cost }) => total + of(cost), 0) * settings.accumulate;
    this.#emit({
      type: 'start',
      time: new Date().toISOString(),
      runFolder: this.#job.runFolder,
      host: os.hostname(),
      pid: process.pid,
      strategy: specification.strategy,
      ...endKinds(specification),
      engine: engine.name,
      engineDescription: describeEngine(engine, settings.compute, halfRatio),
      communicator: communicator.description,
      ranks: communicator.size,
      processes: this.#job.processes,
      replicas: settings.replicas,
      parameters: parameterCount(specification),
      from: this.#job.from?.text ?? null,
      table: table && summarize(table.schema),
      notes: table?.notes ?? [],
      trainingRows,
      validationRows,
      steps,
      firstStep: this.#firstStep,
      peakFlopsPerS,
      flopsPerStep: sum(({ forward, backward }) => forward.flops + backward.flops),
      sentBytesPerStep: sum(({ forward, backward }) => forward.sentBytes + backward.sentBytes),
      receivedBytesPerStep: sum(
        ({ forward, backward }) => forward.receivedBytes + backward.receivedBytes,
      ),
      memoryBytes: rankMemory(
        {
          specification,
          ranks: communicator.size,
          columns,
          loss: this.#job.loss,
          weighted: this.#job.weighted,
          quantiles: outputsPerTarget(this.#job.loss, this.#job.lossOptions),
          optimizer: settings.optimizer,
          average: settings.ema !== null,
          inputGradient: false,
        },
        0,
      ).totalBytes,
      meter: this.#parts.energy.meter?.name ?? 'none',
      meterDescription: this.#parts.energy.meter?.description ?? '',
      energyObtained: this.#parts.energy.meter?.obtained ?? 'unavailable',
    });
  }

  #emitStep({ step, isRecorded, learningRate, ...result }: LoggedStep): void {
    const { trainingRows, steps } = this.#job;
    const interval = this.#times.takeInterval();
    const elapsedS = performance.now() / 1000 - this.#startedS;
    const rankWaitingS = this.#gatherWaiting(interval.exposedS);
    const timeline = isRecorded && this.#timeline.gather(rankWaitingS);
    this.#emit({
      type: 'step',
      step,
      loss: result.loss,
      accuracy: orNull(result.accuracy),
      epoch: trainingRows === null ? null : (step * this.#samples) / trainingRows,
      gradientNorm: result.gradientNorm,
      learningRate,
      stepTimeS: interval.medianS,
      samplesPerS: this.#samples / interval.medianS,
      flopsPerS: interval.flops / interval.medianS,
      modelFlopsUtilization: interval.flops / interval.medianS / this.#parts.peakFlopsPerS,
      sentBytes: interval.sentBytes,
      receivedBytes: interval.receivedBytes,
      exposedS: interval.exposedS,
      rankWaitingS,
      hiddenShare: hiddenShare(interval.communication),
      collectives: interval.collectives,
      dataWaitS: interval.dataWaitS,
      energyJ: this.#energy.readJ(),
      elapsedS,
      remainingS: ((steps - step) * elapsedS) / (step - this.#firstStep),
      ...(timeline && { timeline }),
    });
  }

  /** What every rank waited, a step; to be called by all of them. @param exposedS of this one */
  #gatherWaiting(exposedS: number): number[] {
    const { control } = this.#parts;
    this.#waitingS.fill(0);
    this.#waitingS[control.rank] = exposedS;
    if (control.size > 1) control.allReduceSum(this.#waitingS);
    return Array.from(this.#waitingS, (timeS) => Number(timeS.toPrecision(4)));
  }

  #end(
    reason: EndEvent['reason'],
    step: number,
    last: { loss: number; accuracy: number } | null,
    { checkpoint, best }: Pick<EndEvent, 'checkpoint' | 'best'>,
  ): EndEvent | null {
    const { steadySteps } = this.#times;
    const { carbonIntensity: carbonIntensityGPerKWh, pue } = this.#job.settings;
    const { energy, problem } = this.#energy.end(steadySteps, steadySteps * this.#samples, {
      carbonIntensityGPerKWh,
      pue,
    });
    if (problem !== null) this.#emit({ type: 'warning', message: `no energy: ${problem}` });
    if (reason === 'diverged') this.#emit({ type: 'warning', message: DIVERGENCE_ADVICE });
    const medianS = this.#times.overallMedianS();
    const event: EndEvent = {
      type: 'end',
      reason,
      step,
      steadySteps,
      loss: last?.loss ?? null,
      accuracy: last && orNull(last.accuracy),
      validationLoss: this.#validation?.loss ?? null,
      validationAccuracy: this.#validation && orNull(this.#validation.accuracy),
      validationMetrics: this.#validation?.metrics ?? null,
      medianStepTimeS: medianS,
      samplesPerS: medianS === null ? null : this.#samples / medianS,
      ranks: this.#parts.control.size,
      ...this.#times.overallOverlap(),
      elapsedS: performance.now() / 1e3 - this.#startedS,
      energy,
      runFolder: this.#job.runFolder,
      checkpoint,
      best,
      resumeCommand:
        reason === 'interrupted' || reason === 'diverged' ? this.#job.resumeCommand : null,
    };
    this.#emit(event);
    this.#metrics?.close();
    return this.#metrics && event;
  }
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
