// The engine contract once more, at addresses from which kernels read four elements at a time.
import { createCudaEngine } from '#src/engines/cuda/cuda-engine.js';

import { engineContract } from '../contract/engine-contract.js';
import { fakeCuda, reasonToSkipFakeCuda } from '../fakes/cuda/build.js';

const skip = reasonToSkipFakeCuda();
if (skip === null) Object.assign(process.env, fakeCuda());
const engine = skip === null ? createCudaEngine() : null;
const options = { skip, library: 'on a stand-in, aligned', byteAlignment: 16 };
engineContract('cuda', () => engine ?? createCudaEngine(), options);
