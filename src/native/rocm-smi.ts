import { needed, openFirst } from './nvml.js';

/** A result code, 0 for success. Out parameters are views; devices are counted from 0. */
type Call = (...parameters: unknown[]) => number;

/** The part of AMD's ROCm SMI that tells of energy. */
export interface RocmSmi {
  readonly path: string;
  /** (BigInt flags) */
  readonly init: Call;
  readonly shutdown: Call;
  /** (Uint32Array: count) */
  readonly deviceCount: Call;
  /** (device, Uint8Array: text, its length) */
  readonly deviceName: Call;
  /** (device, BigUint64Array: counts, Float32Array: microjoules a count, BigUint64Array: time) */
  readonly energyCount: Call;
  /** (device, sensor, BigUint64Array: microwatts) */
  readonly averagePower: Call;
}

const CANDIDATES = [
  'librocm_smi64.so.7',
  'librocm_smi64.so.6',
  'librocm_smi64.so.5',
  'librocm_smi64.so.1',
  'librocm_smi64.so',
  '/opt/rocm/lib/librocm_smi64.so',
];
const REMEDY = 'it comes with ROCm (rocm-smi-lib)';

/**
 * Opens ROCm SMI: the library that PHANTOM_ROCM_SMI names, else the system's; `none` hides it.
 *
 * @throws NativeError when there is none, or it lacks a function
 */
export async function openRocmSmi(named = process.env['PHANTOM_ROCM_SMI']): Promise<RocmSmi> {
  const library = await openFirst('rocm', named === undefined ? CANDIDATES : [named], REMEDY);
  const call = (name: string, types: string) => needed(library, name, types.split(' '));
  return {
    path: library.path,
    init: call('rsmi_init', 'uint64_t'),
    shutdown: needed(library, 'rsmi_shut_down', []),
    deviceCount: call('rsmi_num_monitor_devices', 'void*'),
    deviceName: call('rsmi_dev_name_get', 'uint32_t void* size_t'),
    energyCount: call('rsmi_dev_energy_count_get', 'uint32_t void* void* void*'),
    averagePower: call('rsmi_dev_power_ave_get', 'uint32_t uint32_t void*'),
  };
}
