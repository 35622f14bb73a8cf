export { biasActivation, biasActivationGradient } from './activations';
export {
  addScaledColumns,
  columnDots,
  inverseRms,
  rmsCorrection,
  scaleColumns,
} from './columns';
export { dropout } from './dropout';
export { add, axpy, copy, fill, multiply, scale, sumOfSquares } from './elementwise';
export { gemm } from './gemm';
export { correctColumns, softmaxCrossEntropy } from './cross-entropy';
export { elementLoss } from './element-losses';
export { adamStep, sgdStep } from './optimizers';
export { decodeBfloat16, decodeInt8, encodeBfloat16, encodeInt8, widenRows } from './precision';
