import { MeterError } from '../../base/errors.js';
import { openNvml } from '../../native/nvml.js';
import { counterSource, integratedSource } from '../counter.js';
import type { EnergySource } from '../meter.js';
import { type GpuSources, MAXIMUM_GPU_W, ofGpu, textOf } from './gpu-sources.js';

/**
 * All NVIDIA GPUs of this machine: their total-energy counters (Volta and newer), or the power of
 * those that have none, to be integrated.
 *
 * @throws NativeError without the library; MeterError when a GPU tells neither
 */
export async function nvmlSources(): Promise<GpuSources> {
  const nvml = await openNvml();
  const check = (what: string, code: number) => {
    if (code === 0) return;
    throw new MeterError('nvml', `${what} failed: ${nvml.errorText(code)}`);
  };
  check('nvmlInit', nvml.init());
  const count = new Uint32Array(1);
  check('counting the GPUs', nvml.deviceCount(count));
  if (count[0] === 0) throw new MeterError('nvml', 'the driver is installed but finds no GPU');
  const sources = Array.from({ length: count[0] ?? 0 }, (_, index): EnergySource => {
    const handle = new BigUint64Array(1);
    check(`opening GPU ${index}`, nvml.deviceByIndex(index, handle));
    const device = Number(handle[0]);
    const text = new Uint8Array(96);
    const named = nvml.deviceName(device, text, text.length) === 0 ? ` ${textOf(text)}` : '';
    const name = `GPU ${index}${named}`;

    const energy = new BigUint64Array(1);
    if (nvml.totalEnergy(device, energy) === 0) {
      const read = () => {
        check(`reading the energy of ${name}`, nvml.totalEnergy(device, energy));
        return Number(energy[0]);
      };
      return ofGpu(
        counterSource({ name, jouleACount: 1e-3, range: null, maximumW: MAXIMUM_GPU_W, read }),
      );
    }
    const power = new Uint32Array(1);
    const read = () => {
      check(`reading the power of ${name}`, nvml.power(device, power));
      return (power[0] ?? 0) / 1e3;
    };
    read();
    return ofGpu(integratedSource({ name, read }));
  });
  return { sources, close: () => nvml.shutdown() };
}
