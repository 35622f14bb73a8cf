export { add } from './elementwise';
export { gemm } from './gemm';
