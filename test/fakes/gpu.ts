// Builds the stand-ins for a GPU's libraries, and prints what lets a shell's programs find them.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fakeCuda } from './cuda/build.js';
import { buildNvml } from './nvml.js';

const folder = mkdtempSync(path.join(tmpdir(), 'fake-gpu-'));
const variables = { ...fakeCuda(), PHANTOM_NVML: buildNvml(folder, 'nvml', { gpus: 1 }) };
for (const [name, value] of Object.entries(variables)) console.log(`export ${name}='${value}'`);
