import { MeterError } from '../../base/errors.js';
import { openRocmSmi } from '../../native/rocm-smi.js';
import { counterSource, integratedSource } from '../counter.js';
import type { EnergySource } from '../meter.js';
import { type GpuSources, MAXIMUM_GPU_W, ofGpu, textOf } from './gpu-sources.js';

/**
 * All AMD GPUs of this machine: their energy counters, or the average power of those that have
 * none, to be integrated.
 *
 * @throws NativeError without the library; MeterError when a GPU tells neither
 */
export async function rocmSources(): Promise<GpuSources> {
  const smi = await openRocmSmi();
  const check = (what: string, code: number) => {
    if (code !== 0) throw new MeterError('rocm', `${what} failed: ROCm SMI status ${code}`);
  };
  check('rsmi_init', smi.init(0n));
  const count = new Uint32Array(1);
  check('counting the GPUs', smi.deviceCount(count));
  if (count[0] === 0) throw new MeterError('rocm', 'the library is installed but finds no GPU');
  const sources = Array.from({ length: count[0] ?? 0 }, (_, device): EnergySource => {
    const text = new Uint8Array(128);
    const named = smi.deviceName(device, text, text.length) === 0 ? ` ${textOf(text)}` : '';
    const name = `GPU ${device}${named}`;

    const [counts, resolution, time] = [
      new BigUint64Array(1),
      new Float32Array(1),
      new BigUint64Array(1),
    ];
    const look = () => smi.energyCount(device, counts, resolution, time);
    if (look() === 0 && (resolution[0] ?? 0) > 0) {
      const read = () => {
        check(`reading the energy of ${name}`, look());
        return Number(counts[0]);
      };
      const jouleACount = (resolution[0] ?? 0) * 1e-6;
      return ofGpu(
        counterSource({ name, jouleACount, range: null, maximumW: MAXIMUM_GPU_W, read }),
      );
    }
    const power = new BigUint64Array(1);
    const read = () => {
      check(`reading the power of ${name}`, smi.averagePower(device, 0, power));
      return Number(power[0]) / 1e6;
    };
    read();
    return ofGpu(integratedSource({ name, read }));
  });
  return { sources, close: () => smi.shutdown() };
}
