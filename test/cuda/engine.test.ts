// The engine contract of the CUDA engine: on the stand-in for CUDA's libraries or, with PHANTOM_GPU=1, on the GPU
// that there has to be.
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';

import { engineContract } from '../contract/engine-contract.js';
import { fakeCuda, reasonToSkipFakeCuda } from '../fakes/cuda/build.js';

const real = process.env['PHANTOM_GPU'] === '1';
const skip = real ? null : reasonToSkipFakeCuda();
if (!real && skip === null) Object.assign(process.env, fakeCuda());
// One engine for all: it is made for a long time.
const engine = skip === null ? createCudaEngine() : null;
const library = real ? 'on a GPU' : 'on a stand-in';
engineContract('cuda', () => engine ?? createCudaEngine(), { skip, library });
