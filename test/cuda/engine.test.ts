// The engine contract of the CUDA engine on the stand-in for CUDA's libraries. `device.test.ts` has it on a GPU.
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';

import { engineContract } from '../contract/engine-contract.js';
import { fakeCuda, reasonToSkipFakeCuda } from '../fakes/cuda/build.js';

const skip = reasonToSkipFakeCuda();
if (skip === null) Object.assign(process.env, fakeCuda());
// One engine for all: it is made for a long time.
const engine = skip === null ? createCudaEngine() : null;
engineContract('cuda', () => engine ?? createCudaEngine(), { skip, library: 'on a stand-in' });
