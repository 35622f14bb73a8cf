import { processCpuS } from '../../energy/cpu-time.js';
import type { EnergyMeter } from '../../energy/meter.js';
import { completePower } from '../../energy/modelled.js';
import { findMachineFile, readPower } from '../../machine/power-file.js';
import { WindowMeter } from '../../energy/windows.js';
import type { EnergyParts } from '../../training/energy-account.js';
import { createMeter } from './meters.js';
import type { RankParts } from './rank-parts.js';
import type { TrainingSettings } from '../../settings/settings.js';

/** Where ranks are that might meter the same machine. */
export interface MeterPlace {
  /** Ranks in this process. */
  readonly ranksHere: number;
  /** Whether the first of this machine's ranks is in this process; null: not known. */
  readonly firstOnMachine: boolean | null;
}

/**
 * What one rank accounts for its energy with. Counters are of a machine, and its first rank reads
 * them; the model is of a process, and the first rank of each computes it.
 */
export async function rankEnergy(
  request: MeterPlace &
    Pick<TrainingSettings, 'meter' | 'machine'> &
    Pick<RankParts, 'engine' | 'trafficBytes' | 'phases'> & {
      /** The rank's place in its process. */
      readonly index: number;
      /** Takes what is not counted. Default: a warning of the process. */
      readonly onWarning?: (message: string) => void;
    },
): Promise<EnergyParts> {
  const {
    meter: choice,
    machine,
    index,
    ranksHere,
    firstOnMachine,
    trafficBytes,
    phases,
    engine,
  } = request;
  const power = completePower(readPower(findMachineFile(machine)));
  if (index > 0) return { meter: null, phases, power };
  const meter = await createMeter({
    choice,
    machine,
    cores: ranksHere,
    // Of the machine, whose first rank reads them.
    gpus: engine.devices > 0 && firstOnMachine === true,
    onWarning: request.onWarning ?? ((message) => process.emitWarning(message)),
    // Every rank sends as much as this one.
    usage: { cpuS: processCpuS, sentBytes: () => ranksHere * trafficBytes() },
  });
  if (meter.obtained === 'modelled' || firstOnMachine === true) return { meter, phases, power };
  meter.close();
  return { meter: firstOnMachine === false ? null : unknownPlace(meter), phases, power };
}

/** Counters might be read twice. */
function unknownPlace({ name }: EnergyMeter): EnergyMeter {
  const description = 'not measured: the launcher does not say which ranks share a machine';
  return new WindowMeter({ name, description, sources: [] });
}
