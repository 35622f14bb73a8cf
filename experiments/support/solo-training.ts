// Training on one rank that hosts all blocks, without files; its numbers are those of any number of ranks.
import { countedParts } from '#src/app/ranks/rank-parts.js';
import { SoloTransport } from '#src/communicators/solo/solo-transport.js';
import type { DataParts } from '#src/data/dataset.js';
import { inlineBatches } from '#src/data/loader/loader.js';
import { fitStandardization } from '#src/data/standardize.js';
import { targetScaling } from '#src/data/tables/target-scaling.js';
import type { Engine } from '#src/engines/engine.js';
import type { LossName } from '#src/layers/loss-names.js';
import { buildNetwork } from '#src/model/network.js';
import type { NetworkSpecification } from '#src/model/specification.js';
import { createOptimizer } from '#src/optimizers/optimizer.js';
import { LossPass } from '#src/training/loss-pass.js';
import { createObjective } from '#src/training/objective.js';
import { Stepper } from '#src/training/stepper.js';

export interface SoloOptions {
  readonly engine: Engine;
  readonly specification: NetworkSpecification;
  readonly data: DataParts;
  readonly loss: LossName;
  readonly batch: number;
  readonly steps: number;
  readonly validateEvery: number;
  /** Of the first weights and the order of the rows. */
  readonly seed: number;
}

/** Steps of adam; after each it says the validation loss where one is due, else null. */
export class SoloTraining {
  readonly #options: SoloOptions;
  readonly #pass: LossPass;
  readonly #stepper: Stepper;
  /** CPU time of the steps, validations left out. */
  cpuS = 0;

  constructor(options: SoloOptions) {
    const { engine, specification, data, loss, batch, seed } = options;
    const { training, validation } = data;
    const parts = countedParts(engine, new SoloTransport());
    const network = buildNetwork(specification, parts.engine, parts.communicator);
    network.initialize(seed);
    const { layout } = network;
    const columns = { columns: batch, samples: batch };
    const objective = createObjective({ specification, loss, layout, engine, ...columns });
    const batches = inlineBatches({
      data,
      standardization: fitStandardization(training, 'auto'),
      targetScaling: targetScaling(data.table?.schema),
      oneHot: false,
      shuffle: true,
      seed,
      schedule: {
        firstStep: 0,
        steps: options.steps,
        batchSize: batch,
        microBatches: 1,
        validationRows: validation?.rows ?? 0,
        validateEvery: options.validateEvery,
      },
    });
    const optimizer = createOptimizer(
      { name: 'adam', momentum: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
      engine,
      network.parameters,
    );
    this.#options = options;
    this.#pass = new LossPass({ ...parts, network, objective, batches });
    this.#stepper = new Stepper({ pass: this.#pass, optimizer });
  }

  /**
   * @param step steps done before this one
   * @throws TrainingError for a loss that is not finite
   */
  step(step: number, rate: number): number | null {
    const { validateEvery, steps } = this.#options;
    const before = process.cpuUsage();
    this.#stepper.step(step, rate, false);
    const { user, system } = process.cpuUsage(before);
    this.cpuS += (user + system) / 1e6;
    return (step + 1) % validateEvery === 0 || step + 1 === steps ? this.#validate() : null;
  }

  #validate(): number {
    const { data, batch } = this.#options;
    const rows = data.validation?.rows ?? 0;
    const pass = this.#pass;
    pass.begin();
    for (let row = 0; row < rows; row += batch) {
      pass.forward('validation');
      pass.addLosses();
    }
    pass.startAgreement(true, false).wait();
    return pass.lossSum * pass.parts.objective.loss.scale * (batch / pass.weightSum);
  }
}
