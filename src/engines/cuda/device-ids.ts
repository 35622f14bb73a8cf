import { NativeError } from '../../base/errors.js';
import { openCudaDriver } from '../../native/cuda.js';
import { chosenDevices, deviceId } from './chosen-devices.js';

/**
 * What tells the devices that ranks of this process take in turn from all others, whatever their numbers here: their
 * UUIDs, or those of their parts (MIG).
 *
 * @param devices by number, as the driver counts them from 0, or by UUID; null: all
 * @returns empty where there is no driver, or it does not say
 */
export async function cudaDeviceIds(
  devices: readonly (number | string)[] | null,
): Promise<readonly string[]> {
  try {
    const driver = await openCudaDriver();
    if (driver.init(0) !== 0) return [];
    return chosenDevices(driver, devices).map((index) => deviceId(driver, index));
  } catch (error) {
    // Who makes the engine says why.
    if (error instanceof NativeError) return [];
    throw error;
  }
}
