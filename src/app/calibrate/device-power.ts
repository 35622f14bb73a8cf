import { MeterError } from '../../base/errors.js';
import { rounded } from '../../calibration/clock.js';
import { keepBusy, type Workplace } from '../../calibration/measure-kernels.js';
import type { Communicator } from '../../communicators/communicator.js';
import type { EnergyMeter } from '../../energy/meter.js';
import type { PowerModel } from '../../machine/machine.js';
import { createMeter } from '../ranks/meters.js';

/** Watts of a device, as counted. */
export interface DeviceWatts {
  readonly busyW: number;
  readonly waitingW: number;
  /** What counted. */
  readonly meter: string;
}

/** How often power is looked at where a sensor has it in place of a counter. */
const LOOK_MS = 100;

/**
 * Watts of devices that wait, and that make their largest product again and again, one for each rank. The counters have
 * all GPUs of the machine: others are taken to wait as these do. To be called by every rank of a machine.
 *
 * @param seconds of either
 * @returns null on other ranks than the first, and where there is no counter
 */
export async function measureDeviceWatts(
  place: Workplace,
  communicator: Communicator,
  seconds: number,
): Promise<DeviceWatts | null> {
  const meter = communicator.rank === 0 ? await openDeviceCounter() : null;
  try {
    const look = () => meter?.sample();
    let gpus = 0;
    const watts = (window: string, work: () => void): number | null => {
      place.engine.synchronize();
      communicator.barrier();
      meter?.begin(window);
      work();
      const reading = meter?.end(window);
      communicator.barrier();
      if (!reading || reading.energyJ === null) return null;
      gpus = reading.parts.length;
      return reading.energyJ / reading.elapsedS;
    };
    const idleW = watts('idle', () => rest(seconds, look));
    const busyW = watts('busy', () => keepBusy(place, seconds, look));
    if (meter === null || idleW === null || busyW === null) return null;
    const each = wattsOfEach({ idleW, busyW, gpus }, communicator.size);
    return { ...each, meter: meter.description };
  } finally {
    meter?.close();
  }
}

/** Watts of one of the devices that are busy together.
 * @param counted watts of all GPUs, while all wait and while the devices are busy */
export function wattsOfEach(
  { idleW, busyW, gpus }: Record<'idleW' | 'busyW' | 'gpus', number>,
  devices: number,
): Pick<DeviceWatts, 'busyW' | 'waitingW'> {
  // Parts of a GPU (MIG) are more than there are GPUs.
  const waitingW = idleW / Math.max(gpus, devices);
  const othersW = waitingW * Math.max(0, gpus - devices);
  return { busyW: rounded((busyW - othersW) / devices), waitingW: rounded(waitingW) };
}

/** The counters of the machine's GPUs; null: there are none that may be read. */
async function openDeviceCounter(): Promise<EnergyMeter | null> {
  try {
    return await createMeter({ choice: 'nvml', machine: 'default' });
  } catch (error) {
    if (error instanceof MeterError) return null;
    throw error;
  }
}

function rest(seconds: number, look: () => void): void {
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (let left = 1000 * seconds; left > 0; left -= LOOK_MS) {
    Atomics.wait(nobody, 0, 0, Math.min(left, LOOK_MS));
    look();
  }
}

/** Constants of a plan from these watts; null: nothing was counted. */
export function devicePower(watts: DeviceWatts | null, source: string): PowerModel {
  if (watts === null) return { busyW: null, waitingW: null, sharedW: null, energyPerByteJ: null };
  const { busyW, waitingW, meter } = watts;
  const counted = { source: `${source}, by ${meter}` };
  return {
    busyW: { value: busyW, ...counted },
    waitingW: { value: waitingW, ...counted },
    sharedW: { value: 0, source: 'not counted: joules are those of the GPUs alone' },
    energyPerByteJ: {
      value: 0,
      source: 'not counted: no counter has copies between devices by themselves',
    },
  };
}
