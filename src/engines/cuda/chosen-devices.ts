import { NativeError } from '../../base/errors.js';
import { type CudaDriver, cudaError } from '../../native/cuda.js';

const ID_BYTES = 16;
/** Of a UUID as text, behind `GPU-` or `MIG-`, the bytes in each part. */
const PARTS = [4, 2, 2, 2, 6];

/**
 * Numbers of the devices that are asked for, in that order, as the driver counts them from 0.
 *
 * @param asked by number, by UUID, or by how a UUID begins (`GPU-8932f937`, `MIG-…`), as CUDA_VISIBLE_DEVICES has
 *   them; null: all
 * @throws NativeError where there is none, or not one alone, or one is named twice; it lists what there is
 */
export function chosenDevices(
  driver: CudaDriver,
  asked: readonly (number | string)[] | null,
): readonly number[] {
  const view = new Int32Array(1);
  check('cuDeviceGetCount', driver.deviceCount(view));
  const all = Array.from({ length: view[0] ?? 0 }, (_, i) => i);
  if (all.length === 0) throw new NativeError('cuda', 'no device: the driver sees none');
  const chosen: number[] = [];
  for (const each of asked ?? all) {
    const found =
      typeof each === 'number'
        ? all.filter((index) => index === each)
        : all.filter((index) => uuidText(driver, index).startsWith(each.slice(4).toLowerCase()));
    const [index] = found;
    const wrong =
      index === undefined
        ? 'there is none'
        : found.length > 1
          ? `${found.length} begin so`
          : chosen.includes(index)
            ? `device ${index} is named twice; --ranks makes more ranks than devices`
            : null;
    if (wrong !== null || index === undefined) {
      const there = all.map((one) => describeDevice(driver, one)).join(', ');
      throw new NativeError('cuda', `devices ${each}: ${wrong}; the driver sees ${there}`);
    }
    chosen.push(index);
  }
  return chosen;
}

/** `0: NVIDIA H100 (GPU-8932f937-d72c-4106-c12f-20bd9faed9f6)` */
export function describeDevice(driver: CudaDriver, index: number): string {
  const name = nameOf(driver, handleOf(driver, index));
  const kind = /\bMIG\b/.test(name) ? 'MIG' : 'GPU';
  return `${index}: ${name} (${kind}-${uuidText(driver, index)})`;
}

/** What tells a device, or a part of one (MIG), from all others: 32 hexadecimal digits. */
export function deviceId(driver: CudaDriver, index: number): string {
  const id = new Uint8Array(ID_BYTES);
  check('cuDeviceGetUuid', driver.deviceId(id, handleOf(driver, index)));
  return Buffer.from(id).toString('hex');
}

/** @param device the driver's handle */
export function nameOf(driver: CudaDriver, device: number): string {
  const text = new Uint8Array(256);
  check('cuDeviceGetName', driver.deviceName(text, text.length, device));
  return new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
}

function uuidText(driver: CudaDriver, index: number): string {
  const digits = deviceId(driver, index);
  let at = 0;
  return PARTS.map((bytes) => digits.slice(at, (at += 2 * bytes))).join('-');
}

/** The driver's handle of a device. */
export function handleOf(driver: CudaDriver, index: number): number {
  const view = new Int32Array(1);
  check('cuDeviceGet', driver.device(view, index));
  return view[0] ?? 0;
}

/** @throws NativeError where a call has failed */
export function check(name: string, code: number): void {
  if (code !== 0) throw cudaError(name, code);
}
