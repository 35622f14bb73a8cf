import { NativeError } from '../../base/errors.js';
import { openCudaDriver } from '../../native/cuda.js';
import { check, chosenDevices, describeDevice, handleOf } from './chosen-devices.js';
import { isOn } from './switches.js';

/** The devices of a machine, and which of them copy from each other's memory themselves. */
export interface DeviceLinks {
  /** One line on each, in the driver's order. */
  readonly devices: readonly string[];
  /** Pairs of their numbers, the lower first. */
  readonly direct: readonly (readonly [number, number])[];
  /** Whether ranks copy from each other's devices at all: unless PHANTOM_CUDA_PEERS is off. */
  readonly peers: boolean;
}

/** Asks the driver; it copies nothing. null: there is no driver, or no device. */
export async function readDeviceLinks(): Promise<DeviceLinks | null> {
  try {
    const driver = await openCudaDriver();
    check('cuInit', driver.init(0));
    const numbers = chosenDevices(driver, null);
    const reaches = (from: number, to: number): boolean => {
      const can = new Int32Array(1);
      const [device, peer] = [handleOf(driver, from), handleOf(driver, to)];
      check('cuDeviceCanAccessPeer', driver.canAccessPeer(can, device, peer));
      return can[0] === 1;
    };
    const pairs = numbers.flatMap((a) => numbers.slice(a + 1).map((b) => [a, b] as const));
    return {
      devices: numbers.map((index) => describeDevice(driver, index)),
      direct: pairs.filter(([a, b]) => reaches(a, b) && reaches(b, a)),
      peers: isOn('PHANTOM_CUDA_PEERS'),
    };
  } catch (error) {
    // Who makes the engine says why.
    if (error instanceof NativeError) return null;
    throw error;
  }
}
