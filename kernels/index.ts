export { add } from './elementwise';
