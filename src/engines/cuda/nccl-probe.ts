export { ncclVersion, openNccl } from '../../native/nccl.js';
