import { NativeError } from '../../base/errors.js';
import { openCudaDriver } from '../../native/cuda.js';

const ID_BYTES = 16;

/**
 * What tells the devices that ranks of this process take in turn from all others, whatever their numbers here: their
 * UUIDs, or those of their parts (MIG).
 *
 * @param devices by number, as the driver counts them from 0; null: all
 * @returns empty where there is no driver, or it does not say
 */
export async function cudaDeviceIds(devices: readonly number[] | null): Promise<readonly string[]> {
  try {
    const driver = await openCudaDriver();
    const integer = (call: (view: Int32Array) => number): number => {
      const view = new Int32Array(1);
      if (call(view) !== 0) throw new NativeError('cuda', 'no devices');
      return view[0] ?? 0;
    };
    if (driver.init(0) !== 0) return [];
    const count = integer((view) => driver.deviceCount(view));
    return (devices ?? Array.from({ length: count }, (_, i) => i)).map((index) => {
      const device = integer((view) => driver.device(view, index));
      const id = new Uint8Array(ID_BYTES);
      if (driver.deviceId(id, device) !== 0) throw new NativeError('cuda', 'no UUID');
      return Buffer.from(id).toString('hex');
    });
  } catch (error) {
    // Who makes the engine says why.
    if (error instanceof NativeError) return [];
    throw error;
  }
}
